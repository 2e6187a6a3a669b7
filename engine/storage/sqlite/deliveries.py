"""The `Deliveries` port on SQLite.

No change here waits for the disk, but `requeue`: the event was durable before, and what a power loss takes away is done
again. The log of changes loses its end only, so a delivery is never lost while its arrival is gone.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Sequence
from typing import Any, Final

from engine.model import Delivery
from engine.storage.ports import Arrival, DeliveryQuery, Lane
from engine.storage.sqlite.database import Database, Row

_ARRIVALS: Final = "SELECT tenant_id, event_id, connection_id, type, received_at FROM arrivals ORDER BY rowid LIMIT ?"
_SPREAD: Final = "DELETE FROM arrivals WHERE tenant_id = ? AND event_id = ?"

_COLUMNS: Final = (
    "delivery_id, tenant_id, subscription_id, event_id, connection_id, event_type, created_at, queued_at, due_at,"
    " status, attempts, last_attempt_at, http_status, error, version"
)
_SELECT: Final = f"SELECT {_COLUMNS} FROM deliveries WHERE tenant_id = ?"  # noqa: S608 - constants
_DUE: Final = f"{_SELECT} AND subscription_id = ? AND status = 'pending' AND due_at <= ? ORDER BY due_at LIMIT ?"
_INSERT: Final = f"INSERT OR IGNORE INTO deliveries ({_COLUMNS}) VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)"  # noqa: S608 - constants
_RECORD: Final = (
    "UPDATE deliveries SET due_at = ?, status = ?, attempts = ?, last_attempt_at = ?, http_status = ?, error = ?,"
    " version = version + 1 WHERE tenant_id = ? AND delivery_id = ? AND version = ?"
)
_REQUEUE: Final = (
    "UPDATE deliveries SET queued_at = ?1, due_at = ?1, status = 'pending', attempts = 0, http_status = NULL,"  # noqa: S608 - constants
    f" error = NULL, version = version + 1 WHERE tenant_id = ?2 AND delivery_id = ?3 RETURNING {_COLUMNS}"
)
_STEP: Final = 250
_BURY: Final = (
    "UPDATE deliveries SET status = 'dead', error = ?, version = version + 1 WHERE rowid IN"
    " (SELECT rowid FROM deliveries INDEXED BY deliveries_by_turn"
    " WHERE status = 'pending' AND tenant_id = ? AND subscription_id = ? AND queued_at < ? LIMIT ?)"
)
_FORGET_PENDING: Final = (
    "DELETE FROM deliveries WHERE rowid IN (SELECT rowid FROM deliveries INDEXED BY deliveries_by_connection"
    " WHERE status = 'pending' AND tenant_id = ? AND connection_id = ? LIMIT ?)"
)
_FORGET_ARRIVALS: Final = (
    "DELETE FROM arrivals WHERE rowid IN (SELECT rowid FROM arrivals WHERE tenant_id = ? AND connection_id = ? LIMIT ?)"
)
_FORGET_LANE: Final = "DELETE FROM lanes WHERE tenant_id = ? AND subscription_id = ?"
_FORGET_ALL: Final = (
    "DELETE FROM deliveries WHERE rowid IN"
    " (SELECT rowid FROM deliveries WHERE tenant_id = ? AND subscription_id = ? LIMIT ?)"
)
_EXPIRE: Final = "DELETE FROM deliveries WHERE rowid IN (SELECT rowid FROM deliveries WHERE created_at < ? LIMIT ?)"
_EXPIRE_ARRIVALS: Final = (
    "DELETE FROM arrivals WHERE rowid IN"
    " (SELECT rowid FROM (SELECT rowid, received_at FROM arrivals ORDER BY rowid LIMIT ?2) WHERE received_at < ?1)"
)

_WANT: Final = (
    "INSERT INTO lanes (tenant_id, subscription_id, wanted_at) VALUES (?,?,?) ON CONFLICT DO UPDATE"
    " SET wanted_at = min(ifnull(wanted_at, excluded.wanted_at), excluded.wanted_at)"
)
_TURN: Final = "max(wanted_at, held_until, paused_until)"
_READY: Final = f"SELECT rowid FROM lanes WHERE {_TURN} <= ? ORDER BY {_TURN} LIMIT ?"  # noqa: S608 - constants
_LANE: Final = "tenant_id, subscription_id, strikes, failing_since, paused_until, claim"
_TAKE: Final = f"UPDATE lanes SET held_until = ?, claim = claim + 1 WHERE rowid IN ({_READY}) RETURNING {_LANE}"  # noqa: S608 - constants
_RELEASE: Final = (
    "UPDATE lanes SET held_until = 0, strikes = ?, failing_since = ?, paused_until = ?, wanted_at ="
    " (SELECT min(due_at) FROM deliveries WHERE deliveries.tenant_id = lanes.tenant_id"
    " AND deliveries.subscription_id = lanes.subscription_id AND status = 'pending')"
    " WHERE tenant_id = ? AND subscription_id = ? AND claim = ?"
)
_UNPAUSE: Final = "UPDATE lanes SET paused_until = 0 WHERE tenant_id = ? AND subscription_id = ?"
_RESUME: Final = (
    "UPDATE lanes SET paused_until = 0, strikes = 0, failing_since = NULL WHERE tenant_id = ? AND subscription_id = ?"
)
_LANES: Final = f"SELECT {_LANE} FROM lanes WHERE tenant_id = ?"  # noqa: S608 - constants

_STATUSES: Final = ("pending", "delivered", "dead")


class SqliteDeliveries:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def arrivals(self, limit: int) -> list[Arrival]:
        return [Arrival(*row) for row in await self._database.read(_ARRIVALS, (limit,))]

    async def spread(self, plans: Sequence[tuple[Arrival, Sequence[Delivery]]]) -> None:
        def change(db: sqlite3.Connection) -> None:
            for arrival, deliveries in plans:
                if db.execute(_SPREAD, (arrival.tenant_id, arrival.event_id)).rowcount:
                    for one in deliveries:
                        db.execute(_INSERT, _values(one))
                        db.execute(_WANT, (one.tenant_id, one.subscription_id, one.due_at))

        await asyncio.wrap_future(self._database.submit(change, durable=False))

    async def take(self, now: float, until: float, limit: int) -> list[Lane]:
        if not await self._database.read(_READY, (now, 1)):
            return []  # the usual case costs no lock
        values = (until, now, limit)
        rows = await self._database.write(lambda db: db.execute(_TAKE, values).fetchall())
        return [Lane(*row) for row in rows]

    async def release(self, lane: Lane) -> None:
        state = (lane.strikes, lane.failing_since, lane.paused_until)
        await self._execute(_RELEASE, (*state, lane.tenant_id, lane.subscription_id, lane.claim))

    async def resume(self, tenant_id: str, subscription_id: str) -> None:
        await self._execute(_RESUME, (tenant_id, subscription_id))

    async def lanes(self, tenant_id: str) -> list[Lane]:
        return [Lane(*row) for row in await self._database.read(_LANES, (tenant_id,))]

    async def due(self, lane: Lane, now: float, limit: int) -> list[Delivery]:
        rows = await self._database.read(_DUE, (lane.tenant_id, lane.subscription_id, now, limit))
        return [Delivery(*row) for row in rows]

    async def record(self, delivery: Delivery) -> bool:
        values = (
            delivery.due_at,
            delivery.status,
            delivery.attempts,
            delivery.last_attempt_at,
            delivery.http_status,
            delivery.error,
            delivery.tenant_id,
            delivery.delivery_id,
            delivery.version,
        )
        return await self._execute(_RECORD, values) == 1

    async def requeue(self, tenant_id: str, delivery_id: str, now: float) -> Delivery | None:
        def change(db: sqlite3.Connection) -> Delivery | None:
            row = db.execute(_REQUEUE, (now, tenant_id, delivery_id)).fetchone()
            if row is None:
                return None
            changed = Delivery(*row)
            db.execute(_WANT, (tenant_id, changed.subscription_id, now))
            db.execute(_UNPAUSE, (tenant_id, changed.subscription_id))
            return changed

        return await self._database.write_durable(change)

    async def bury(self, tenant_id: str, subscription_id: str, error: str, queued_before: float = float("inf")) -> int:
        return await self._in_steps(_BURY, (error, tenant_id, subscription_id, queued_before))

    async def get(self, tenant_id: str, delivery_id: str) -> Delivery | None:
        rows = await self._database.read(f"{_SELECT} AND delivery_id = ?", (tenant_id, delivery_id))
        return Delivery(*rows[0]) if rows else None

    async def find(self, query: DeliveryQuery) -> list[Delivery]:
        sql, values = listing(query)
        return [Delivery(*row) for row in await self._database.read_aside(sql, values)]

    async def forget_connection(self, tenant_id: str, connection_id: str) -> None:
        await self._in_steps(_FORGET_ARRIVALS, (tenant_id, connection_id))
        await self._in_steps(_FORGET_PENDING, (tenant_id, connection_id))

    async def forget_subscription(self, tenant_id: str, subscription_id: str) -> None:
        await self._execute(_FORGET_LANE, (tenant_id, subscription_id))
        await self._in_steps(_FORGET_ALL, (tenant_id, subscription_id))

    async def expire(self, before: float, batch: int = 1000) -> int:
        await self._database.remove_in_steps(_EXPIRE_ARRIVALS, before, batch)
        return await self._database.remove_in_steps(_EXPIRE, before, batch)

    async def _execute(self, sql: str, values: Row) -> int:
        return await self._database.write(lambda db: db.execute(sql, values).rowcount)

    async def _in_steps(self, sql: str, values: Row) -> int:
        """A statement whose last value is a limit, again and again in short transactions; returns rows in all."""

        def change(db: sqlite3.Connection) -> int:
            return db.execute(sql, (*values, _STEP)).rowcount

        total = count = await asyncio.wrap_future(self._database.submit(change, durable=False))
        while count == _STEP:
            count = await asyncio.wrap_future(self._database.submit(change, durable=False))
            total += count
        return total


def listing(query: DeliveryQuery) -> tuple[str, list[Any]]:
    """The statement of a list and its values.

    Each status is read in the order of its index, and they are merged; those of one event are few and are sorted.
    """
    statuses: Sequence[str | None] = _STATUSES if query.status is None else (query.status,)
    source = "deliveries"
    if query.event_id is not None:
        statuses, source = (query.status,), "deliveries INDEXED BY deliveries_by_event"
    parts = [_conditions(query, status) for status in statuses]
    selects = [f"SELECT {_COLUMNS} FROM {source} WHERE {condition}" for condition, _ in parts]  # noqa: S608 - constants
    sql = f"{' UNION ALL '.join(selects)} ORDER BY created_at DESC, delivery_id DESC LIMIT ?"
    return sql, [*(value for _, values in parts for value in values), query.limit]


def _conditions(query: DeliveryQuery, status: str | None) -> tuple[str, list[Any]]:
    parts, values = ["tenant_id = ?"], [query.tenant_id]
    more: list[Any] = []
    for column, wanted in (
        ("subscription_id", query.subscription_id),
        ("event_id", query.event_id),
        ("status", status),
    ):
        if wanted is not None:
            parts.append(f"{column} = ?")
            more.append(wanted)
    if query.after is not None:
        parts.append("(created_at, delivery_id) < (?, ?)")
        more.extend(query.after)
    return " AND ".join(parts), [*values, *more]


def _values(delivery: Delivery) -> Row:
    return (
        delivery.delivery_id,
        delivery.tenant_id,
        delivery.subscription_id,
        delivery.event_id,
        delivery.connection_id,
        delivery.event_type,
        delivery.created_at,
        delivery.queued_at,
        delivery.due_at,
        delivery.status,
        delivery.attempts,
        delivery.last_attempt_at,
        delivery.http_status,
        delivery.error,
        delivery.version,
    )
