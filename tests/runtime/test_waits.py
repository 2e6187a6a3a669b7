"""How long to wait is read from every form that providers send, and never makes a wait out of nonsense."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.runtime import waits
from tests.support.scene import START, Stillstand, replies, running
from tests.support.specs import action, spec
from tests.support.upstream import answer


def now() -> float:
    return START


OURS = "Fri, 01 May 2026 01:46:{:02} GMT"  # START is :40
DAY = 86_400


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("3", 3),
        ("2.0", 2),
        ("0", 0),
        ("0.25", 0.25),
        (OURS.format(45), 5),
        (OURS.format(5), 0),
        (str(int(START) + 9), 9),
        (str(int(START) - 9), 0),
        (str((int(START) + 9) * 1000), 9),
        ("1, 30, 7", 30),
        (f"2, {OURS.format(45)}, 1", 5),
        (f"{OURS.format(45)}, {OURS.format(50)}", 10),
        ("-5, 4", 4),
        ("999999", DAY),
        ("9999999999999999", DAY),
    ],
)
def test_a_retry_after_of_any_form_is_seconds_and_of_several_the_longest(header: str, seconds: float) -> None:
    assert waits.asked({"retry-after": header}, now) == seconds


@pytest.mark.parametrize(
    "header", ["", "-5", "soon", "1e3", "²", "Fri, 99 May 2026 00:00:00 GMT", "1" * 17, "NaN", "inf"]
)
def test_a_retry_after_that_is_none_is_not_sent(header: str) -> None:
    assert waits.asked({"retry-after": header}, now) is None


def test_a_time_is_measured_by_the_providers_clock_where_it_is_known() -> None:
    headers = {"retry-after": OURS.format(50), "date": OURS.format(44)}
    assert waits.asked(headers, now) == 6


def test_milliseconds_have_a_header_of_their_own() -> None:
    assert waits.asked({"retry-after-ms": "1500", "retry-after": "1"}, now) == 1.5


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"x-ratelimit-reset": "20", "x-ratelimit-remaining": "0"}, 20),
        ({"x-rate-limit-reset": str(int(START) + 20)}, 20),
        ({"ratelimit-reset": "20", "ratelimit-remaining": "3"}, None),
        ({"ratelimit": "limit=10, remaining=0, reset=20"}, 20),
        ({"ratelimit": '"burst";r=0;t=5, "day";r=9000;t=70000'}, 5),
        ({"x-ratelimit-reset": "500", "retry-after": "2"}, 2),
    ],
)
def test_without_retry_after_a_refusal_lasts_until_the_emptied_budget_is_full(
    headers: dict[str, str], seconds: float | None
) -> None:
    assert waits.asked(headers, now) == seconds


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"x-ratelimit-remaining": "0", "x-ratelimit-reset": "20"}, 20),
        ({"x-acme-ratelimit-remaining": "0", "x-acme-ratelimit-reset": "20"}, 20),
        ({"x-ratelimit-remaining": "0", "x-ratelimit-reset": str(int(START) + 20)}, 20),
        ({"ratelimit": '"burst";r=0;t=5, "day";r=9000;t=70000'}, 5),
        ({"x-ratelimit-remaining": "1", "x-ratelimit-reset": "20"}, None),
        ({"x-ratelimit-remaining": "0", "x-ratelimit-reset": "3600"}, None),
        ({"x-ratelimit-remaining": "0"}, None),
        ({"x-files-remaining": "0", "x-files-reset": "20"}, None),
        ({"retry-after": "20"}, None),
    ],
)
def test_an_answer_may_say_beforehand_that_nothing_is_left(headers: dict[str, str], seconds: float | None) -> None:
    assert waits.emptied(headers, now) == seconds


_NAMES = st.sampled_from(
    ["retry-after", "retry-after-ms", "date", "ratelimit", "x-ratelimit-remaining", "x-ratelimit-reset"]
)
_TEXTS = st.text(max_size=40) | st.from_regex(r'[0-9 ,.;="rt:-]{0,30}') | st.integers(-(10**20), 10**20).map(str)


@given(st.dictionaries(_NAMES, _TEXTS))
def test_no_headers_break_the_reading_and_no_wait_is_negative_or_longer_than_a_day(headers: dict[str, str]) -> None:
    assert 0 <= (waits.asked(headers, now) or 0) <= waits.LONGEST
    assert 0 <= (waits.emptied(headers, now) or 0) <= waits.LEARNED


async def test_a_connection_whose_budget_is_used_up_waits_without_asking_and_others_do_not(tmp_path: Path) -> None:
    clock = Stillstand()
    empty = answer({"ok": True}, 200, x_ratelimit_remaining="0", x_ratelimit_reset="20")
    async with running(tmp_path, spec(action(), action("other")), lambda _: empty, clock=clock) as scene:
        assert (await scene.call()).success
        done = await scene.call("other")
        assert done.error is not None
        assert (done.error.code, done.error.retry_after_ms, scene.seen) == ("RATE_LIMITED", 20_000, 1)
        clock.passed += 20
        assert (await scene.call("other")).success


async def test_a_refusal_with_an_epoch_blocks_the_connections_siblings_until_then(tmp_path: Path) -> None:
    clock = Stillstand()
    refused = replies({}, 429, x_ratelimit_reset=str(int(START) + 45))
    async with running(tmp_path, spec(action(), action("other")), refused, clock=clock) as scene:
        assert await scene.code() == "RATE_LIMITED"
        done = await scene.call("other")
        assert done.error is not None
        assert (done.error.retry_after_ms, scene.seen, clock.slept) == (45_000, 1, [])
