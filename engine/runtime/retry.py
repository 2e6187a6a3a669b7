"""Whether a failed attempt is made again, and when. Pure: no clock, no I/O.

What may be sent again follows the declared effect: a read may; a write only when the provider surely did nothing, or
when the request carries a key by which the provider recognises the second one.
"""

from __future__ import annotations

from engine.catalog import Effect
from engine.errors import CallError
from engine.frozen import frozen


@frozen
class Policy:
    """Seconds; `cap` bounds one wait. Full jitter: each wait is drawn from zero to base * 2^n."""

    attempts: int = 3
    base: float = 0.2
    cap: float = 5.0


@frozen
class Again:
    wait: float
    """Seconds until the next attempt."""


def decide(
    policy: Policy, attempt: int, effect: Effect, has_key: bool, error: CallError, remaining: float, fraction: float
) -> Again | None:
    """Again, or None: the error stands. `attempt` counts from 1, `fraction` is random in [0, 1).

    A wait that the provider asks for is honoured within `remaining` seconds of the call's budget, else it is over
    at once and the caller learns it from `retry_after_ms`.
    """
    if attempt >= policy.attempts or not _may_resend(effect, has_key, error):
        return None
    asked = (error.retry_after_ms or 0) / 1000
    jitter = fraction * min(policy.cap, policy.base * 2 ** (attempt - 1))
    wait = asked + jitter if asked else jitter
    return Again(wait) if wait < remaining else None


def _may_resend(effect: Effect, has_key: bool, error: CallError) -> bool:
    if error.not_processed:
        return True
    return error.retryable and (effect == "read" or has_key)
