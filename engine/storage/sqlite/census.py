"""The `Census` port on SQLite."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Final

from engine.storage.ports import Arrival, Record
from engine.storage.sqlite.database import Database

_PAGE: Final = 1000
_TENANTS: Final = " UNION ".join(
    f"SELECT tenant_id FROM {table}"  # noqa: S608 - constants
    for table in ("connections", "subscriptions", "events", "executions", "intake")
)
_RECORDS: Final = (
    "SELECT key, value, version, expires_at FROM state WHERE key > ? AND key < ? AND expires_at > ?"
    " ORDER BY key LIMIT ?"
)
_ARRIVALS: Final = (
    "SELECT rowid, tenant_id, event_id, connection_id, type, received_at FROM arrivals WHERE rowid > ?"
    " ORDER BY rowid LIMIT ?"
)
_LAST_CHARACTER: Final = "\U0010ffff"


class SqliteCensus:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def tenants(self) -> list[str]:
        return sorted(row[0] for row in await self._database.read_aside(_TENANTS, ()))

    async def records(self, prefix: str) -> AsyncIterator[tuple[str, Record]]:
        after = prefix
        while True:
            values = (after, prefix + _LAST_CHARACTER, self._database.now(), _PAGE)
            rows = await self._database.read_aside(_RECORDS, values)
            for key, *rest in rows:
                yield key, Record(*rest)
            if len(rows) < _PAGE:
                return
            after = rows[-1][0]

    async def arrivals(self) -> AsyncIterator[Arrival]:
        after = 0
        while True:
            rows = await self._database.read_aside(_ARRIVALS, (after, _PAGE))
            for _, *rest in rows:
                yield Arrival(*rest)
            if len(rows) < _PAGE:
                return
            after = rows[-1][0]
