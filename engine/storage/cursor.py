"""Cursors of lists: the position of the last row, sealed for one tenant and one set of filters.

`seal_text` and `open_text` serve other positions that leave the process and come back.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections.abc import Mapping
from typing import Any, Final

import orjson

from engine.errors import Issue, RequestError, StorageCorrupt
from engine.storage.ports import Vault

_LONGEST: Final = 1024


def seal_cursor(vault: Vault, tenant_id: str, filters: Mapping[str, Any], position: tuple[float, str]) -> str:
    """URL-safe text that only this tenant can use, and only with the same filters (JSON values; None = not set)."""
    return seal_text(vault, tenant_id, _context(filters), orjson.dumps(position))


def open_cursor(vault: Vault, tenant_id: str, filters: Mapping[str, Any], cursor: str) -> tuple[float, str]:
    """The position. Raises `RequestError` BAD_REQUEST for a changed, foreign or otherwise filtered cursor."""
    try:
        if len(cursor) > _LONGEST:
            raise ValueError("longer than any cursor of ours")
        instant, identity = orjson.loads(open_text(vault, tenant_id, _context(filters), cursor))
    except ValueError:
        # `from None`: the cause may quote what was sent.
        issue = Issue("is not a cursor of this list; start without one and keep the filters between pages", ("cursor",))
        raise RequestError("BAD_REQUEST", "cursor is not valid for this list", (issue,)) from None
    return float(instant), str(identity)


def seal_text(vault: Vault, tenant_id: str, context: str, data: bytes) -> str:
    """The bytes as URL-safe text that only `open_text` for the same tenant and context can open."""
    return base64.urlsafe_b64encode(vault.seal(tenant_id, context, data)).rstrip(b"=").decode()


def open_text(vault: Vault, tenant_id: str, context: str, text: str) -> bytes:
    """The bytes. Raises `ValueError` for what was not sealed so."""
    try:
        sealed = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
        return vault.open(tenant_id, context, sealed)
    except (ValueError, binascii.Error, StorageCorrupt):
        raise ValueError("not sealed for this tenant and context") from None


def _context(filters: Mapping[str, Any]) -> str:
    given = {name: value for name, value in filters.items() if value is not None}
    canonical = orjson.dumps(given, option=orjson.OPT_SORT_KEYS)
    return f"cursor|{hashlib.sha256(canonical).hexdigest()}"
