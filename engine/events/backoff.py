"""When an attempt is repeated, and when a subscription that does not answer is left alone for a while.

Pure: epoch seconds and a fraction of chance come in. The delays are those that Standard Webhooks suggests
(https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md), about three days in all.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from engine.frozen import frozen
from engine.model import Delivery
from engine.storage.ports import Lane

DELAYS = (5.0, 300.0, 1_800.0, 7_200.0, 18_000.0, 36_000.0, 50_400.0, 72_000.0, 86_400.0)
"""Seconds after the first, second … attempt; after one more it is dead."""
JITTER = 0.1
"""A delay is that part shorter or longer."""
LIFETIME_SECONDS = 4 * 86_400.0
"""No delivery is tried for longer, however long it is asked to wait or its subscription is paused."""
PAUSES = (0.0, 0.0, 15.0, 30.0, 60.0, 120.0, 240.0, 300.0)
"""Seconds that a subscription waits after the first, second … round in a row that brought nothing through."""
TOO_OLD = "not delivered within four days"
GONE = 410
_BUSY = frozenset({429, 503})


@frozen
class Outcome:
    """What an attempt came to. `status` None: no answer. `error` is in our own words; None: it was delivered.

    `retry_after`: seconds that the subscriber asked for.
    """

    status: int | None
    error: str | None = None
    retry_after: float | None = None


def decide(delivery: Delivery, came: Outcome, now: float, fraction: float) -> Delivery:
    """The delivery after one more attempt."""
    tried = replace(
        delivery,
        attempts=delivery.attempts + 1,
        last_attempt_at=now,
        http_status=came.status,
        error=came.error,
    )
    if came.error is None:
        return replace(tried, status="delivered")
    if tried.attempts > len(DELAYS) or came.status == GONE:
        return replace(tried, status="dead")
    delay = DELAYS[tried.attempts - 1] * (1 - JITTER + 2 * JITTER * fraction)
    due_at = now + max(delay, came.retry_after or 0.0)
    if due_at > delivery.queued_at + LIFETIME_SECONDS:
        return replace(tried, status="dead")
    return replace(tried, due_at=due_at)


def judge(lane: Lane, round_: Iterable[Outcome], now: float, fraction: float) -> Lane:
    """The lane after a round of attempts: one that got through clears it."""
    outcomes = list(round_)
    if not outcomes:
        return lane
    if any(one.error is None for one in outcomes):
        return replace(lane, strikes=0, failing_since=None, paused_until=_asked(outcomes, now))
    strikes = lane.strikes + 1
    pause = PAUSES[min(strikes, len(PAUSES)) - 1] * (1 - JITTER + 2 * JITTER * fraction)
    since = lane.failing_since if lane.failing_since is not None else now
    return replace(lane, strikes=strikes, failing_since=since, paused_until=max(now + pause, _asked(outcomes, now)))


def _asked(outcomes: Iterable[Outcome], now: float) -> float:
    """Until when the subscriber asked for no further request."""
    waits = [one.retry_after for one in outcomes if one.status in _BUSY and one.retry_after is not None]
    return now + max(waits) if waits else 0.0
