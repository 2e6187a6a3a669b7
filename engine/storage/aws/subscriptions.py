"""The `Subscriptions` port on DynamoDB. How many a tenant has is counted in an item of its own."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

from engine.errors import VersionConflict
from engine.library import exact
from engine.model import Subscription
from engine.storage.aws.client import Aws
from engine.storage.aws.faults import Refused
from engine.storage.aws.items import (
    Item,
    bytes_of,
    float_of,
    given,
    maybe_text,
    number,
    raw,
    tenant_key,
    text,
    text_of,
    whole_of,
)
from engine.storage.aws.tables import DELIVERIES

_TABLE: Final = DELIVERIES.name


class AwsSubscriptions:
    def __init__(self, aws: Aws) -> None:
        self._aws = aws

    async def create(self, subscription: Subscription, most: int) -> bool:
        try:
            await self._aws.transact(
                [
                    {"Put": {"TableName": _TABLE, "Item": _item(subscription)}},
                    _counted(subscription.tenant_id, 1, "attribute_not_exists(#count) OR #count < :most", most),
                ]
            )
        except Refused:
            return False
        return True

    async def get(self, tenant_id: str, subscription_id: str) -> Subscription | None:
        found = await self._aws.dynamodb(
            "get_item", TableName=_TABLE, Key=_key(tenant_id, subscription_id), ConsistentRead=True
        )
        return _subscription(found["Item"]) if found.get("Item") else None

    async def find(self, tenant_id: str) -> list[Subscription]:
        """At most a page of DynamoDB: a tenant has few."""
        found = await self._aws.dynamodb(
            "query",
            TableName=_TABLE,
            KeyConditionExpression="PK = :tenant AND begins_with(SK, :kind)",
            ExpressionAttributeValues={":tenant": text(tenant_key(tenant_id)), ":kind": text("SUBSCRIPTION#")},
            ConsistentRead=True,
        )
        rows = map(_subscription, found["Items"])
        return sorted(rows, key=lambda one: (one.created_at, one.subscription_id), reverse=True)

    async def update(self, subscription: Subscription) -> Subscription:
        changed = replace(subscription, version=subscription.version + 1)
        try:
            await self._aws.dynamodb(
                "put_item",
                TableName=_TABLE,
                Item=_item(changed),
                ConditionExpression="#version = :version",
                ExpressionAttributeNames={"#version": "version"},
                ExpressionAttributeValues={":version": number(subscription.version)},
                ReturnValuesOnConditionCheckFailure="ALL_OLD",
            )
        except Refused as refused:
            # The client may have sent it twice, and then it is done already.
            if not refused.stored or _subscription(refused.stored) != changed:
                raise VersionConflict("the subscription was changed or deleted meanwhile") from None
        return changed

    async def delete(self, tenant_id: str, subscription_id: str) -> bool:
        there = {
            "TableName": _TABLE,
            "Key": _key(tenant_id, subscription_id),
            "ConditionExpression": "attribute_exists(PK)",
        }
        try:
            await self._aws.transact([{"Delete": there}, _counted(tenant_id, -1, "#count >= :most", 1)])
        except Refused:
            return False
        return True


def _counted(tenant_id: str, step: int, condition: str, most: int) -> dict[str, Any]:
    return {
        "Update": {
            "TableName": _TABLE,
            "Key": {"PK": text(tenant_key(tenant_id)), "SK": text("SUBSCRIPTIONS")},
            "UpdateExpression": "ADD #count :step",
            "ConditionExpression": condition,
            "ExpressionAttributeNames": {"#count": "count"},
            "ExpressionAttributeValues": {":step": number(step), ":most": number(most)},
        }
    }


def _key(tenant_id: str, subscription_id: str) -> Item:
    return {"PK": text(tenant_key(tenant_id)), "SK": text(f"SUBSCRIPTION#{subscription_id}")}


def _item(subscription: Subscription) -> Item:
    return {
        **_key(subscription.tenant_id, subscription.subscription_id),
        **given(
            subscriptionId=text(subscription.subscription_id),
            tenantId=text(subscription.tenant_id),
            eventTypes=raw(exact.dumps(list(subscription.event_types))),
            sealed=raw(subscription.sealed),
            status=text(subscription.status),
            createdAt=number(subscription.created_at),
            updatedAt=number(subscription.updated_at),
            reason=maybe_text(subscription.reason),
            version=number(subscription.version),
        ),
    }


def _subscription(item: Mapping[str, Any]) -> Subscription:
    status: Any = text_of(item, "status")
    return Subscription(
        subscription_id=text_of(item, "subscriptionId") or "",
        tenant_id=text_of(item, "tenantId") or "",
        event_types=tuple(exact.loads(bytes_of(item, "eventTypes") or b"[]")),
        sealed=bytes_of(item, "sealed") or b"",
        status=status,
        created_at=float_of(item, "createdAt") or 0.0,
        updated_at=float_of(item, "updatedAt") or 0.0,
        reason=text_of(item, "reason"),
        version=whole_of(item, "version"),
    )
