"""Deliveries as DynamoDB holds them.

    PK TENANT#<tenant>                SK DELIVERY#<time of the event>#<delivery>   the delivery
    PK TENANT#<tenant>                SK DELIVERYID#<delivery>                     where it stands
    PK LANE#<tenant>#<subscription>   SK <due>#<delivery>                          a copy, while it is pending

The copy changes in one transaction with the delivery, so a lane is read in the order of its turns without an index,
which would lag behind.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

from engine.model import Delivery
from engine.storage.aws.items import (
    Item,
    float_of,
    given,
    maybe_number,
    maybe_text,
    moment,
    number,
    tenant_key,
    text,
    text_of,
    whole_of,
)
from engine.storage.aws.tables import DELIVERIES, EXPIRES

TABLE: Final = DELIVERIES.name
Write = dict[str, Any]
_DAY: Final = 86_400


def row_key(delivery: Delivery) -> Item:
    place = f"DELIVERY#{moment(delivery.created_at)}#{delivery.delivery_id}"
    return {"PK": text(tenant_key(delivery.tenant_id)), "SK": text(place)}


def pointer_key(tenant_id: str, delivery_id: str) -> Item:
    return {"PK": text(tenant_key(tenant_id)), "SK": text(f"DELIVERYID#{delivery_id}")}


def lane_key(tenant_id: str, subscription_id: str) -> Item:
    return text(f"LANE#{tenant_id}#{subscription_id}")


def _turn_key(delivery: Delivery) -> Item | None:
    if delivery.status != "pending":
        return None
    lane = lane_key(delivery.tenant_id, delivery.subscription_id)
    return {"PK": lane, "SK": text(f"{moment(delivery.due_at)}#{delivery.delivery_id}")}


def created(delivery: Delivery, days: int) -> list[Write]:
    """The writes of a new one: the first has the condition that it is not there yet."""
    row = row_key(delivery)
    until = {EXPIRES: _until(delivery, days)}
    pointer = {**pointer_key(delivery.tenant_id, delivery.delivery_id), "place": row["SK"], **until}
    return [
        _put({**row, **_attributes(delivery), **until}, ConditionExpression="attribute_not_exists(PK)"),
        _put(pointer),
        *_moved(None, delivery, days),
    ]


def changed(before: Delivery, after: Delivery, days: int) -> list[Write]:
    """The writes of a change to `after`, whose version is the next one: the first has the condition on the version."""
    row = {**row_key(after), **_attributes(after), EXPIRES: _until(after, days)}
    return [_put(row, **_as_read(before)), *_moved(before, after, days)]


def removed(delivery: Delivery) -> list[Write]:
    """The writes that take it away: the first has the condition on the version."""
    pointer = pointer_key(delivery.tenant_id, delivery.delivery_id)
    return [_delete(row_key(delivery), **_as_read(delivery)), _delete(pointer), *_moved(delivery, None, 0)]


def _moved(before: Delivery | None, after: Delivery | None, days: int) -> list[Write]:
    """The copy goes where its turn is; no transaction may touch an item twice."""
    old = None if before is None else _turn_key(before)
    new = None if after is None else _turn_key(after)
    writes = [_delete(old)] if old is not None and old != new else []
    if after is not None and new is not None:
        writes.append(_put({**new, **_attributes(after), EXPIRES: _until(after, days)}))
    return writes


def _as_read(delivery: Delivery) -> Mapping[str, Any]:
    return {
        "ConditionExpression": "#version = :version",
        "ExpressionAttributeNames": {"#version": "version"},
        "ExpressionAttributeValues": {":version": number(delivery.version)},
    }


def _put(item: Item, **condition: Any) -> Write:
    return {"Put": {"TableName": TABLE, "Item": item, **condition}}


def _delete(key: Item, **condition: Any) -> Write:
    return {"Delete": {"TableName": TABLE, "Key": key, **condition}}


def _until(delivery: Delivery, days: int) -> Item:
    return number(int(delivery.created_at) + days * _DAY)


def dead(delivery: Delivery, error: str) -> Delivery:
    return replace(delivery, status="dead", error=error, version=delivery.version + 1)


def fresh(delivery: Delivery, now: float) -> Delivery:
    """Pending and due as if it were new."""
    again = replace(delivery, queued_at=now, due_at=now, status="pending", attempts=0, http_status=None, error=None)
    return replace(again, version=delivery.version + 1)


def _attributes(delivery: Delivery) -> Item:
    return given(
        deliveryId=text(delivery.delivery_id),
        tenantId=text(delivery.tenant_id),
        subscriptionId=text(delivery.subscription_id),
        eventId=text(delivery.event_id),
        connectionId=text(delivery.connection_id),
        eventType=text(delivery.event_type),
        createdAt=number(delivery.created_at),
        queuedAt=number(delivery.queued_at),
        dueAt=number(delivery.due_at),
        status=text(delivery.status),
        attempts=number(delivery.attempts),
        lastAttemptAt=maybe_number(delivery.last_attempt_at),
        httpStatus=maybe_number(delivery.http_status),
        error=maybe_text(delivery.error),
        version=number(delivery.version),
    )


def delivery_of(item: Mapping[str, Any]) -> Delivery:
    status: Any = text_of(item, "status")
    return Delivery(
        delivery_id=text_of(item, "deliveryId") or "",
        tenant_id=text_of(item, "tenantId") or "",
        subscription_id=text_of(item, "subscriptionId") or "",
        event_id=text_of(item, "eventId") or "",
        connection_id=text_of(item, "connectionId") or "",
        event_type=text_of(item, "eventType") or "",
        created_at=float_of(item, "createdAt") or 0.0,
        queued_at=float_of(item, "queuedAt") or 0.0,
        due_at=float_of(item, "dueAt") or 0.0,
        status=status,
        attempts=whole_of(item, "attempts"),
        last_attempt_at=float_of(item, "lastAttemptAt"),
        http_status=whole_of(item, "httpStatus") if "httpStatus" in item else None,
        error=text_of(item, "error"),
        version=whole_of(item, "version"),
    )
