"""The `Deliveries` port on DynamoDB. What is pending is read where it changes with its delivery, not from an index."""

from __future__ import annotations

import asyncio
import heapq
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from dataclasses import replace
from itertools import islice
from typing import Any, Final

from engine.errors import StorageUnavailable
from engine.model import Delivery
from engine.storage.aws import delivery_items, spread
from engine.storage.aws.client import Aws
from engine.storage.aws.delivery_items import TABLE, Write, delivery_of, pointer_key, row_key
from engine.storage.aws.events import ARRIVAL_SHARDS
from engine.storage.aws.faults import Refused
from engine.storage.aws.items import Item, float_of, is_after, moment, tenant_key, text, text_of
from engine.storage.aws.lanes import AwsLanes, Turn, written
from engine.storage.aws.listing import newest_first
from engine.storage.aws.tables import EVENTS
from engine.storage.ports import Arrival, DeliveryQuery, Lane

_STEP: Final = 32
"""Deliveries that are changed or removed in one transaction, with three writes each at most."""
_TRIES: Final = 10


class AwsDeliveries:
    """`now` gives epoch seconds; `days`: how long a delivery is kept."""

    def __init__(self, aws: Aws, now: Callable[[], float], days: int) -> None:
        self._aws = aws
        self._days = days
        self._lanes = AwsLanes(aws, now)

    async def arrivals(self, limit: int) -> list[Arrival]:
        """Read without waiting for the newest: what is not seen now is seen at the next look."""
        pages = await asyncio.gather(*(self._arrived(shard, limit) for shard in range(ARRIVAL_SHARDS)))
        oldest_first = heapq.merge(*pages, key=lambda item: str(item["SK"]["S"]))
        return [arrival_of(item) for item in islice(oldest_first, limit)]

    async def _arrived(self, shard: int, limit: int) -> list[Item]:
        found = await self._aws.dynamodb("query", **arrivals_in(shard), Limit=limit)
        items: list[Item] = found["Items"]
        return items

    async def spread(self, plans: Sequence[tuple[Arrival, Sequence[Delivery]]]) -> None:
        """Each arrival for itself where its deliveries do not fit into one transaction."""
        await spread.spread(self._aws, self._lanes, plans, self._days)

    async def take(self, now: float, until: float, limit: int) -> list[Lane]:
        return await self._lanes.take(now, until, limit)

    async def release(self, lane: Lane) -> None:
        await self._lanes.release(lane)

    async def resume(self, tenant_id: str, subscription_id: str) -> None:
        await self._lanes.resume(tenant_id, subscription_id)

    async def lanes(self, tenant_id: str) -> list[Lane]:
        return [turn.lane for turn in (await self._lanes.of(tenant_id)).values()]

    async def due(self, lane: Lane, now: float, limit: int) -> list[Delivery]:
        found: list[Delivery] = []
        async for one in self._lanes.pending(lane.tenant_id, lane.subscription_id, until=now, page=limit + 1):
            if one.due_at <= now:
                found.append(one)
            if len(found) == limit:
                break
        return found

    async def record(self, delivery: Delivery) -> bool:
        stored = await self._read(row_key(delivery))
        if stored is None or stored.version != delivery.version:
            return False
        after = replace(delivery, version=delivery.version + 1)
        try:
            await self._aws.transact(delivery_items.changed(stored, after, self._days))
        except Refused:
            return False
        return True

    async def requeue(self, tenant_id: str, delivery_id: str, now: float) -> Delivery | None:
        for _ in range(_TRIES):
            stored = await self.get(tenant_id, delivery_id)
            if stored is None:
                return None
            again = delivery_items.fresh(stored, now)
            of = again.subscription_id
            turn = (await self._lanes.read(tenant_id, of) or Turn(Lane(tenant_id, of))).woken(now)
            write, _ = written(replace(turn, lane=replace(turn.lane, paused_until=0.0)))
            try:
                await self._aws.transact([*delivery_items.changed(stored, again, self._days), write])
            except Refused:
                continue
            return again
        raise StorageUnavailable("the delivery is being changed by others all the time")

    async def bury(self, tenant_id: str, subscription_id: str, error: str, queued_before: float = float("inf")) -> int:
        def buried(one: Delivery) -> list[Write]:
            return delivery_items.changed(one, delivery_items.dead(one, error), self._days)

        def found() -> AsyncIterator[Delivery]:
            pending = self._lanes.pending(tenant_id, subscription_id)
            return (one async for one in pending if one.queued_at < queued_before)

        return await self._in_steps(found, buried)

    async def get(self, tenant_id: str, delivery_id: str) -> Delivery | None:
        pointer = await self._item(pointer_key(tenant_id, delivery_id))
        return None if pointer is None else await self._read({"PK": pointer["PK"], "SK": pointer["place"]})

    async def _read(self, key: Item) -> Delivery | None:
        item = await self._item(key)
        return None if item is None else delivery_of(item)

    async def _item(self, key: Item, table: str = TABLE) -> Item | None:
        found = await self._aws.dynamodb("get_item", TableName=table, Key=key, ConsistentRead=True)
        item: Item | None = found.get("Item")
        return item

    async def find(self, query: DeliveryQuery) -> list[Delivery]:
        found: list[Delivery] = []
        async for item in self._aws.rows(**_listing(query, await self._came(query))):
            one = delivery_of(item)
            if is_after(one.created_at, one.delivery_id, query.after):
                found.append(one)
            if len(found) == query.limit:
                break
        return found

    async def _came(self, query: DeliveryQuery) -> str | None:
        """The moment at which the event of the query came, where there is one: its deliveries stand there."""
        if query.event_id is None:
            return None
        key = {"PK": text(tenant_key(query.tenant_id)), "SK": text(f"EVENTID#{query.event_id}")}
        pointer = await self._item(key, EVENTS.name)
        return None if pointer is None else str(pointer["place"]["S"]).split("#")[1]

    async def forget_connection(self, tenant_id: str, connection_id: str) -> None:
        """Arrivals first: an event that is being spread meanwhile is gone, or its deliveries are found."""
        for shard in range(ARRIVAL_SHARDS):
            async for item in self._aws.rows(**arrivals_in(shard), ConsistentRead=True):
                if (text_of(item, "tenantId"), text_of(item, "connectionId")) == (tenant_id, connection_id):
                    await self._aws.dynamodb("delete_item", TableName=TABLE, Key={"PK": item["PK"], "SK": item["SK"]})

        async def found() -> AsyncIterator[Delivery]:
            for subscription_id in await self._lanes.of(tenant_id):
                async for one in self._lanes.pending(tenant_id, subscription_id):
                    if one.connection_id == connection_id:
                        yield one

        await self._in_steps(found, delivery_items.removed)

    async def forget_subscription(self, tenant_id: str, subscription_id: str) -> None:
        await self._lanes.forget(tenant_id, subscription_id)
        asked = _listing(DeliveryQuery(tenant_id, subscription_id), None)

        def found() -> AsyncIterator[Delivery]:
            return (delivery_of(item) async for item in self._aws.rows(**asked))

        await self._in_steps(found, delivery_items.removed)

    async def _in_steps(
        self, find: Callable[[], AsyncIterator[Delivery]], change: Callable[[Delivery], list[Write]]
    ) -> int:
        """Changes what is found, in short transactions; what somebody else changed meanwhile is looked for again."""
        total = 0
        for _ in range(_TRIES):
            missed = 0
            step: list[Delivery] = []
            async for one in find():
                step.append(one)
                if len(step) == _STEP:
                    done = await self._step(step, change)
                    total, missed, step = total + done, missed + len(step) - done, []
            done = await self._step(step, change)
            total, missed = total + done, missed + len(step) - done
            if not missed:
                return total
        raise StorageUnavailable("deliveries are being changed by others all the time")

    async def _step(self, step: list[Delivery], change: Callable[[Delivery], list[Write]]) -> int:
        """How many were changed: those that are as they were read."""
        while step:
            parts = [change(one) for one in step]
            try:
                await self._aws.transact([write for part in parts for write in part])
            except Refused as refused:
                firsts = _firsts(parts)
                step = [one for one, first in zip(step, firsts, strict=True) if first not in refused.places]
            else:
                break
        return len(step)

    async def expire(self, before: float, batch: int = 1000) -> int:
        """DynamoDB does it by itself."""
        return 0


