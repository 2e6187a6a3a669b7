"""Circuit breaker per integration and host: after ten failed calls in a row nobody waits for the provider any more.

    closed ── 10 failures in a row ──> open ── 30 s ──> half-open: one probe ── success ──> closed
                                         ^                                  └── failure ──> open

The record lives in the state store, so all processes see the same circuit. Only what the provider did counts: a
tenant's bad credentials or input never open it.
"""

from __future__ import annotations

import math
import struct
from dataclasses import replace

from engine.errors import CallError
from engine.frozen import frozen
from engine.storage.ports import Record, State

FAILURES = 10
PROBE_SECONDS = 30.0
_TTL = 3600.0
_FORM = struct.Struct("<Idd")
_TRIES = 20
UPSTREAM_FAILURES = frozenset({"PROVIDER_UNAVAILABLE", "TIMEOUT", "OUTCOME_UNKNOWN"})


@frozen
class Circuit:
    """`opened_at` 0 = closed; `probe_until`: somebody is probing until then. Epoch seconds."""

    failures: int = 0
    opened_at: float = 0.0
    probe_until: float = 0.0

    @staticmethod
    def read(record: Record | None) -> Circuit:
        if record is None or len(record.value) != _FORM.size:
            return Circuit()
        return Circuit(*_FORM.unpack(record.value))

    def pack(self) -> bytes:
        return _FORM.pack(self.failures, self.opened_at, self.probe_until)

    def wait(self, now: float) -> float:
        """Seconds until a call may try; 0 = now."""
        if not self.opened_at:
            return 0.0
        return max(self.opened_at + PROBE_SECONDS, self.probe_until) - now

    def failed(self, now: float) -> Circuit:
        """After one more failure."""
        failures = self.failures + 1
        is_open = self.opened_at or failures >= FAILURES
        return Circuit(failures, now if is_open else 0.0)

    def probing(self, now: float) -> Circuit:
        return replace(self, probe_until=now + PROBE_SECONDS)


def key_of(integration_id: str, host: str) -> str:
    return f"breaker:{integration_id}:{host}"


async def look(state: State, key: str, now: float) -> Record | None:
    """None where the circuit is closed, its record where one caller may `probe`; raises `CIRCUIT_OPEN` otherwise."""
    record = await state.get(key)
    circuit = Circuit.read(record)
    if not circuit.opened_at:
        return None
    wait = circuit.wait(now)
    if wait > 0:
        raise _refusal(wait)
    return record


async def probe(state: State, key: str, opened: Record, now: float) -> None:
    """Claim the probe of an open circuit: exactly one caller gets it, the others `CIRCUIT_OPEN`."""
    probing = Circuit.read(opened).probing(now).pack()
    if await state.put(key, probing, expected=opened.version, ttl_seconds=_TTL) is None:
        raise _refusal(PROBE_SECONDS)


def _refusal(wait: float) -> CallError:
    message = "the provider failed several times in a row and is not called for a while"
    return CallError("CIRCUIT_OPEN", message, retry_after_ms=max(1, math.ceil(wait * 1000)), not_processed=True)


async def note(state: State, key: str, now: float, code: str | None) -> None:
    """Tell the circuit how a call's request ended: `code` of the error, None for an answer that was understood."""
    record = await state.get(key)
    if code not in UPSTREAM_FAILURES:
        if record is not None:
            await state.delete(key)
        return
    for _ in range(_TRIES):
        failed = Circuit.read(record).failed(now).pack()
        expected = record.version if record else 0
        if await state.put(key, failed, expected=expected, ttl_seconds=_TTL) is not None:
            return
        record = await state.get(key)
