"""Which circuits are open, and how many connections a provider asked to wait: for operators, never for a call."""

from __future__ import annotations

from engine.frozen import frozen
from engine.runtime.breaker import Circuit
from engine.storage.ports import State

_MOST = 10_000


@frozen
class OpenCircuit:
    """A host that is not called. `since`: epoch seconds of the last failed call; one may try in `retry_in` seconds."""

    integration_id: str
    host: str
    since: float
    retry_in: float


async def open_circuits(state: State, now: float) -> list[OpenCircuit]:
    """By integration and host."""
    found = []
    for key, record in await state.find("breaker:", _MOST):
        circuit = Circuit.read(record)
        if circuit.opened_at:
            _, integration_id, host = key.split(":", 2)
            found.append(OpenCircuit(integration_id, host, circuit.opened_at, max(0.0, circuit.wait(now))))
    return found


async def waiting_connections(state: State) -> int:
    """How many connections are held back by a provider's 429, counted up to 10,000."""
    return len(await state.find("blocked:", _MOST))
