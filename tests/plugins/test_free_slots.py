"""Free slots: what is offered is free, and what is free is offered."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.bootstrap import open_registry
from engine.library.function import LibraryError

DAY = datetime(2026, 2, 5, 6, tzinfo=UTC)
Span = tuple[datetime, datetime]


def slots(busy: Any, start: Any, end: Any, minutes: Any, **options: Any) -> list[dict[str, str]]:
    made: list[dict[str, str]] = open_registry().functions["free_slots"].call(busy, start, end, minutes, **options)
    return made


def told(spans: Sequence[Span], zone: timezone = UTC) -> list[dict[str, str]]:
    return [{"start": a.astimezone(zone).isoformat(), "end": b.astimezone(zone).isoformat()} for a, b in spans]


def read(made: Sequence[dict[str, str]]) -> list[Span]:
    return [(datetime.fromisoformat(slot["start"]), datetime.fromisoformat(slot["end"])) for slot in made]


def test_the_afternoon_of_the_dossier() -> None:
    """Dossier calendar-google, section 5: nine to six in Istanbul, taken from ten to eleven."""
    busy = [{"start": "2026-02-05T10:00:00+03:00", "end": "2026-02-05T11:00:00+03:00"}]
    made = slots(busy, "2026-02-05T09:00:00+03:00", "2026-02-05T12:00:00+03:00", 60)
    assert made == [
        {"start": "2026-02-05T09:00:00+03:00", "end": "2026-02-05T10:00:00+03:00"},
        {"start": "2026-02-05T11:00:00+03:00", "end": "2026-02-05T12:00:00+03:00"},
    ]


def test_slots_are_told_in_the_offset_of_the_start_whatever_the_others_are() -> None:
    made = slots([], "2026-02-05T06:00:00Z", "2026-02-05T09:30:00+03:00", 30)
    assert made == [{"start": "2026-02-05T06:00:00Z", "end": "2026-02-05T06:30:00Z"}]


def test_a_slot_may_begin_more_often_than_it_is_long() -> None:
    busy = told([(DAY, DAY + timedelta(minutes=30))])
    made = slots(busy, DAY.isoformat(), (DAY + timedelta(hours=2)).isoformat(), 60, every=30)
    assert [slot["start"][11:16] for slot in made] == ["06:30", "07:00"]


def test_null_gives_null() -> None:
    assert slots(None, DAY.isoformat(), DAY.isoformat(), 30) is None


@pytest.mark.parametrize(
    ("busy", "start", "end", "minutes"),
    [
        ([], "2026-02-05T09:00:00", "2026-02-05T12:00:00Z", 30),
        ([], "2026-02-05T09:00:00Z", "2026-02-05T12:00:00", 30),
        ([], "2026-02-05", "2026-02-06", 30),
        ([], "fake-secret-0000", "2026-02-06T00:00:00Z", 30),
        ([{"start": "2026-02-05T09:00:00", "end": "2026-02-05T12:00:00Z"}], DAY.isoformat(), DAY.isoformat(), 30),
        ([{"start": "2026-02-05T09:00:00Z"}], DAY.isoformat(), DAY.isoformat(), 30),
        ([], DAY.isoformat(), DAY.isoformat(), 0),
        ([], DAY.isoformat(), DAY.isoformat(), -5),
        ([], DAY.isoformat(), DAY.isoformat(), "30"),
        ([], DAY.isoformat(), DAY.isoformat(), True),
        ([], DAY.isoformat(), DAY.isoformat(), 10**9),
    ],
)
def test_a_time_without_offset_and_a_length_that_is_none_are_refused(
    busy: Any, start: str, end: str, minutes: Any
) -> None:
    """A time without offset would mean another moment to each reader."""
    with pytest.raises(LibraryError, match="free_slots") as refusal:
        slots(busy, start, end, minutes)
    assert "fake-secret" not in str(refusal.value)


MINUTES = st.integers(0, 600)
SPANS = st.lists(st.tuples(MINUTES, st.integers(-30, 120)), max_size=12).map(
    lambda found: [(DAY + timedelta(minutes=a - 60), DAY + timedelta(minutes=a - 60 + n)) for a, n in found]
)
LENGTHS = st.integers(1, 90)
ZONES = st.integers(-14 * 60, 14 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))


def overlap(slot: Span, busy: Span) -> bool:
    return busy[0] < busy[1] and slot[0] < busy[1] and busy[0] < slot[1]


@given(SPANS, MINUTES, LENGTHS, st.none() | LENGTHS)
def test_offered_is_exactly_what_no_busy_time_touches(
    busy: list[Span], window: int, minutes: int, every: int | None
) -> None:
    """Against the plain definition: every start of the grid, kept where it overlaps nothing."""
    end, length, step = DAY + timedelta(minutes=window), timedelta(minutes=minutes), timedelta(minutes=every or minutes)
    grid = [(DAY + step * n, DAY + step * n + length) for n in range(window // (every or minutes) + 1)]
    wanted = [slot for slot in grid if slot[1] <= end and not any(overlap(slot, span) for span in busy)]
    assert read(slots(told(busy), DAY.isoformat(), end.isoformat(), minutes, every=every)) == wanted


@given(SPANS, MINUTES, LENGTHS, st.randoms(use_true_random=False), ZONES, ZONES)
def test_neither_the_order_nor_the_offset_of_busy_times_matters(
    busy: list[Span], window: int, minutes: int, random: Any, theirs: timezone, ours: timezone
) -> None:
    end = (DAY + timedelta(minutes=window)).isoformat()
    plain = read(slots(told(busy), DAY.isoformat(), end, minutes))
    random.shuffle(busy)
    assert read(slots(told(busy, theirs), DAY.astimezone(ours).isoformat(), end, minutes)) == plain


@given(SPANS, MINUTES, LENGTHS, st.integers(0, 5))
def test_at_most_as_many_as_asked_for_and_they_are_the_first(
    busy: list[Span], window: int, minutes: int, most: int
) -> None:
    end = (DAY + timedelta(minutes=window)).isoformat()
    every_one = slots(told(busy), DAY.isoformat(), end, minutes)
    assert slots(told(busy), DAY.isoformat(), end, minutes, most=most) == every_one[:most]


def test_a_century_with_one_busy_time_is_looked_through_at_once() -> None:
    """The search leaps over busy times: the time it takes grows with what is found, not with the window."""
    busy = [{"start": "2000-01-01T00:00:00Z", "end": "2099-12-31T23:59:00Z"}]
    assert slots(busy, "2000-01-01T00:00:00Z", "2100-01-01T00:00:00Z", 1) == [
        {"start": "2099-12-31T23:59:00Z", "end": "2100-01-01T00:00:00Z"}
    ]
