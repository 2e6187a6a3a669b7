"""Times as keys on AWS: every time that a caller may write is one, and text sorts as time does."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ulid import ULID

from engine.api.query import instant
from engine.storage.aws.items import moment

_FIRST, _LAST = (datetime(year, 1, 1, tzinfo=UTC).timestamp() for year in (1, 9999))
_times = st.integers(int(_FIRST), int(_LAST)).map(float)


@given(one=_times, other=_times)
def test_text_sorts_as_time_does(one, other):
    assert (moment(one) < moment(other)) == (one < other)
    assert len(moment(one)) == len("2026-05-01T00:00:00.000000Z")


def test_a_time_is_written_to_the_microsecond():
    assert moment(1_777_593_600.25) == "2026-05-01T00:00:00.250000Z"
    assert moment(-62_135_596_800.0) == "0001-01-01T00:00:00.000000Z"


@pytest.mark.parametrize("text", ["0001-01-01T00:00:00+23:00", "9999-12-31T23:59:59-23:00"])
def test_what_a_filter_may_name_is_a_key_though_no_calendar_has_it(text):
    at = instant(text, "startDate")
    assert moment(at) in (moment(_FIRST), "9999-12-31T23:59:59.500000Z")


def test_every_id_that_is_written_as_one_tells_a_time_that_is_a_key():
    last = ULID.from_str("7" + "Z" * 25).timestamp
    assert moment(_LAST) < moment(last) == moment(last + 60.0)
