"""The `Subscriptions` port on SQLite. Changes are durable."""

from __future__ import annotations

import sqlite3
from dataclasses import replace
from typing import Final

import orjson

from engine.errors import VersionConflict
from engine.model import Subscription
from engine.storage.sqlite.database import Database, Row

_COLUMNS: Final = "subscription_id, tenant_id, event_types, sealed, status, created_at, updated_at, reason, version"
_SELECT: Final = f"SELECT {_COLUMNS} FROM subscriptions WHERE tenant_id = ?"  # noqa: S608 - constants
_CREATE: Final = (
    f"INSERT INTO subscriptions ({_COLUMNS}) SELECT ?,?,?,?,?,?,?,?,?"  # noqa: S608 - constants
    " WHERE (SELECT count(*) FROM subscriptions WHERE tenant_id = ?) < ?"
)
_UPDATE: Final = (
    "UPDATE subscriptions SET event_types = ?, sealed = ?, status = ?, updated_at = ?, reason = ?,"
    " version = version + 1 WHERE tenant_id = ? AND subscription_id = ? AND version = ?"
)
_DELETE: Final = "DELETE FROM subscriptions WHERE tenant_id = ? AND subscription_id = ?"


class SqliteSubscriptions:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def create(self, subscription: Subscription, most: int) -> bool:
        values = (*_values(subscription), subscription.tenant_id, most)

        def insert(db: sqlite3.Connection) -> bool:
            return db.execute(_CREATE, values).rowcount == 1

        return await self._database.write_durable(insert)

    async def get(self, tenant_id: str, subscription_id: str) -> Subscription | None:
        rows = await self._database.read(f"{_SELECT} AND subscription_id = ?", (tenant_id, subscription_id))
        return _subscription(rows[0]) if rows else None

    async def find(self, tenant_id: str) -> list[Subscription]:
        rows = await self._database.read(f"{_SELECT} ORDER BY created_at DESC, subscription_id DESC", (tenant_id,))
        return [_subscription(row) for row in rows]

    async def update(self, subscription: Subscription) -> Subscription:
        identity, tenant, kinds, sealed, status, _, updated_at, reason, version = _values(subscription)
        values = (kinds, sealed, status, updated_at, reason, tenant, identity, version)

        def change(db: sqlite3.Connection) -> None:
            if db.execute(_UPDATE, values).rowcount != 1:
                raise VersionConflict("the subscription was changed or deleted meanwhile")

        await self._database.write_durable(change)
        return replace(subscription, version=subscription.version + 1)

    async def delete(self, tenant_id: str, subscription_id: str) -> bool:
        def remove(db: sqlite3.Connection) -> bool:
            return db.execute(_DELETE, (tenant_id, subscription_id)).rowcount == 1

        return await self._database.write_durable(remove)


def _values(subscription: Subscription) -> Row:
    return (
        subscription.subscription_id,
        subscription.tenant_id,
        orjson.dumps(subscription.event_types),
        subscription.sealed,
        subscription.status,
        subscription.created_at,
        subscription.updated_at,
        subscription.reason,
        subscription.version,
    )


def _subscription(row: Row) -> Subscription:
    identity, tenant, kinds, *rest = row
    return Subscription(identity, tenant, tuple(orjson.loads(kinds)), *rest)
