"""The `State` port on DynamoDB: each record one item that changes under a condition on its version."""

from __future__ import annotations

import asyncio
import hashlib
import secrets
from collections.abc import Callable, Mapping
from typing import Any, Final

from engine.storage.aws.client import Aws
from engine.storage.aws.faults import Refused
from engine.storage.aws.items import bytes_of, float_of, number, raw, text, whole_of
from engine.storage.aws.tables import EXPIRES, STATE
from engine.storage.ports import Record

_LONGEST_KEY: Final = 512
SHARDS: Final = 16
"""Parts of the index of one kind, so that a busy kind does not meet the limit of one partition."""
_NAMES: Final = {"#version": "version", "#until": "until"}


class AwsState:
    def __init__(self, aws: Aws, now: Callable[[], float]) -> None:
        self._aws = aws
        self._now = now

    async def get(self, key: str) -> Record | None:
        found = await self._aws.dynamodb("get_item", TableName=STATE.name, Key=_key(key), ConsistentRead=True)
        return self._live(found.get("Item"))

    def lacks(self, *_keys: str) -> bool:
        """Nothing is told without asking the table."""
        return False

    async def put(
        self, key: str, value: bytes, *, expected: int | None, ttl_seconds: float, durable: bool = False
    ) -> int | None:
        """Every write of DynamoDB is durable."""
        if len(key) > _LONGEST_KEY:
            raise ValueError(f"a state key has at most {_LONGEST_KEY} characters")
        until = self._now() + ttl_seconds
        version = expected + 1 if expected else secrets.randbits(48) + 1
        nonce = secrets.token_bytes(8)
        item = {
            **_key(key),
            "kind": text(_shard(key)),
            "value": raw(value),
            "version": number(version),
            "until": number(until),
            "nonce": raw(nonce),
            EXPIRES: number(int(until) + 1),
        }
        try:
            await self._aws.dynamodb("put_item", TableName=STATE.name, Item=item, **self._condition(expected))
        except Refused as refused:
            # Sent twice by the client and done the first time: the item that stands there is this one.
            return version if bytes_of(refused.stored, "nonce") == nonce else None
        return version

    async def delete(self, key: str, expected: int | None = None) -> bool:
        values = {":now": number(self._now())}
        condition = "#until > :now"
        names = {"#until": "until"}
        if expected is not None:
            condition, names = f"{condition} AND #version = :version", _NAMES
            values[":version"] = number(expected)
        try:
            await self._aws.dynamodb(
                "delete_item",
                TableName=STATE.name,
                Key=_key(key),
                ConditionExpression=condition,
                ExpressionAttributeNames=names,
                ExpressionAttributeValues=values,
            )
        except Refused:
            return False
        return True

    async def find(self, prefix: str, limit: int = 1000) -> list[tuple[str, Record]]:
        kind = _kind(prefix)
        pages = await asyncio.gather(*(self._keys(f"{kind}#{shard}", prefix, limit) for shard in range(SHARDS)))
        keys = sorted(key for page in pages for key in page)[: limit * 2]
        records = await asyncio.gather(*map(self.get, keys))
        return [(key, record) for key, record in zip(keys, records, strict=True) if record is not None][:limit]

    async def expire(self, batch: int = 1000) -> int:
        """DynamoDB does it by itself."""
        return 0

    def _condition(self, expected: int | None) -> dict[str, Any]:
        if expected is None:
            return {}
        values = {":now": number(self._now())}
        if expected == 0:
            condition, names = "attribute_not_exists(PK) OR #until <= :now", {"#until": "until"}
        else:
            condition, names = "#version = :expected AND #until > :now", dict(_NAMES)
            values[":expected"] = number(expected)
        return {
            "ConditionExpression": condition,
            "ExpressionAttributeNames": names,
            "ExpressionAttributeValues": values,
            "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
        }

    async def _keys(self, shard: str, prefix: str, limit: int) -> list[str]:
        found = await self._aws.dynamodb(
            "query",
            TableName=STATE.name,
            IndexName=STATE.indexes[0].name,
            KeyConditionExpression="#kind = :kind AND begins_with(PK, :prefix)",
            ExpressionAttributeNames={"#kind": "kind"},
            ExpressionAttributeValues={":kind": text(shard), ":prefix": text(prefix)},
            Limit=limit,
        )
        return [str(item["PK"]["S"]) for item in found["Items"]]

    def _live(self, item: Mapping[str, Any] | None) -> Record | None:
        if item is None or (until := float_of(item, "until")) is None or until <= self._now():
            return None
        return Record(bytes_of(item, "value") or b"", whole_of(item, "version"), until)


def _key(key: str) -> dict[str, Any]:
    return {"PK": text(key), "SK": text("STATE")}


def _kind(key: str) -> str:
    return key.partition(":")[0]


def _shard(key: str) -> str:
    number_of = int.from_bytes(hashlib.blake2b(key.encode(), digest_size=2).digest()) % SHARDS
    return f"{_kind(key)}#{number_of}"
