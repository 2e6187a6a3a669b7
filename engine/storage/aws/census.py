"""The `Census` port on DynamoDB. No key leads to all tenants, so whole tables are read, which only operators may."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any, Final

from engine.storage.aws.client import Aws
from engine.storage.aws.deliveries import arrival_of, arrivals_in
from engine.storage.aws.events import ARRIVAL_SHARDS
from engine.storage.aws.items import tenant_key, text
from engine.storage.aws.state import SHARDS, AwsState
from engine.storage.aws.tables import CONNECTIONS, DELIVERIES, EVENTS, EXECUTIONS, STATE, Table
from engine.storage.ports import Arrival, Record

_TOGETHER: Final = 50
_HEAD: Final = tenant_key("")


class AwsCensus:
    def __init__(self, aws: Aws, state: AwsState) -> None:
        self._aws = aws
        self._state = state

    async def tenants(self) -> list[str]:
        tables = (CONNECTIONS, EXECUTIONS, EVENTS, DELIVERIES)
        return sorted(set().union(*await asyncio.gather(*map(self._tenants_of, tables))))

    async def _tenants_of(self, table: Table) -> set[str]:
        asked: dict[str, Any] = {"TableName": table.name, "ProjectionExpression": "PK"}
        found: set[str] = set()
        while True:
            page = await self._aws.dynamodb("scan", **asked)
            keys = (str(item["PK"]["S"]) for item in page["Items"])
            found |= {key.removeprefix(_HEAD) for key in keys if key.startswith(_HEAD)}
            if not page.get("LastEvaluatedKey"):
                return found
            asked["ExclusiveStartKey"] = page["LastEvaluatedKey"]

    async def records(self, prefix: str) -> AsyncIterator[tuple[str, Record]]:
        """The index, which may lag behind, says their keys."""
        kind = prefix.partition(":")[0]
        parts = await asyncio.gather(*(self._keys(f"{kind}#{shard}", prefix) for shard in range(SHARDS)))
        keys = sorted(key for part in parts for key in part)
        for begin in range(0, len(keys), _TOGETHER):
            together = keys[begin : begin + _TOGETHER]
            for key, record in zip(together, await asyncio.gather(*map(self._state.get, together)), strict=True):
                if record is not None:
                    yield key, record

    async def _keys(self, shard: str, prefix: str) -> list[str]:
        rows = self._aws.rows(
            TableName=STATE.name,
            IndexName=STATE.indexes[0].name,
            KeyConditionExpression="#kind = :kind AND begins_with(PK, :prefix)",
            ExpressionAttributeNames={"#kind": "kind"},
            ExpressionAttributeValues={":kind": text(shard), ":prefix": text(prefix)},
        )
        return [str(item["PK"]["S"]) async for item in rows]

    async def arrivals(self) -> AsyncIterator[Arrival]:
        for shard in range(ARRIVAL_SHARDS):
            async for item in self._aws.rows(**arrivals_in(shard), ConsistentRead=True):
                yield arrival_of(item)
