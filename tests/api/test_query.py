"""Instants in filters are RFC 3339, whatever Python's own parser would let through."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.api.query import instant
from engine.api.views import moment
from engine.errors import RequestError

_TIMES = st.datetimes(datetime(1, 1, 3), datetime(9999, 12, 29))  # noqa: DTZ001 - a zone is drawn beside it
_ZONES = st.integers(-1439, 1439).map(lambda minutes: timezone(timedelta(minutes=minutes)))


@given(_TIMES, _ZONES)
def test_an_instant_reads_as_datetime_reads_it(time, zone):
    aware = time.replace(tzinfo=zone)
    assert instant(aware.isoformat(), "x") == pytest.approx(aware.timestamp(), abs=1e-5)


@given(st.dates())
def test_a_date_is_its_midnight_in_utc(date):
    assert instant(date.isoformat(), "x") == datetime(date.year, date.month, date.day, tzinfo=UTC).timestamp()


@given(st.integers(0, 4_000_000_000_000))
def test_what_answers_show_can_be_given_as_a_filter(milliseconds):
    shown = moment(milliseconds / 1000)
    assert shown is not None
    assert instant(shown, "x") == pytest.approx(milliseconds / 1000, abs=1e-6)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "2026",
        "2026-05",
        "20260501",
        "2026-W18-5",
        "2026-05-01T10:00Z",
        "2026-05-01T10:00:00",
        "2026-05-01T10:00:00+0700",
        "2026-05-01T10:00:60Z",
        "2026-05-01T10:00:00Zjunk",
        "2026-05-01T10:00:00+24:00",
        "٢٠٢٦-05-01",
        "2026-05-01\n",
    ],
)
def test_other_spellings_are_refused_by_the_name_of_the_filter(text):
    with pytest.raises(RequestError) as refused:
        instant(text, "startDate")
    assert refused.value.issues[0].path == ("startDate",)


@given(st.text())
def test_no_text_does_more_than_be_refused(text):
    def refused() -> bool:
        try:
            instant(text, "x")
        except RequestError:
            return True
        return False

    assert refused() or text[:4].isdigit()
