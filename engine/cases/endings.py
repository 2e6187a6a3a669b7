"""How a case ended, held against how it should have ended."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from engine.cases.match import compare
from engine.cases.stage import ScriptedWire
from engine.errors import CallError
from engine.model import Problem


def unsent(wire: ScriptedWire) -> Iterator[str]:
    """That requests of the case never came."""
    if wire.exchanges:
        left = len(wire.exchanges)
        yield "1 expected request was not sent" if left == 1 else f"{left} expected requests were not sent"


def other_error(wanted: Mapping[str, Any], got: Problem | CallError | None) -> Iterator[str]:
    """In what an error is not the one that the case names; what the case leaves out is not looked at."""
    if got is None:
        yield f"expected {wanted.get('code')}, got a result"
        return
    told = {
        "code": got.code,
        "message": got.message,
        "retryable": got.retryable,
        "providerCode": got.provider_code,
        "retryAfterMs": got.retry_after_ms,
        "details": dict(got.details),
    }
    for key, value in wanted.items():
        yield from compare(f"error.{key}", value, told[key], subset=True)
