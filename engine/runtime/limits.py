"""Limits: no span of the given length ever holds more calls than the figure, over all processes.

A limit's record counts the calls of each of 60 equal slices of its span, and of the slice that has begun. All 61
together may hold the figure, so a span is counted as up to one slice longer than it is: the limit is never
exceeded, and it may refuse up to a sixtieth of the span early. Records live in the state store and change by
compare-and-set; a conflict means that somebody else counted first, so the count is made again.

A busy process takes permits in blocks: it counts several at once, uses them within the slice they were counted in,
and gives back what was left with its next count. A slow one takes them one by one. A clock that runs back makes a slice
come again, when others have counted on without it: by the clock that never does, a block is used for a slice's time.
"""

from __future__ import annotations

import math
import struct
import time
from collections.abc import Callable, Iterable

from engine.errors import CallError
from engine.frozen import frozen, slotted
from engine.storage.ports import Record, State

SLICES = 60
_FORM = struct.Struct(f"<q{SLICES + 1}I")
_UNTIL = struct.Struct("<d")
_TRIES = 50
_BLOCK_SHARE = 8
_MOST_BLOCKS = 10_000


@frozen
class Bucket:
    """One limit with the key of its record: at most `calls` in any `per` seconds. `observe` counts only."""

    key: str
    what: str
    calls: int
    per: float
    observe: bool = False


@frozen
class Taken:
    """The record after `granted` calls were counted in `slice`, or how many seconds until one fits."""

    value: bytes | None
    wait: float = 0.0
    granted: int = 0
    slice: int = 0


@slotted
class Block:
    """Permits that this process has counted in `slice`, of which `left` are unused; `until` is monotonic seconds."""

    slice: int
    left: int
    used: int
    until: float

    def is_current(self, bucket: Bucket, now: float, monotonic: float) -> bool:
        return self.slice == int(now * SLICES / bucket.per) and monotonic < self.until


def take(value: bytes | None, now: float, calls: int, per: float, want: int = 1, unused: Block | None = None) -> Taken:
    """Count up to `want` calls at `now` (epoch seconds) in a record, after giving back what is unused. Pure."""
    width = per / SLICES
    current = int(now / width)
    counts, newest = _counts(value, current)
    if unused is not None and 0 <= (at := SLICES - (newest - unused.slice)) <= SLICES:
        counts[at] = max(0, counts[at] - unused.left)
    free = calls - sum(counts)
    if free <= 0:
        return Taken(None, _until_free(counts, newest, width, calls, now))
    granted = want if free >= 2 * want else 1
    counts[-1] += granted
    return Taken(_FORM.pack(newest, *counts), 0.0, granted, newest)


def _counts(value: bytes | None, current: int) -> tuple[list[int], int]:
    """The 61 counts with the newest slice last; a clock that ran back counts into the newest slice there is."""
    if value is None or len(value) != _FORM.size:
        return [0] * (SLICES + 1), current
    newest, *counts = _FORM.unpack(value)
    shift = max(0, current - newest)
    return counts[shift:] + [0] * min(shift, SLICES + 1), max(current, newest)


def _until_free(counts: list[int], newest: int, width: float, calls: int, now: float) -> float:
    """Seconds until enough of the oldest slices have left for one more call."""
    excess = sum(counts) - calls + 1
    for age, count in enumerate(counts):
        excess -= count
        if excess <= 0:
            return max(0.001, (newest + 1 + age) * width - now)
    return (SLICES + 1) * width


class Permits:
    """Counts the calls of this process in the limits that all processes share. `monotonic`: seconds, never back."""

    def __init__(self, state: State, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._state = state
        self._monotonic = monotonic
        self._blocks: dict[str, Block] = {}

    def spend(self, buckets: Iterable[Bucket], now: float) -> bool:
        """Count one call in every bucket by permits that are at hand; where one has none: count nothing, False."""
        moment = self._monotonic()
        found: list[Block] = []
        for bucket in buckets:
            block = self._blocks.get(bucket.key)
            # Two limits of one span share a block, so it needs a permit for each.
            if block is None or block.left <= len(found) or not block.is_current(bucket, now, moment):
                return False
            found.append(block)
        for block in found:
            block.left -= 1
            block.used += 1
        return True

    async def take_all(self, buckets: Iterable[Bucket], now: float) -> None:
        """Count one call in every bucket. Raises `CallError(RATE_LIMITED)` at the first that is full.

        What was counted before the refusal stays counted: refusing a little early is the safe side.
        """
        for bucket in buckets:
            block = self._blocks.get(bucket.key)
            if block is not None and block.left and block.is_current(bucket, now, self._monotonic()):
                block.left -= 1
                block.used += 1
                continue
            self._blocks.pop(bucket.key, None)  # one caller gives its rest back, not each that comes meanwhile
            wait = await self._count(bucket, block, now)
            if wait and block is not None:
                self._blocks.setdefault(bucket.key, block)
            if wait and not bucket.observe:
                message = f"more than {bucket.calls} calls in {bucket.per:g} seconds {bucket.what}"
                raise _refusal(message, wait)

    async def _count(self, bucket: Bucket, block: Block | None, now: float) -> float:
        """Seconds to wait, 0 when the call is counted."""
        want = max(1, block.used // _BLOCK_SHARE) if block is not None else 1
        until = self._monotonic() + bucket.per / SLICES
        for _ in range(_TRIES):
            record = await self._state.get(bucket.key)
            taken = take(record.value if record else None, now, bucket.calls, bucket.per, want, block)
            if taken.value is None:
                return taken.wait
            expected = record.version if record else 0
            ttl = bucket.per * 2
            if await self._state.put(bucket.key, taken.value, expected=expected, ttl_seconds=ttl) is not None:
                self._keep(bucket.key, block, taken, until)
                return 0.0
        return bucket.per / SLICES  # so many others at once: as good as full

    def _keep(self, key: str, before: Block | None, taken: Taken, until: float) -> None:
        known = self._blocks.get(key)
        if known is not None and known.slice == taken.slice:  # another call of this process counted meanwhile
            known.left += taken.granted - 1
            known.used += 1
            return
        if len(self._blocks) >= _MOST_BLOCKS:
            self._blocks.clear()  # what they held stays counted
        used = before.used if before is not None and before.slice == taken.slice else 0
        self._blocks[key] = Block(taken.slice, taken.granted - 1, used + 1, until)


def _refusal(message: str, wait: float) -> CallError:
    """Ours: nothing was sent."""
    return CallError("RATE_LIMITED", message, retry_after_ms=max(1, math.ceil(wait * 1000)), not_processed=True)


async def blocked(state: State, key: str, now: float) -> None:
    """Raises `RATE_LIMITED` while a provider's 429 blocks this connection."""
    wait = _until(await state.get(key)) - now
    if wait > 0:
        raise _refusal("the provider asked this connection to wait", wait)


async def block(state: State, key: str, now: float, seconds: float) -> None:
    """A provider's 429 holds for every caller of the connection; a longer one that holds already stays."""
    until = now + seconds
    for _ in range(_TRIES):
        record = await state.get(key)
        if _until(record) >= until:
            return
        expected = record.version if record else 0
        if await state.put(key, _UNTIL.pack(until), expected=expected, ttl_seconds=seconds) is not None:
            return


def _until(record: Record | None) -> float:
    return float(_UNTIL.unpack(record.value)[0]) if record is not None else 0.0
