"""Free slots between busy times, for calendars that only tell when they are taken."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from engine.plugins import PluginFault, function

_Span = tuple[datetime, datetime]


@function("free_slots")
def free_slots(
    busy: Sequence[Mapping[str, Any]],
    start: str,
    end: str,
    minutes: int,
    *,
    every: int | None = None,
    most: int | None = None,
) -> list[dict[str, str]]:
    """The slots of `minutes` in which nothing is busy, earliest first, as `{start, end}` in the offset of `start`.

    They begin at `start` and every `every` minutes (left out: one after the other), end by `end`, and are at most
    `most`. `busy` holds `{start, end}` in any order, also overlapping ones. All times are RFC 3339 with offset; the
    start of a span belongs to it, its end doesn't.
    """
    length = _minutes("minutes", minutes)
    step = length if every is None else _minutes("every", every)
    window = (_instant("start", start), _instant("end", end))
    taken = sorted(span for span in map(_span, busy) if span[0] < span[1])
    slots: list[dict[str, str]] = []
    for at in _free(window, length, step, taken):
        if most is not None and len(slots) >= most:
            break
        slots.append({"start": _text(at), "end": _text(at + length)})
    return slots


def _free(window: _Span, length: timedelta, step: timedelta, taken: Sequence[_Span]) -> Iterator[datetime]:
    """Where slots begin. `taken` is sorted by start; what ends before a slot is never looked at again."""
    at, seen = window[0], 0
    while at + length <= window[1]:
        while seen < len(taken) and taken[seen][1] <= at:
            seen += 1
        if seen < len(taken) and taken[seen][0] < at + length:
            at = window[0] + step * -(
                (window[0] - taken[seen][1]) // step
            )  # the first start that is not before its end
        else:
            yield at
            at += step


def _span(busy: Mapping[str, Any]) -> _Span:
    return _instant("the start of a busy time", busy.get("start")), _instant("the end of a busy time", busy.get("end"))


def _instant(name: str, value: Any) -> datetime:
    try:
        at = datetime.fromisoformat(value) if isinstance(value, str) else None
    except ValueError:
        at = None
    if at is None or at.utcoffset() is None:
        raise PluginFault(f"{name} is no RFC 3339 time with offset")
    return at


def _minutes(name: str, value: Any) -> timedelta:
    if isinstance(value, bool) or not isinstance(value, int) or not 0 < value <= 525_600:
        raise PluginFault(f"{name} must be a whole number of minutes, at least 1 and at most a year's")
    return timedelta(minutes=value)


def _text(at: datetime) -> str:
    return at.isoformat().removesuffix("+00:00") + ("" if at.utcoffset() else "Z")
