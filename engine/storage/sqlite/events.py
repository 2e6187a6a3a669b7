"""The `Events` port on SQLite. A provider that was answered does not send again, so what is stored is durable."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from typing import Any, Final

from engine.model import Event
from engine.storage.ports import EventQuery
from engine.storage.sqlite.database import Database, Row

_COLUMNS: Final = "event_id, tenant_id, connection_id, integration_id, type, data, received_at"
_INSERT: Final = f"INSERT OR IGNORE INTO events ({_COLUMNS}) VALUES (?,?,?,?,?,?,?)"  # noqa: S608 - constants
_GET: Final = f"SELECT {_COLUMNS} FROM events WHERE tenant_id = ? AND event_id = ?"  # noqa: S608 - constants
_ARRIVED: Final = (
    "INSERT OR IGNORE INTO arrivals (tenant_id, event_id, connection_id, type, received_at) VALUES (?,?,?,?,?)"
)
_EXPIRE: Final = "DELETE FROM events WHERE rowid IN (SELECT rowid FROM events WHERE received_at < ? LIMIT ?)"


class SqliteEvents:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def append(self, events: Sequence[Event]) -> frozenset[str]:
        rows = [(_values(event), _arrival(event)) for event in events]

        def insert(db: sqlite3.Connection) -> frozenset[str]:
            new: set[str] = set()
            for row, arrival in rows:
                if db.execute(_INSERT, row).rowcount:
                    db.execute(_ARRIVED, arrival)
                    new.add(str(row[0]))
            return frozenset(new)

        return await self._database.write_durable(insert)

    async def get(self, tenant_id: str, event_id: str) -> Event | None:
        rows = await self._database.read(_GET, (tenant_id, event_id))
        return Event(*rows[0]) if rows else None

    async def find(self, query: EventQuery) -> list[Event]:
        parts, values = _conditions(query)
        sql = f"SELECT {_COLUMNS} FROM events WHERE {' AND '.join(parts)}"  # noqa: S608 - constants
        rows = await self._database.read_aside(
            f"{sql} ORDER BY received_at DESC, event_id DESC LIMIT ?", [*values, query.limit]
        )
        return [Event(*row) for row in rows]

    async def expire(self, before: float, batch: int = 1000) -> int:
        return await self._database.remove_in_steps(_EXPIRE, before, batch)


def _conditions(query: EventQuery) -> tuple[list[str], list[Any]]:
    parts, values = ["tenant_id = ?"], [query.tenant_id]
    more: list[Any] = []
    for column, wanted in (("connection_id", query.connection_id), ("type", query.type)):
        if wanted is not None:
            parts.append(f"{column} = ?")
            more.append(wanted)
    if query.after is not None:
        parts.append("(received_at, event_id) < (?, ?)")
        more.extend(query.after)
    return parts, [*values, *more]


def _values(event: Event) -> Row:
    return (
        event.event_id,
        event.tenant_id,
        event.connection_id,
        event.integration_id,
        event.type,
        event.data,
        event.received_at,
    )


def _arrival(event: Event) -> Row:
    return event.tenant_id, event.event_id, event.connection_id, event.type, event.received_at