def _firsts(parts: Iterable[Sequence[Write]]) -> list[int]:
    """The places of the writes that have a condition."""
    places, at = [], 0
    for part in parts:
        places.append(at)
        at += len(part)
    return places


def arrivals_in(shard: int) -> dict[str, Any]:
    """The query of one part of the arrivals, the oldest first."""
    return {
        "TableName": TABLE,
        "KeyConditionExpression": "PK = :shard",
        "ExpressionAttributeValues": {":shard": text(f"ARRIVALS#{shard}")},
    }


def arrival_of(item: Item) -> Arrival:
    return Arrival(
        tenant_id=text_of(item, "tenantId") or "",
        event_id=text_of(item, "eventId") or "",
        connection_id=text_of(item, "connectionId") or "",
        type=text_of(item, "type") or "",
        received_at=float_of(item, "receivedAt") or 0.0,
    )


def _listing(query: DeliveryQuery, came: str | None) -> dict[str, Any]:
    """`came`: all that is asked for stands at this moment."""
    upper, lower = f"{came or ''}~", came or ""
    if query.after is not None:
        upper = min(upper, f"{moment(query.after[0])}#{query.after[1]}")
    wanted = {"subscriptionId": query.subscription_id, "status": query.status, "eventId": query.event_id}
    return newest_first(
        TABLE, query.tenant_id, f"DELIVERY#{min(lower, upper)}", f"DELIVERY#{upper}", wanted, query.limit
    )
