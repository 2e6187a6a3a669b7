"""Lanes on DynamoDB: the deliveries of one subscription, in the hands of one process at a time.

    PK TENANT#<tenant>   SK LANE#<subscription>                            what is said of the lane
    LanesByTurn: LANES#<shard>   <turn>#<tenant>#<subscription>            lanes in which something is pending

A lane is always written whole, under the condition that nobody wrote it since it was read (`version`). So its turn is
exact in the table; the index may lag behind it: who takes a lane by an old entry meets the condition and goes on, and
a new entry is seen a moment later. Whatever makes a delivery pending writes its lane in the same transaction, so a
release that did not see that delivery meets the condition too, and looks again.
"""

from __future__ import annotations

import asyncio
import random
import secrets
import zlib
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import replace
from typing import Any, Final

from engine.errors import StorageUnavailable
from engine.frozen import frozen
from engine.model import Delivery
from engine.storage.aws.client import Aws
from engine.storage.aws.delivery_items import TABLE, Write, delivery_of, lane_key
from engine.storage.aws.faults import Refused
from engine.storage.aws.items import (
    Item,
    bytes_of,
    float_of,
    given,
    maybe_number,
    moment,
    number,
    raw,
    tenant_key,
    text,
    text_of,
    whole_of,
)
from engine.storage.aws.tables import DELIVERIES, EXPIRES
from engine.storage.ports import Lane

_BY_TURN: Final = DELIVERIES.indexes[0]
_SHARDS: Final = 4
"""Parts of the index, so that many lanes do not meet the limit of one partition. Each costs a read per look."""
_PAGE: Final = 100
_TRIES: Final = 10
_CLAIMS: Final = 3


@frozen
class Turn:
    """A lane, since when something of it is due, and until when somebody has it. `version` 0: not stored yet."""

    lane: Lane
    wanted_at: float | None = None
    held_until: float = 0.0
    version: int = 0

    @property
    def at(self) -> float | None:
        """When it may be taken; None while nothing of it is pending."""
        return None if self.wanted_at is None else max(self.wanted_at, self.held_until, self.lane.paused_until)

    def woken(self, at: float) -> Turn:
        return replace(self, wanted_at=at if self.wanted_at is None else min(at, self.wanted_at))


class AwsLanes:
    def __init__(self, aws: Aws, now: Callable[[], float]) -> None:
        self._aws = aws
        self._now = now

    async def take(self, now: float, until: float, limit: int) -> list[Lane]:
        """What one has taken when AWS fails is kept: another finds it when its lease is over."""
        waiting = await self._waiting(now)
        taken: list[Lane] = []
        while waiting and len(taken) < limit:
            free = limit - len(taken)
            batch, waiting = waiting[:free], waiting[free:]
            ended = await asyncio.gather(*(self._claim(one, now, until) for one in batch), return_exceptions=True)
            taken += [one for one in ended if isinstance(one, Lane)]
            failures = [one for one in ended if isinstance(one, BaseException)]
            if failures and not taken:
                raise failures[0]
            if failures:
                break
        return taken

    async def _waiting(self, now: float) -> list[Turn]:
        """The longest waiting first, as far as the index knows."""
        pages = await asyncio.gather(*(self._page(shard, now) for shard in range(_SHARDS)))
        ready = [(at, turn) for page in pages for turn in page if (at := turn.at) is not None and at <= now]
        return [turn for _, turn in sorted(ready, key=lambda one: one[0])]

    async def _page(self, shard: int, now: float) -> list[Turn]:
        found = await self._aws.dynamodb(
            "query",
            TableName=TABLE,
            IndexName=_BY_TURN.name,
            KeyConditionExpression=f"{_BY_TURN.partition} = :lanes AND {_BY_TURN.sort} < :now",
            ExpressionAttributeValues={":lanes": text(f"LANES#{shard}"), ":now": text(f"{moment(now)}~")},
            Limit=_PAGE,
        )
        return [_turn(item) for item in found["Items"]]

    async def _claim(self, turn: Turn, now: float, until: float) -> Lane | None:
        for _ in range(_CLAIMS):
            if (at := turn.at) is None or at > now:
                return None  # somebody else's by now, or nothing is pending any more
            lane = replace(turn.lane, claim=turn.lane.claim + 1)
            try:
                await self._store(replace(turn, lane=lane, held_until=until))
            except Refused as refused:
                if not refused.stored:
                    return None
                turn = _turn(refused.stored)
            else:
                return lane
        return None

    async def release(self, lane: Lane) -> None:
        def released(turn: Turn) -> Turn | None:
            return replace(turn, lane=lane, held_until=0.0) if turn.lane.claim == lane.claim else None

        await self._change(lane.tenant_id, lane.subscription_id, released, counts=True)

    async def resume(self, tenant_id: str, subscription_id: str) -> None:
        def resumed(turn: Turn) -> Turn:
            return replace(turn, lane=replace(turn.lane, strikes=0, failing_since=None, paused_until=0.0))

        await self._change(tenant_id, subscription_id, resumed)

    async def _change(
        self, tenant_id: str, subscription_id: str, change: Callable[[Turn], Turn | None], *, counts: bool = False
    ) -> None:
        """`counts`: see anew since when something is due. The lane is read before that is."""
        for attempt in range(_TRIES):
            turn = await self.read(tenant_id, subscription_id)
            after = None if turn is None else change(turn)
            if after is None:
                return
            if counts:
                after = replace(after, wanted_at=await self._first_due(after.lane))
            try:
                await self._store(after)
            except Refused:
                await asyncio.sleep(random.uniform(0, 0.01 * 2**attempt))
            else:
                return
        raise StorageUnavailable("a lane of deliveries is being changed by others all the time")

    async def _first_due(self, lane: Lane) -> float | None:
        async for one in self.pending(lane.tenant_id, lane.subscription_id, page=1):
            return one.due_at
        return None

    async def read(self, tenant_id: str, subscription_id: str) -> Turn | None:
        found = await self._aws.dynamodb(
            "get_item", TableName=TABLE, Key=_key(tenant_id, subscription_id), ConsistentRead=True
        )
        return _turn(found["Item"]) if found.get("Item") else None

    async def of(self, tenant_id: str) -> dict[str, Turn]:
        """All of a tenant, by subscription."""
        rows = self._aws.rows(
            TableName=TABLE,
            KeyConditionExpression="PK = :tenant AND begins_with(SK, :kind)",
            ExpressionAttributeValues={":tenant": text(tenant_key(tenant_id)), ":kind": text("LANE#")},
            ConsistentRead=True,
        )
        found = [_turn(item) async for item in rows]
        return {turn.lane.subscription_id: turn for turn in found}

    async def pending(
        self, tenant_id: str, subscription_id: str, until: float | None = None, page: int = _PAGE
    ) -> AsyncIterator[Delivery]:
        """Of one lane, the longest due first, as they are now; what has expired is as if it were removed already."""
        rows = self._aws.rows(
            TableName=TABLE,
            KeyConditionExpression="PK = :lane AND SK < :until",
            ExpressionAttributeValues={
                ":lane": lane_key(tenant_id, subscription_id),
                ":until": text("~" if until is None else f"{moment(until)}~"),
            },
            ConsistentRead=True,
            Limit=page,
        )
        async for item in rows:
            if (float_of(item, EXPIRES) or 0.0) > self._now():
                yield delivery_of(item)

    async def forget(self, tenant_id: str, subscription_id: str) -> None:
        await self._aws.dynamodb("delete_item", TableName=TABLE, Key=_key(tenant_id, subscription_id))

    async def _store(self, turn: Turn) -> None:
        """Raises `Refused` with the lane as it stands, if there is one."""
        write, _ = written(turn)
        asked = write["Put"]
        try:
            await self._aws.dynamodb("put_item", **asked)
        except Refused as refused:
            # Sent twice by the client and done the first time: the lane that stands there is this one.
            if bytes_of(refused.stored, "nonce") != asked["Item"]["nonce"]["B"]:
                raise


