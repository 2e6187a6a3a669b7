"""The `Events` port on DynamoDB. Beside each event a small item under its id says where the event stands."""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence
from typing import Any, Final

from engine.model import Event
from engine.storage.aws.client import Aws
from engine.storage.aws.faults import Refused
from engine.storage.aws.items import Item, bytes_of, float_of, is_after, moment, number, raw, tenant_key, text, text_of
from engine.storage.aws.listing import newest_first
from engine.storage.aws.tables import DELIVERIES, EVENTS, EXPIRES
from engine.storage.ports import Arrival, EventQuery

_TABLE: Final = EVENTS.name
_DAY: Final = 86_400
_WRITES: Final = 3
_AT_ONCE: Final = 100 // _WRITES
"""A transaction has at most 100 writes."""
ARRIVAL_SHARDS: Final = 4
"""Parts of the arrivals, so that many do not meet the limit of one partition. Each costs a read per look."""


class AwsEvents:
    """`days`: how long an event is kept."""

    def __init__(self, aws: Aws, days: int) -> None:
        self._aws = aws
        self._days = days

    async def append(self, events: Sequence[Event]) -> frozenset[str]:
        """Up to 33 of a message in one transaction; of more, each part by itself."""
        unique = {event.event_id: event for event in reversed(events)}
        pending = [unique[event_id] for event_id in dict.fromkeys(event.event_id for event in events)]
        fresh: set[str] = set()
        for begin in range(0, len(pending), _AT_ONCE):
            fresh |= await self._store(pending[begin : begin + _AT_ONCE])
        return frozenset(fresh)

    async def _store(self, events: list[Event]) -> set[str]:
        """Those that are there already are left out, and the rest is tried again."""
        while events:
            try:
                await self._aws.transact([write for event in events for write in self._writes(event)])
                break
            except Refused as refused:
                known = {place // _WRITES for place in refused.places}
                events = [event for at, event in enumerate(events) if at not in known]
        return {event.event_id for event in events}

    def _writes(self, event: Event) -> list[dict[str, Any]]:
        at, until = moment(event.received_at), number(int(event.received_at) + self._days * _DAY)
        tenant = text(tenant_key(event.tenant_id))
        place = text(f"EVENT#{at}#{event.event_id}")
        arrival = arrival_key(event)
        return [
            {
                "Put": {
                    "TableName": _TABLE,
                    "Item": {"PK": tenant, "SK": text(f"EVENTID#{event.event_id}"), "place": place, EXPIRES: until},
                    "ConditionExpression": "attribute_not_exists(PK)",
                }
            },
            {"Put": {"TableName": _TABLE, "Item": {**_item(event), "PK": tenant, "SK": place, EXPIRES: until}}},
            {"Put": {"TableName": DELIVERIES.name, "Item": {**arrival, **_arrival(event), EXPIRES: until}}},
        ]

    async def get(self, tenant_id: str, event_id: str) -> Event | None:
        tenant = text(tenant_key(tenant_id))
        place = await self._read({"PK": tenant, "SK": text(f"EVENTID#{event_id}")})
        if place is None:
            return None
        found = await self._read({"PK": tenant, "SK": place["place"]})
        return None if found is None else _event(found)

    async def _read(self, key: Item) -> Item | None:
        found = await self._aws.dynamodb("get_item", TableName=_TABLE, Key=key, ConsistentRead=True)
        item: Item | None = found.get("Item")
        return item

    async def find(self, query: EventQuery) -> list[Event]:
        found: list[Event] = []
        async for item in self._aws.rows(**_listing(query)):
            event = _event(item)
            if is_after(event.received_at, event.event_id, query.after):
                found.append(event)
            if len(found) == query.limit:
                break
        return found

    async def expire(self, before: float, batch: int = 1000) -> int:
        """DynamoDB does it by itself."""
        return 0


def _listing(query: EventQuery) -> dict[str, Any]:
    """By connection too: events are few beside calls."""
    upper = "~" if query.after is None else f"{moment(query.after[0])}#{query.after[1]}"
    wanted = {"connectionId": query.connection_id, "type": query.type}
    return newest_first(_TABLE, query.tenant_id, "EVENT#", f"EVENT#{upper}", wanted, query.limit)


def _item(event: Event) -> Item:
    return {
        "eventId": text(event.event_id),
        "tenantId": text(event.tenant_id),
        "connectionId": text(event.connection_id),
        "integrationId": text(event.integration_id),
        "type": text(event.type),
        "data": raw(event.data),
        "receivedAt": number(event.received_at),
    }


def _event(item: Mapping[str, Any]) -> Event:
    return Event(
        event_id=text_of(item, "eventId") or "",
        tenant_id=text_of(item, "tenantId") or "",
        connection_id=text_of(item, "connectionId") or "",
        integration_id=text_of(item, "integrationId") or "",
        type=text_of(item, "type") or "",
        data=bytes_of(item, "data") or b"",
        received_at=float_of(item, "receivedAt") or 0.0,
    )


def arrival_key(event: Event | Arrival) -> Item:
    """Where the arrival of an event stands until somebody has seen who wants it."""
    shard = zlib.crc32(event.event_id.encode()) % ARRIVAL_SHARDS
    place = f"{moment(event.received_at)}#{event.tenant_id}#{event.event_id}"
    return {"PK": text(f"ARRIVALS#{shard}"), "SK": text(place)}


def _arrival(event: Event) -> Item:
    item = _item(event)
    return {name: item[name] for name in ("tenantId", "eventId", "connectionId", "type", "receivedAt")}
