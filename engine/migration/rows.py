"""What both stores hold, in one form: rows in one order, each with a digest of all it says.

What a store adds of its own is left out of the digest: versions, and seals, which are opened.
"""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import field, fields, is_dataclass
from datetime import UTC, datetime
from typing import Any, Protocol

from engine.events.book import EventBook
from engine.frozen import frozen
from engine.identity.tokens import TokenBook
from engine.library import exact
from engine.storage.ports import Store


@frozen
class Side:
    """One of the two stores. `since`: what came before (epoch seconds) is about to fall away and is not looked at.

    `unspread`: (tenant, event) of the events of which nobody has seen who wants them.
    """

    store: Store
    book: EventBook
    tokens: TokenBook
    since: float
    now: Callable[[], float]
    unspread: frozenset[tuple[str, str]]


async def side(store: Store, since: float, now: Callable[[], float]) -> Side:
    """As it stands now."""
    arrivals = {(one.tenant_id, one.event_id) async for one in store.census.arrivals()}
    return Side(store, EventBook(store), TokenBook(store, now), since, now, frozenset(arrivals))


@frozen
class Row:
    """`rank`: its place in the order of its kind; `name`: what it is called in a report."""

    rank: tuple[Any, ...]
    name: str
    value: Any = field(repr=False)
    digest: bytes = field(repr=False)


Pair = tuple[Row, Row | None]
"""A row of the source, and what stands in its place in the target."""


class Kind(Protocol):
    """`is_log`: rows fall away with time, so the target may still have some that the source has not."""

    name: str
    is_log: bool
    descending: bool

    def rows(self, side: Side, tenant: str) -> AsyncIterator[Row]:
        """In the order of their ranks."""
        ...

    async def mend(self, target: Side, pairs: Sequence[Pair]) -> list[str]:
        """Make the target as the source is there. Done twice it is done once. Says what can't be stored, and why."""
        ...

    async def drop(self, target: Side, gone: Sequence[Row]) -> None:
        """Of no log: what was moved before and was deleted in the source since."""
        ...


class Log:
    """Of a log nothing is deleted: its rows fall away with time, in each store by itself."""

    is_log = True

    async def drop(self, target: Side, gone: Sequence[Row]) -> None:
        """They may stay."""


def row(rank: tuple[Any, ...], name: str, value: Any, said: Any = None) -> Row:
    """`said`: what the digest is of, where that is not all of the value."""
    text = exact.dumps(_plain(value if said is None else said))
    return Row(rank, name, value, hashlib.sha256(text).digest())


def _plain(value: Any) -> Any:
    if is_dataclass(value):
        return {one.name: _plain(getattr(value, one.name)) for one in fields(value) if one.name != "version"}
    if isinstance(value, Mapping):
        return {name: _plain(value[name]) for name in sorted(value)}
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, frozenset):
        return sorted(value)
    return value


async def pairs(
    source: AsyncIterator[Row], target: AsyncIterator[Row], *, descending: bool
) -> AsyncIterator[tuple[Row | None, Row | None]]:
    """Both orders as one: what stands in one place of both comes together."""
    one, other = await anext(source, None), await anext(target, None)
    while one is not None or other is not None:
        if one is not None and other is not None and one.rank == other.rank:
            yield one, other
            one, other = await anext(source, None), await anext(target, None)
        elif other is None or (one is not None and (one.rank > other.rank) is descending):
            yield one, None
            one = await anext(source, None)
        else:
            yield None, other
            other = await anext(target, None)


async def by_moment(rows: AsyncIterator[Row]) -> AsyncIterator[Row]:
    """Rows whose ranks begin with epoch seconds, the newest first, each under its microsecond.

    More than that not every store tells apart in its order.
    """
    same: list[Row] = []
    async for one in rows:
        moved = Row((datetime.fromtimestamp(one.rank[0], UTC), *one.rank[1:]), one.name, one.value, one.digest)
        if same and same[0].rank[0] != moved.rank[0]:
            for earlier in sorted(same, key=_rank, reverse=True):
                yield earlier
            same = []
        same.append(moved)
    for earlier in sorted(same, key=_rank, reverse=True):
        yield earlier


def _rank(one: Row) -> tuple[Any, ...]:
    return one.rank
