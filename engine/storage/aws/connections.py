"""The `Connections` port on DynamoDB.

Beside each connection stands a small item that says whose it is: providers that call a webhook know no tenant. Both are
written in one transaction.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

from engine.errors import VersionConflict
from engine.library import exact
from engine.model import Connection
from engine.storage.aws.client import Aws
from engine.storage.aws.faults import Refused
from engine.storage.aws.items import (
    Item,
    bytes_of,
    float_of,
    given,
    maybe_number,
    maybe_text,
    number,
    raw,
    tenant_key,
    text,
    text_of,
    whole_of,
)
from engine.storage.aws.tables import CONNECTIONS

_TABLE: Final = CONNECTIONS.name
_NEW: Final = "attribute_not_exists(PK)"


class AwsConnections:
    def __init__(self, aws: Aws) -> None:
        self._aws = aws

    async def create(self, connection: Connection) -> None:
        owner = {**_owner_key(connection), "tenantId": text(connection.tenant_id)}
        try:
            await self._aws.transact([_put(_item(connection), _NEW), _put(owner)])
        except Refused:
            raise VersionConflict("a connection with this id exists already") from None

    async def get(self, tenant_id: str, connection_id: str) -> Connection | None:
        found = await self._aws.dynamodb(
            "get_item", TableName=_TABLE, Key=_key(tenant_id, connection_id), ConsistentRead=True
        )
        return _connection(found["Item"]) if found.get("Item") else None

    async def locate(self, connection_id: str) -> Connection | None:
        found = await self._aws.dynamodb(
            "query",
            TableName=_TABLE,
            KeyConditionExpression="PK = :connection",
            ExpressionAttributeValues={":connection": text(f"CONNECTION#{connection_id}")},
            ConsistentRead=True,
            Limit=2,
        )
        owners = [text_of(item, "tenantId") for item in found["Items"]]
        return await self.get(owners[0], connection_id) if len(owners) == 1 and owners[0] is not None else None

    async def routed(self, route: str, limit: int) -> list[Connection]:
        """The index may lag behind, so each is read from the table."""
        found = await self._aws.dynamodb(
            "query",
            TableName=_TABLE,
            IndexName=CONNECTIONS.indexes[1].name,
            KeyConditionExpression="routeKey = :route",
            ExpressionAttributeValues={":route": text(f"ROUTE#{route}")},
            Limit=limit,
        )
        keys = [(item["PK"]["S"], item["SK"]["S"]) for item in found["Items"]]
        read = await asyncio.gather(*(self.get(pk.partition("#")[2], sk.partition("#")[2]) for pk, sk in keys))
        return [one for one in read if one is not None and one.route == route]

    async def find(
        self, tenant_id: str, integration_id: str | None = None, status: str | None = None
    ) -> list[Connection]:
        """From the table itself, which knows every change at once; an index may lag behind."""
        rows = self._aws.rows(
            TableName=_TABLE,
            KeyConditionExpression="PK = :tenant AND begins_with(SK, :connection)",
            ExpressionAttributeValues={":tenant": text(tenant_key(tenant_id)), ":connection": text("CONNECTION#")},
            ConsistentRead=True,
        )
        found = [_connection(item) async for item in rows]
        fit = [one for one in found if integration_id in (None, one.integration_id) and status in (None, one.status)]
        return sorted(fit, key=lambda one: (one.created_at, one.connection_id), reverse=True)

    async def update(self, connection: Connection) -> Connection:
        changed = replace(connection, version=connection.version + 1)
        asked = _change(changed)
        asked["ExpressionAttributeValues"][":expected"] = number(connection.version)
        try:
            await self._aws.dynamodb(
                "update_item",
                TableName=_TABLE,
                Key=_key(connection.tenant_id, connection.connection_id),
                ConditionExpression="#version = :expected",
                ReturnValuesOnConditionCheckFailure="ALL_OLD",
                **asked,
            )
        except Refused as refused:
            # The client may have sent it twice, and then it is done already.
            if not refused.stored or _connection(refused.stored) != changed:
                raise VersionConflict("the connection was changed or deleted meanwhile") from None
        return changed

    async def delete(self, tenant_id: str, connection_id: str) -> bool:
        owner = {"PK": text(f"CONNECTION#{connection_id}"), "SK": text(tenant_key(tenant_id))}
        there = {
            "TableName": _TABLE,
            "Key": _key(tenant_id, connection_id),
            "ConditionExpression": "attribute_exists(PK)",
        }
        try:
            await self._aws.transact([{"Delete": there}, {"Delete": {"TableName": _TABLE, "Key": owner}}])
        except Refused:
            return False
        return True


def _put(item: Item, condition: str | None = None) -> dict[str, Any]:
    asked: dict[str, Any] = {"TableName": _TABLE, "Item": item}
    if condition is not None:
        asked["ConditionExpression"] = condition
    return {"Put": asked}


def _key(tenant_id: str, connection_id: str) -> Item:
    return {"PK": text(tenant_key(tenant_id)), "SK": text(f"CONNECTION#{connection_id}")}


def _owner_key(connection: Connection) -> Item:
    return {"PK": text(f"CONNECTION#{connection.connection_id}"), "SK": text(tenant_key(connection.tenant_id))}


def _item(connection: Connection) -> Item:
    return {
        **_key(connection.tenant_id, connection.connection_id),
        "integrationKey": text(f"INTEGRATION#{connection.integration_id}#{connection.connection_id}"),
        **given(
            tenantId=text(connection.tenant_id),
            connectionId=text(connection.connection_id),
            integrationId=text(connection.integration_id),
            name=text(connection.name),
            config=raw(exact.dumps(dict(connection.config))),
            status=text(connection.status),
            createdAt=number(connection.created_at),
            updatedAt=number(connection.updated_at),
            lastTestedAt=maybe_number(connection.last_tested_at),
            lastErrorAt=maybe_number(connection.last_error_at),
            lastError=maybe_text(connection.last_error),
            version=number(connection.version),
            route=maybe_text(connection.route),
            routeKey=maybe_text(connection.route and f"ROUTE#{connection.route}"),
        ),
    }


_CHANGING: Final = (
    *("name", "config", "status", "updatedAt", "lastTestedAt", "lastErrorAt", "lastError", "version"),
    *("route", "routeKey"),
)


def _change(connection: Connection) -> dict[str, Any]:
    """An update that writes what may change, and removes what is not there any more."""
    item = _item(connection)
    kept = [name for name in _CHANGING if name in item]
    gone = [name for name in _CHANGING if name not in item]
    text_of_update = "SET " + ", ".join(f"#{name} = :{name}" for name in kept)
    if gone:
        text_of_update += " REMOVE " + ", ".join(f"#{name}" for name in gone)
    return {
        "UpdateExpression": text_of_update,
        "ExpressionAttributeNames": {f"#{name}": name for name in _CHANGING},
        "ExpressionAttributeValues": {f":{name}": item[name] for name in kept},
    }


def _connection(item: Mapping[str, Any]) -> Connection:
    status: Any = text_of(item, "status")
    return Connection(
        tenant_id=text_of(item, "tenantId") or "",
        connection_id=text_of(item, "connectionId") or "",
        integration_id=text_of(item, "integrationId") or "",
        name=text_of(item, "name") or "",
        config=exact.loads(bytes_of(item, "config") or b"{}"),
        status=status,
        created_at=float_of(item, "createdAt") or 0.0,
        updated_at=float_of(item, "updatedAt") or 0.0,
        last_tested_at=float_of(item, "lastTestedAt"),
        last_error_at=float_of(item, "lastErrorAt"),
        last_error=text_of(item, "lastError"),
        version=whole_of(item, "version"),
        route=text_of(item, "route"),
    )