def written(turn: Turn) -> tuple[Write, Turn]:
    """The write of a lane that was read as `turn.version`, and the lane as it stands afterwards."""
    if turn.version == 0:
        # At random: a lane that is made again after it was forgotten is never taken for the one before.
        condition: dict[str, Any] = {"ConditionExpression": "attribute_not_exists(PK)"}
        after = replace(turn, version=secrets.randbits(48) + 1)
    else:
        condition = {
            "ConditionExpression": "#version = :version",
            "ExpressionAttributeNames": {"#version": "version"},
            "ExpressionAttributeValues": {":version": number(turn.version)},
        }
        after = replace(turn, version=turn.version + 1)
    item = {**_item(after), "nonce": raw(secrets.token_bytes(8))}
    put = {"TableName": TABLE, "Item": item, "ReturnValuesOnConditionCheckFailure": "ALL_OLD", **condition}
    return {"Put": put}, after


def _key(tenant_id: str, subscription_id: str) -> Item:
    return {"PK": text(tenant_key(tenant_id)), "SK": text(f"LANE#{subscription_id}")}


def _item(turn: Turn) -> Item:
    lane, at = turn.lane, turn.at
    place = f"{lane.tenant_id}#{lane.subscription_id}"
    shard = zlib.crc32(place.encode()) % _SHARDS
    indexed = {
        _BY_TURN.partition: None if at is None else text(f"LANES#{shard}"),
        _BY_TURN.sort: None if at is None else text(f"{moment(at)}#{place}"),
    }
    return {
        **_key(lane.tenant_id, lane.subscription_id),
        **given(
            **indexed,
            tenantId=text(lane.tenant_id),
            subscriptionId=text(lane.subscription_id),
            strikes=number(lane.strikes),
            failingSince=maybe_number(lane.failing_since),
            pausedUntil=number(lane.paused_until),
            claim=number(lane.claim),
            heldUntil=number(turn.held_until),
            wantedAt=maybe_number(turn.wanted_at),
            version=number(turn.version),
        ),
    }


def _turn(item: Mapping[str, Any]) -> Turn:
    lane = Lane(
        tenant_id=text_of(item, "tenantId") or "",
        subscription_id=text_of(item, "subscriptionId") or "",
        strikes=whole_of(item, "strikes"),
        failing_since=float_of(item, "failingSince"),
        paused_until=float_of(item, "pausedUntil") or 0.0,
        claim=whole_of(item, "claim"),
    )
    held = float_of(item, "heldUntil") or 0.0
    return Turn(lane, float_of(item, "wantedAt"), held, whole_of(item, "version"))
