"""Arrivals become deliveries: both or neither, in transactions of at most 100 writes.

Several arrivals of a tenant share a transaction, for its lanes are written once in it. An arrival of more deliveries
than fit into one is spread in parts: all but the last hold on to the arrival, the last takes it away. What a process
that dies has stored of the parts is passed over when the arrival is spread again.
"""

from __future__ import annotations

import asyncio
import random
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from engine.errors import StorageUnavailable
from engine.model import Delivery
from engine.storage.aws.client import Aws
from engine.storage.aws.delivery_items import TABLE, Write, created
from engine.storage.aws.events import arrival_key
from engine.storage.aws.faults import Refused
from engine.storage.aws.items import number
from engine.storage.aws.lanes import AwsLanes, Turn, written
from engine.storage.ports import Arrival, Lane

_WRITES: Final = 100
_OF_DELIVERY: Final = 3  # itself, where it stands, its turn
_LARGEST: Final = (_WRITES - 1) // (_OF_DELIVERY + 1)
"""Deliveries that fit into a transaction with their arrival and a lane each."""
_CONFLICTS: Final = 10
_THERE: Final = "attribute_exists(PK)"

Plan = tuple[Arrival, Sequence[Delivery]]


@dataclass
class _Piece:
    """An arrival, or a part of it; `is_last`: the arrival is taken away."""

    arrival: Arrival
    deliveries: list[Delivery]
    is_last: bool = True


@dataclass
class _Writes:
    """The writes of one transaction, and what is left out when the condition of one does not hold."""

    items: list[Write] = field(default_factory=list)
    causes: list[_Piece | Delivery | None] = field(default_factory=list)

    def add(self, items: Iterable[Write], cause: _Piece | Delivery | None = None) -> None:
        for item in items:
            self.items.append(item)
            self.causes.append(cause)


async def spread(aws: Aws, lanes: AwsLanes, plans: Sequence[Plan], days: int) -> None:
    """`days`: how long a delivery is kept."""
    tenants: dict[str, list[Plan]] = defaultdict(list)
    for arrival, deliveries in plans:
        tenants[arrival.tenant_id].append((arrival, deliveries))
    for tenant_id, theirs in tenants.items():
        turns = await lanes.of(tenant_id) if any(deliveries for _, deliveries in theirs) else {}
        for pieces in _packed(piece for plan in theirs for piece in _pieces(plan)):
            turns = await _stored(aws, lanes, pieces, turns, days)


def _pieces(plan: Plan) -> Iterator[_Piece]:
    arrival, deliveries = plan
    parts = [list(deliveries[begin : begin + _LARGEST]) for begin in range(0, len(deliveries), _LARGEST)] or [[]]
    for part in parts:
        yield _Piece(arrival, part, is_last=part is parts[-1])


def _packed(pieces: Iterable[_Piece]) -> Iterator[list[_Piece]]:
    """As many together as fit; the parts of one arrival are never together."""
    together: list[_Piece] = []
    for piece in pieces:
        if together and (_size([*together, piece]) > _WRITES or not together[-1].is_last):
            yield together
            together = []
        together.append(piece)
    if together:
        yield together


def _size(pieces: Sequence[_Piece]) -> int:
    deliveries = [one for piece in pieces for one in piece.deliveries]
    return len(pieces) + _OF_DELIVERY * len(deliveries) + len({one.subscription_id for one in deliveries})


async def _stored(
    aws: Aws, lanes: AwsLanes, pieces: list[_Piece], turns: dict[str, Turn], days: int
) -> dict[str, Turn]:
    """The lanes as they are afterwards. What is there already, or was forgotten meanwhile, is left out."""
    tenant_id = pieces[0].arrival.tenant_id
    conflicts = 0
    while pieces:
        writes = _Writes()
        for piece in pieces:
            writes.add([_gone(piece.arrival) if piece.is_last else _there(piece.arrival)], piece)
            for one in piece.deliveries:
                writes.add(created(one, days), one)
        after = [written(turn) for turn in _woken(pieces, turns)]
        writes.add(write for write, _ in after)
        try:
            await aws.transact(writes.items)
        except Refused as refused:
            refusals = [writes.causes[at] for at in refused.places]
            if None in refusals:  # a lane was changed meanwhile
                conflicts += 1
                if conflicts == _CONFLICTS:
                    raise StorageUnavailable("the lanes of a tenant are being changed by others all the time") from None
                await asyncio.sleep(random.uniform(0, 0.01 * 2**conflicts))
                turns = await lanes.of(tenant_id)
            pieces = _without(pieces, refusals)
        else:
            return {**turns, **{turn.lane.subscription_id: turn for _, turn in after}}
    return turns


def _woken(pieces: Iterable[_Piece], turns: Mapping[str, Turn]) -> Iterable[Turn]:
    """The lanes in which something becomes pending."""
    woken: dict[str, Turn] = {}
    for piece in pieces:
        for one in piece.deliveries:
            if one.status == "pending":
                of = one.subscription_id
                turn = woken.get(of) or turns.get(of) or Turn(Lane(one.tenant_id, of))
                woken[of] = turn.woken(one.due_at)
    return woken.values()


def _without(pieces: Iterable[_Piece], refusals: Sequence[_Piece | Delivery | None]) -> list[_Piece]:
    """An arrival that is gone is passed over with all of it, a delivery that is there already by itself."""
    out = {id(one) for one in refusals}
    return [
        replace(piece, deliveries=[one for one in piece.deliveries if id(one) not in out])
        for piece in pieces
        if id(piece) not in out
    ]


def _gone(arrival: Arrival) -> Write:
    return {"Delete": {"TableName": TABLE, "Key": arrival_key(arrival), "ConditionExpression": _THERE}}


def _there(arrival: Arrival) -> Write:
    """Whoever forgets the arrival meanwhile, forgets its deliveries afterwards."""
    return {
        "Update": {
            "TableName": TABLE,
            "Key": arrival_key(arrival),
            "ConditionExpression": _THERE,
            "UpdateExpression": "SET begun = :begun",
            "ExpressionAttributeValues": {":begun": number(1)},
        }
    }
