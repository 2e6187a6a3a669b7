"""Limits: no span of the given length ever holds more calls than the figure, over all processes.

A limit's record counts the calls of each of 60 equal slices of its span, and of the slice that has begun. All 61
together may hold the figure, so a span is counted as up to one slice longer than it is: the limit is never
exceeded, and it may refuse up to a sixtieth of the span early. Records live in the state store and change by
compare-and-set; a conflict means that somebody else counted first, so the count is made again.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable
from dataclasses import dataclass

from engine.errors import CallError
from engine.storage.ports import State

SLICES = 60
_FORM = struct.Struct(f"<q{SLICES + 1}I")
_UNTIL = struct.Struct("<d")
_TRIES = 50


@dataclass(frozen=True, slots=True)
class Bucket:
    """One limit with the key of its record: at most `calls` in any `per` seconds. `observe` counts only."""

    key: str
    what: str
    calls: int
    per: float
    observe: bool = False


@dataclass(frozen=True, slots=True)
class Taken:
    """The record after the call was counted, or how many seconds until one fits."""

    value: bytes | None
    wait: float = 0.0


def take(value: bytes | None, now: float, calls: int, per: float) -> Taken:
    """Count one call at `now` (epoch seconds) in a record. Pure."""
    width = per / SLICES
    current = int(now / width)
    counts = _counts(value, current)
    if sum(counts) < calls:
        counts[-1] += 1
        return Taken(_FORM.pack(current, *counts))
    return Taken(None, _until_free(counts, current, width, calls, now))


def _counts(value: bytes | None, current: int) -> list[int]:
    """The 61 counts with the slice `current` last; a clock that ran back counts into the newest slice there is."""
    if value is None or len(value) != _FORM.size:
        return [0] * (SLICES + 1)
    newest, *counts = _FORM.unpack(value)
    shift = max(0, current - newest)
    return counts[shift:] + [0] * min(shift, SLICES + 1)


def _until_free(counts: list[int], current: int, width: float, calls: int, now: float) -> float:
    """Seconds until enough of the oldest slices have left for one more call."""
    excess = sum(counts) - calls + 1
    for age, count in enumerate(counts):
        excess -= count
        if excess <= 0:
            return max(0.001, (current + 1 + age) * width - now)
    return (SLICES + 1) * width


async def take_all(state: State, buckets: Iterable[Bucket], now: float) -> None:
    """Count one call in every bucket. Raises `CallError(RATE_LIMITED)` at the first that is full.

    What was counted before the refusal stays counted: refusing a little early is the safe side.
    """
    for bucket in buckets:
        wait = await _take(state, bucket, now)
        if wait and not bucket.observe:
            message = f"more than {bucket.calls} calls in {bucket.per:g} seconds {bucket.what}"
            raise CallError("RATE_LIMITED", message, retry_after_ms=max(1, round(wait * 1000)))


async def _take(state: State, bucket: Bucket, now: float) -> float:
    for _ in range(_TRIES):
        record = await state.get(bucket.key)
        taken = take(record.value if record else None, now, bucket.calls, bucket.per)
        if taken.value is None:
            return taken.wait
        expected = record.version if record else 0
        ttl = bucket.per * 2
        if await state.put(bucket.key, taken.value, expected=expected, ttl_seconds=ttl) is not None:
            return 0.0
    return bucket.per / SLICES  # so many others at once: as good as full


async def blocked(state: State, key: str, now: float) -> None:
    """Raises `RATE_LIMITED` while a provider's 429 blocks this connection."""
    record = await state.get(key)
    if record is not None and (until := _UNTIL.unpack(record.value)[0]) > now:
        message = "the provider asked this connection to wait"
        raise CallError("RATE_LIMITED", message, retry_after_ms=max(1, round((until - now) * 1000)))


async def block(state: State, key: str, now: float, seconds: float) -> None:
    """A provider's 429 holds for every caller of the connection."""
    await state.put(key, _UNTIL.pack(now + seconds), expected=None, ttl_seconds=seconds)
