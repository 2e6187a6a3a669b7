"""Cursors of lists: the position of the last row, sealed for one tenant and one set of filters."""

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
    sealed = vault.seal(tenant_id, _context(filters), orjson.dumps(position))
    return base64.urlsafe_b64encode(sealed).rstrip(b"=").decode()


def open_cursor(vault: Vault, tenant_id: str, filters: Mapping[str, Any], cursor: str) -> tuple[float, str]:
    """The position. Raises `RequestError` BAD_REQUEST for a changed, foreign or otherwise filtered cursor."""
    try:
        if len(cursor) > _LONGEST:
            raise ValueError("longer than any cursor of ours")
        sealed = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
        instant, identity = orjson.loads(vault.open(tenant_id, _context(filters), sealed))
    except (ValueError, binascii.Error, StorageCorrupt):
        # `from None`: the cause may quote what was sent.
        issue = Issue("is not a cursor of this list; start without one and keep the filters between pages", ("cursor",))
        raise RequestError("BAD_REQUEST", "cursor is not valid for this list", (issue,)) from None
    return float(instant), str(identity)


def _context(filters: Mapping[str, Any]) -> str:
    given = {name: value for name, value in filters.items() if value is not None}
    canonical = orjson.dumps(given, option=orjson.OPT_SORT_KEYS)
    return f"cursor|{hashlib.sha256(canonical).hexdigest()}"
