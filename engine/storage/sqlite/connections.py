"""The `Connections` port on SQLite. Changes are durable."""

from __future__ import annotations

import sqlite3
from dataclasses import replace
from typing import Final

from engine.errors import VersionConflict
from engine.library import exact
from engine.model import Connection
from engine.storage.sqlite.cache import Cache, Freshness
from engine.storage.sqlite.database import Database, Row

_COLUMNS: Final = (
    "tenant_id, connection_id, integration_id, name, config, status,"
    " created_at, updated_at, last_tested_at, last_error_at, last_error, version, route"
)
_GET: Final = f"SELECT {_COLUMNS} FROM connections WHERE tenant_id = ? AND connection_id = ?"  # noqa: S608 - constants
_LOCATE: Final = f"SELECT {_COLUMNS} FROM connections WHERE connection_id = ? LIMIT 2"  # noqa: S608 - constants
_ROUTED: Final = f"SELECT {_COLUMNS} FROM connections WHERE route = ? LIMIT ?"  # noqa: S608 - constants
_FIND: Final = f"SELECT {_COLUMNS} FROM connections WHERE tenant_id = ?"  # noqa: S608 - constants
_CREATE: Final = f"INSERT INTO connections ({_COLUMNS}) VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?)"  # noqa: S608 - constants
_UPDATE: Final = (
    "UPDATE connections SET name = ?, config = ?, status = ?, updated_at = ?, last_tested_at = ?, last_error_at = ?,"
    " last_error = ?, route = ?, version = version + 1 WHERE tenant_id = ? AND connection_id = ? AND version = ?"
)
_DELETE: Final = "DELETE FROM connections WHERE tenant_id = ? AND connection_id = ?"


class SqliteConnections:
    def __init__(self, database: Database, freshness: Freshness) -> None:
        self._database = database
        self._cache: Cache[Connection | None] = Cache(freshness)

    async def create(self, connection: Connection) -> None:
        values = _values(connection)

        def insert(db: sqlite3.Connection) -> None:
            try:
                db.execute(_CREATE, values)
            except sqlite3.IntegrityError:
                raise VersionConflict("a connection with this id exists already") from None

        await self._database.write_durable(insert)

    async def get(self, tenant_id: str, connection_id: str) -> Connection | None:
        known = self._cache.get((tenant_id, connection_id), None)
        if known is None:
            mark = self._cache.mark()
            rows = await self._database.read(_GET, (tenant_id, connection_id))
            if not rows:
                return None
            known = _connection(rows[0])
            self._cache.keep((tenant_id, connection_id), known, mark)
        return known

    async def locate(self, connection_id: str) -> Connection | None:
        rows = await self._database.read(_LOCATE, (connection_id,))
        return _connection(rows[0]) if len(rows) == 1 else None

    async def routed(self, route: str, limit: int) -> list[Connection]:
        return [_connection(row) for row in await self._database.read(_ROUTED, (route, limit))]

    async def find(
        self, tenant_id: str, integration_id: str | None = None, status: str | None = None
    ) -> list[Connection]:
        sql, values = _FIND, [tenant_id]
        if integration_id is not None:
            sql, values = f"{sql} AND integration_id = ?", [*values, integration_id]
        if status is not None:
            sql, values = f"{sql} AND status = ?", [*values, status]
        rows = await self._database.read(f"{sql} ORDER BY created_at DESC, connection_id DESC", values)
        return [_connection(row) for row in rows]

    async def update(self, connection: Connection) -> Connection:
        _, _, _, name, config, status, _, updated_at, *last, version, route = _values(connection)
        key = (connection.tenant_id, connection.connection_id, version)

        def change(db: sqlite3.Connection) -> None:
            if db.execute(_UPDATE, (name, config, status, updated_at, *last, route, *key)).rowcount != 1:
                raise VersionConflict("the connection was changed or deleted meanwhile")

        try:
            await self._database.write_durable(change)
        finally:
            self._cache.drop((connection.tenant_id, connection.connection_id))
        return replace(connection, version=connection.version + 1)

    async def delete(self, tenant_id: str, connection_id: str) -> bool:
        def remove(db: sqlite3.Connection) -> bool:
            return db.execute(_DELETE, (tenant_id, connection_id)).rowcount == 1

        try:
            return await self._database.write_durable(remove)
        finally:
            self._cache.drop((tenant_id, connection_id))


def _values(connection: Connection) -> Row:
    return (
        connection.tenant_id,
        connection.connection_id,
        connection.integration_id,
        connection.name,
        exact.dumps(dict(connection.config)),
        connection.status,
        connection.created_at,
        connection.updated_at,
        connection.last_tested_at,
        connection.last_error_at,
        connection.last_error,
        connection.version,
        connection.route,
    )


def _connection(row: Row) -> Connection:
    tenant_id, connection_id, integration_id, name, config, *rest = row
    return Connection(tenant_id, connection_id, integration_id, name, exact.loads(config), *rest)
