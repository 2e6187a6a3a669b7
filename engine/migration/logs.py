"""What has happened: the log of calls, and events with their deliveries. The newest first."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace

from engine.frozen import frozen
from engine.migration.rows import Log, Pair, Row, Side, by_moment, row
from engine.model import Delivery, Event
from engine.storage.ports import Arrival, DeliveryQuery, EventQuery, ExecutionQuery

_PAGE = 200
_TOGETHER = 50


class Executions(Log):
    name, descending = "executions", True

    def rows(self, side: Side, tenant: str) -> AsyncIterator[Row]:
        return by_moment(self._rows(side, tenant))

    async def _rows(self, side: Side, tenant: str) -> AsyncIterator[Row]:
        after: tuple[float, str] | None = None
        while True:
            query = ExecutionQuery(tenant, start=side.since, limit=_PAGE, after=after)
            found = await side.store.executions.find(query)
            for one in found:
                after = (one.created_at, one.execution_id)
                yield row(after, one.execution_id, one)
            if len(found) < _PAGE:
                return

    async def mend(self, target: Side, pairs: Sequence[Pair]) -> list[str]:
        """A row is never changed, so one that differs was stored so: cut, where the target takes no more."""
        await asyncio.gather(*(target.store.executions.append(one.value) for one, there in pairs if there is None))
        return []


@frozen
class Happened:
    """An event and all of its deliveries by id, or that nobody has seen yet who wants it. Its data is opened."""

    event: Event
    deliveries: tuple[Delivery, ...]
    is_unspread: bool


class Events(Log):
    """Deliveries go with their event: whoever stores an event leaves its arrival, and with them it is taken away.

    A delivery whose event is kept no longer can't be made any more, and stays behind.
    """

    name, descending = "events", True

    def rows(self, side: Side, tenant: str) -> AsyncIterator[Row]:
        return by_moment(self._rows(side, tenant))

    async def _rows(self, side: Side, tenant: str) -> AsyncIterator[Row]:
        deliveries = _Deliveries(side, tenant)
        after: tuple[float, str] | None = None
        while True:
            found = await side.book.find(EventQuery(tenant, limit=_PAGE, after=after))
            for one in found:
                if one.received_at < side.since:
                    return
                after = (one.received_at, one.event_id)
                theirs = await deliveries.of(one)
                is_unspread = (tenant, one.event_id) in side.unspread
                yield row(after, one.event_id, Happened(one, () if is_unspread else theirs, is_unspread))
            if len(found) < _PAGE:
                return

    async def mend(self, target: Side, pairs: Sequence[Pair]) -> list[str]:
        await target.book.append([one.value.event for one, there in pairs if there is None])
        spread = [one.value for one, there in pairs if _waits(there) and not one.value.is_unspread]
        for begin in range(0, len(spread), _TOGETHER):
            plans = [(_arrival(one.event), one.deliveries) for one in spread[begin : begin + _TOGETHER]]
            await target.store.deliveries.spread(plans)
        for one, there in pairs:
            if there is not None:
                await self._follow(target, one.value, there.value)
        return []

    async def _follow(self, target: Side, source: Happened, there: Happened) -> None:
        """The source went on after it was moved before."""
        known = {one.delivery_id: one for one in there.deliveries}
        for one in source.deliveries:
            old: Delivery | None = known.get(one.delivery_id)
            if old is None or replace(old, version=one.version) == one:
                continue
            if old.queued_at != one.queued_at:
                old = await target.store.deliveries.requeue(one.tenant_id, one.delivery_id, one.queued_at)
            if old is not None:
                await target.store.deliveries.record(replace(one, version=old.version))


def _waits(there: Row | None) -> bool:
    """Is its arrival in the target now?"""
    return there is None or bool(there.value.is_unspread)


def _arrival(event: Event) -> Arrival:
    return Arrival(event.tenant_id, event.event_id, event.connection_id, event.type, event.received_at)


class _Deliveries:
    """Those of a tenant, asked for event by event from the newest on."""

    def __init__(self, side: Side, tenant: str) -> None:
        self._rows = self._read(side, tenant)
        self._known: dict[str, list[Delivery]] = defaultdict(list)
        self._next: Delivery | None = None
        self._is_begun = False

    async def of(self, event: Event) -> tuple[Delivery, ...]:
        if not self._is_begun:
            self._is_begun, self._next = True, await anext(self._rows, None)
        while self._next is not None and self._next.created_at >= event.received_at:
            self._known[self._next.event_id].append(self._next)
            self._next = await anext(self._rows, None)
        return tuple(sorted(self._known.pop(event.event_id, ()), key=lambda one: one.delivery_id))

    async def _read(self, side: Side, tenant: str) -> AsyncIterator[Delivery]:
        after: tuple[float, str] | None = None
        while True:
            found = await side.store.deliveries.find(DeliveryQuery(tenant, limit=_PAGE, after=after))
            for one in found:
                after = (one.created_at, one.delivery_id)
                yield one
            if len(found) < _PAGE:
                return
