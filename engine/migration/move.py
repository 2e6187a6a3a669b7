"""One store's content into another, whatever both are made of.

What is in the target already is the record of how far a move has come: both stores are read side by side, in one
order, and what the target lacks is written. So a move that was killed is simply begun again, and the verification at
the end is the same walk once more, which writes nothing.

    moved      connections, secrets, subscriptions, events with their deliveries, the log, answers under idempotency
               keys, messages known, service tokens and access keys, the operator's apps, what is due
    left       limits, circuits, leases, consents under way, pauses of subscribers that fail: they are made anew in
               seconds or minutes
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Awaitable, Callable, Sequence
from typing import Final

from engine.errors import SettingsError, StorageCorrupt, StorageUnavailable
from engine.events.shape import moment
from engine.library import exact
from engine.migration.accounts import Connections, Secrets, Subscriptions
from engine.migration.logs import Events, Executions
from engine.migration.report import Difference, Part, Progress, Report
from engine.migration.rows import Kind, Pair, Row, Side, pairs, side
from engine.migration.shared import Answers, Apps, Due, Known, Tokens, Waiting
from engine.storage.ports import ExecutionQuery, Store

OF_TENANTS: Final[tuple[Kind, ...]] = (Connections(), Secrets(), Subscriptions(), Events(), Executions())
SHARED: Final[tuple[Kind, ...]] = (Answers(), Known(), Tokens(), Apps(), Waiting(), Due())
_MARK: Final = "migration:target"
_NAME: Final = "migration:source"
_KEPT_SECONDS: Final = 10 * 365 * 86_400.0
_BATCH: Final = 100
_AT_ONCE: Final = 8
_TRIES: Final = 6
QUIET_SECONDS: Final = 60.0
"""A call ends within 28 s; one that began so lately may still be on its way."""


class Move:
    """`since`: rows from before are about to fall away, and stay behind (epoch seconds). `now` gives epoch seconds."""

    def __init__(
        self, source: Store, target: Store, *, since: float, now: Callable[[], float], progress: Progress | None = None
    ) -> None:
        self._source = source
        self._target = target
        self._since = since
        self._now = now
        self._progress = progress or Progress()
        self._report = Report()

    async def run(self, *, is_final: bool = True) -> Report:
        """Moves and verifies. `is_final`: a target that was found equal is not written again by any move.

        Raises `SettingsError` for a target with content of its own, `StorageUnavailable`: begin again.
        """
        await self._claim()
        source, target = await self._sides()
        await self._each("moving", source, target, self._move)
        report = await self.verify()
        if report.is_equal and is_final:
            await self._mark("done")
        return report

    async def verify(self) -> Report:
        """Reads both and writes nothing."""
        source, target = await self._sides()
        await self._each("verifying", source, target, self._verify)
        for tenant in set(await self._target.census.tenants()) - set(await self._source.census.tenants()):
            self._report.differ(Difference("", "tenants", tenant, "is only in the target"))
        return self._report

    async def busy_tenants(self) -> list[str]:
        """Those whose last call in the source began a moment ago."""
        start = self._now() - QUIET_SECONDS
        tenants = await self._source.census.tenants()
        last = [await self._source.executions.find(ExecutionQuery(one, start=start, limit=1)) for one in tenants]
        return [tenant for tenant, rows in zip(tenants, last, strict=True) if rows]

    async def _sides(self) -> tuple[Side, Side]:
        return (
            await side(self._source, self._since, self._now),
            await side(self._target, self._since, self._now),
        )

    async def _each(
        self, step: str, source: Side, target: Side, walk: Callable[[Side, Side, str, Sequence[Kind]], Awaitable[None]]
    ) -> None:
        tenants = await self._source.census.tenants()
        self._progress.begin(step, len(tenants))
        waiting = iter(tenants)

        async def work() -> None:
            for tenant in waiting:
                await walk(source, target, tenant, OF_TENANTS)
                self._progress.count(tenants=1)

        try:
            async with asyncio.TaskGroup() as group:
                for _ in range(min(_AT_ONCE, len(tenants))):
                    group.create_task(work())
        except ExceptionGroup as failures:
            raise failures.exceptions[0] from None
        await walk(source, target, "", SHARED)

    async def _move(self, source: Side, target: Side, tenant: str, kinds: Sequence[Kind]) -> None:
        """What is gone goes last: by then its deliveries are as they were when it went."""
        gone = [(kind, await self._copy(source, target, kind, tenant)) for kind in kinds]
        for kind, rows in gone:
            await kind.drop(target, rows)

    async def _copy(self, source: Side, target: Side, kind: Kind, tenant: str) -> list[Row]:
        """What the source has no more."""
        batch: list[Pair] = []
        gone: list[Row] = []
        both = pairs(kind.rows(source, tenant), kind.rows(target, tenant), descending=kind.descending)
        seen = 0
        async for one, there in both:
            seen += 1
            if one is not None and (there is None or there.digest != one.digest):
                batch.append((one, there))
            elif one is None and there is not None and not kind.is_log:
                gone.append(there)
            if seen == _BATCH:
                await self._mend(target, kind, batch)
                self._progress.count(rows=seen, moved=len(batch))
                batch, seen = [], 0
        await self._mend(target, kind, batch)
        self._progress.count(rows=seen, moved=len(batch))
        return gone

    async def _mend(self, target: Side, kind: Kind, batch: Sequence[Pair]) -> None:
        """A store that is busy is asked again: what was written meanwhile is there once all the same."""
        if not batch:
            return
        for attempt in range(_TRIES):
            try:
                self._report.refused += await kind.mend(target, batch)
            except StorageUnavailable:
                if attempt == _TRIES - 1:
                    raise
                await asyncio.sleep(0.1 * 4**attempt)
            else:
                return

    async def _verify(self, source: Side, target: Side, tenant: str, kinds: Sequence[Kind]) -> None:
        for kind in kinds:
            await self._compare(source, target, kind, tenant)

    async def _compare(self, source: Side, target: Side, kind: Kind, tenant: str) -> None:
        part = self._report.parts[tenant, kind.name] = Part()
        both = pairs(kind.rows(source, tenant), kind.rows(target, tenant), descending=kind.descending)
        seen = 0
        async for one, there in both:
            seen += 1
            if seen % _BATCH == 0:
                self._progress.count(rows=_BATCH)
            if one is None and kind.is_log:
                part.older += 1
                continue
            for total, row in ((part.source, one), (part.target, there)):
                if row is not None:
                    total.add(row)
            what, named = _what(one, there), one or there
            if what is not None and named is not None:
                self._report.differ(Difference(tenant, kind.name, named.name, what))
        self._progress.count(rows=seen % _BATCH)

    async def _claim(self) -> None:
        """A target is filled from one source, once."""
        record = await self._target.state.get(_MARK)
        if record is None:
            tenants = await self._target.census.tenants()
            if tenants:
                raise SettingsError(
                    f"the target holds data of its own (of {len(tenants)} tenants): only an empty one can be filled"
                )
            await self._mark("begun")
            return
        state, at, source = _read(record.value)
        if source != await self._name():
            raise SettingsError("the target is being filled from another source: only an empty one can be filled")
        if state == "done":
            raise SettingsError(
                f"the target was filled and verified at {moment(at)}; since then it is the one that counts, and a "
                "second move would undo what has changed there (--verify compares and writes nothing)"
            )

    async def _mark(self, state: str) -> None:
        text = exact.dumps({"state": state, "at": self._now(), "source": await self._name()})
        await self._target.state.put(_MARK, text, expected=None, ttl_seconds=_KEPT_SECONDS, durable=True)

    async def _name(self) -> str:
        """What the source is known by: drawn once, and kept there."""
        name = secrets.token_hex(16).encode()
        if await self._source.state.put(_NAME, name, expected=0, ttl_seconds=_KEPT_SECONDS, durable=True) is None:
            record = await self._source.state.get(_NAME)
            name = b"" if record is None else record.value
        return name.decode()


def _read(value: bytes) -> tuple[str, float, str]:
    """How far the target is, since when, and of which source."""
    try:
        mark = exact.loads(value)
        return str(mark["state"]), float(mark["at"]), str(mark["source"])
    except (ValueError, KeyError, TypeError):
        raise StorageCorrupt(f"the record {_MARK} of the target can't be read") from None


def _what(one: Row | None, there: Row | None) -> str | None:
    if there is None:
        return "is missing"
    if one is None:
        return "is only in the target"
    return None if one.digest == there.digest else "differs"
