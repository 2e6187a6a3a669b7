"""The law of retries and pauses: bounded, never sooner than asked, and the same for the same chance."""

from __future__ import annotations

from dataclasses import replace
from itertools import accumulate, pairwise

from hypothesis import given
from hypothesis import strategies as st

from engine.events.backoff import DELAYS, GONE, JITTER, LIFETIME_SECONDS, PAUSES, Outcome, decide, judge
from engine.model import Delivery
from engine.storage.ports import Lane

NOW = 1_800_000_000.0
FRACTIONS = st.floats(0, 1, exclude_max=True)
STATUSES = st.none() | st.integers(100, 199) | st.integers(300, 599)
WAITS = st.none() | st.floats(0, 86_400)
FAILURES = st.builds(lambda status, wait: Outcome(status, "no", wait), STATUSES, WAITS)
SUCCESSES = st.integers(200, 299).map(Outcome)
FRESH = Delivery("d1", "tenant-a", "s1", "e1", "c1", "payment.paid", NOW, NOW, NOW)


def life(outcomes: list[Outcome], fraction: float = 0.5) -> list[Delivery]:
    """A delivery tried whenever it is due, until it is over or the outcomes are."""
    states = [FRESH]
    for one in outcomes:
        if states[-1].status != "pending":
            break
        states.append(decide(states[-1], one, states[-1].due_at, fraction))
    return states


def test_a_subscriber_that_never_answers_is_tried_ten_times_over_about_three_days() -> None:
    states = life([Outcome(503, "no")] * 50)
    assert (states[-1].status, states[-1].attempts) == ("dead", 10)
    assert [round(one.due_at - NOW) for one in states[1:-1]] == list(map(round, accumulate(DELAYS)))
    assert 3 * 86_400 < states[-1].due_at - NOW < 3.5 * 86_400


@given(st.lists(FAILURES, max_size=30), FRACTIONS)
def test_no_delivery_outlives_its_time_and_none_is_tried_more_often_than_there_are_delays(
    outcomes: list[Outcome], fraction: float
) -> None:
    states = life(outcomes, fraction)
    assert all(one.due_at <= NOW + LIFETIME_SECONDS for one in states)
    assert states[-1].attempts <= len(DELAYS) + 1
    assert [one.attempts for one in states] == list(range(len(states)))
    assert all(one.status == "pending" for one in states[:-1])


@given(st.lists(FAILURES.filter(lambda one: one.status != GONE), max_size=9), FRACTIONS)
def test_each_wait_is_the_delay_give_or_take_a_tenth_or_what_was_asked_for(
    outcomes: list[Outcome], fraction: float
) -> None:
    for before, after in pairwise(life(outcomes, fraction)):
        if after.status == "pending":
            waited = after.due_at - before.due_at
            asked = outcomes[before.attempts].retry_after or 0.0
            delay = DELAYS[before.attempts]
            assert waited >= asked - 1e-3
            assert waited >= delay * (1 - JITTER) - 1e-3
            assert waited <= max(asked, delay * (1 + JITTER)) + 1e-3


@given(st.lists(FAILURES.filter(lambda one: one.status != GONE), max_size=8), SUCCESSES, FRACTIONS)
def test_one_success_ends_it_whatever_was_before(outcomes: list[Outcome], success: Outcome, fraction: float) -> None:
    states = life([replace(one, retry_after=None) for one in outcomes] + [success], fraction)
    assert (states[-1].status, states[-1].error, states[-1].http_status) == ("delivered", None, success.status)
    assert states[-1].attempts == len(outcomes) + 1


def test_gone_is_the_end() -> None:
    assert life([Outcome(GONE, "gone")])[-1].status == "dead"


LANE = Lane("tenant-a", "s1")


@given(st.lists(st.lists(FAILURES | SUCCESSES, min_size=1, max_size=5), max_size=20), FRACTIONS)
def test_a_lane_is_struck_by_rounds_without_any_success_and_cleared_by_one(
    rounds: list[list[Outcome]], fraction: float
) -> None:
    lane, expected = LANE, 0
    for number, outcomes in enumerate(rounds):
        now = NOW + 1000 * number
        lane = judge(lane, outcomes, now, fraction)
        expected = 0 if any(one.error is None for one in outcomes) else expected + 1
        assert lane.strikes == expected
        assert (lane.failing_since is None) == (expected == 0)
        asked = max((one.retry_after or 0 for one in outcomes if one.status in (429, 503)), default=0)
        longest = max(asked, PAUSES[min(expected, len(PAUSES)) - 1] * (1 + JITTER) if expected else 0)
        assert lane.paused_until <= now + longest + 1e-3
        assert lane.paused_until >= (now + asked if asked else 0)


def test_pauses_begin_after_repeated_failures_and_end_within_minutes() -> None:
    lane, pauses = LANE, []
    for _ in range(12):
        lane = judge(lane, [Outcome(None, "no")], NOW, 0.5)
        pauses.append(round(lane.paused_until - NOW))
    assert pauses == [0, 0, 15, 30, 60, 120, 240, 300, 300, 300, 300, 300]
    assert lane.failing_since == NOW


def test_a_round_in_which_nothing_was_sent_says_nothing() -> None:
    struck = replace(LANE, strikes=3, failing_since=NOW)
    assert judge(struck, [], NOW, 0.5) == struck
