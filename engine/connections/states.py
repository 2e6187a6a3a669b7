"""Consents under way: what the state in a person's browser stands for.

The state itself is not kept, its hash is the key; what it stands for is sealed for its tenant and that key. It ends
after ten minutes. Once it was used, a note stays in its place for the rest of them.
"""

from __future__ import annotations

import base64
import hashlib
from dataclasses import asdict, field
from typing import Any, Final

from engine.connections.ports import Clock
from engine.errors import StorageCorrupt
from engine.frozen import frozen
from engine.library import exact
from engine.storage.ports import Store

LIFE_SECONDS: Final = 600.0


@frozen
class Pending:
    """`seen`: digest of what the connection looked like; `browser`: hash of the cookie of the one that may return."""

    connection_id: str
    method: str
    seen: str
    verifier: str | None = field(repr=False)
    redirect_url: str | None
    browser: str | None


@frozen
class Found:
    """`used_by`: HTTP method of the callback that used it."""

    key: str
    version: int
    expires_at: float
    tenant_id: str
    pending: Pending
    used_by: str | None


class States:
    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock

    async def keep(self, state: str, tenant_id: str, pending: Pending) -> float:
        """Durable when it returns; until when (epoch seconds)."""
        key = _key(state)
        await self._store.vault.prepare(tenant_id)
        sealed = self._store.vault.seal(tenant_id, key, exact.dumps(asdict(pending)))
        value = {"tenant": tenant_id, "sealed": base64.b64encode(sealed).decode()}
        until = self._clock.now() + LIFE_SECONDS
        await self._store.state.put(key, exact.dumps(value), expected=0, ttl_seconds=LIFE_SECONDS, durable=True)
        return until

    async def find(self, state: str) -> Found | None:
        """None for one that nobody was given, or too long ago. Raises `StorageCorrupt`."""
        key = _key(state)
        record = await self._store.state.get(key)
        if record is None:
            return None
        value = exact.loads(record.value)
        opened = exact.loads(self._store.vault.open(value["tenant"], key, base64.b64decode(value["sealed"])))
        try:
            pending = Pending(**opened)
        except TypeError:
            raise StorageCorrupt("a consent under way can't be read") from None
        return Found(key, record.version, record.expires_at, value["tenant"], pending, value.get("used"))

    async def use(self, found: Found, http_method: str) -> bool:
        """Of all who found it, one does; False for the others."""
        record = await self._store.state.get(found.key)
        if record is None or record.version != found.version:
            return False
        value: dict[str, Any] = {**exact.loads(record.value), "used": http_method}
        left = max(found.expires_at - self._clock.now(), 1.0)
        put = self._store.state.put
        return (
            await put(found.key, exact.dumps(value), expected=found.version, ttl_seconds=left, durable=True) is not None
        )


def _key(state: str) -> str:
    return f"consent:{hashlib.sha256(state.encode()).hexdigest()}"
