"""Runs a case through the whole engine: its own store, frozen clock, the wire played by the case."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import field, replace

from engine.cases import cursors, stage
from engine.cases.endings import other_error, unsent
from engine.cases.match import compare
from engine.cases.model import Case, Turn
from engine.cases.stage import ScriptedWire, Stage, VirtualClock, as_it_is, epoch_of
from engine.catalog import Catalog
from engine.errors import CallError, Code, RequestError
from engine.frozen import frozen
from engine.library import exact
from engine.model import Answer, Command, Connection, Problem
from engine.runtime.execute import Engine
from engine.runtime.transport import Transport
from engine.storage.ports import Store

_AS_CALL: Mapping[str, Code] = {"BAD_REQUEST": "INVALID_INPUT", "CONFLICT": "CONFLICT", "NOT_FOUND": "NOT_FOUND"}


@frozen
class Played:
    """One call of a case as the engine made it, how many requests it sent, and what it did differently."""

    turn: Turn
    answer: Answer = field(repr=False)
    sent: int
    problems: tuple[str, ...]


async def replay(case: Case, catalog: Catalog, store: Store | None = None) -> list[str]:
    """What the engine did differently; empty when it reproduces the case.

    Each case has a store of its own, in memory; in one that is given, a tenant of its own.
    """
    try:
        calls = await play(case, catalog, store)
    except CallError as error:
        return [f"the connection can't be made: {error.code}: {error.message}"]
    problems: list[str] = []
    for number, call in enumerate(calls, 1):
        prefix = f"call {number}: " if len(calls) > 1 else ""
        problems += [prefix + problem for problem in call.problems]
    return problems


async def play(
    case: Case, catalog: Catalog, store: Store | None = None, around: Callable[[Transport], Transport] = as_it_is
) -> list[Played]:
    """Every call of the case. Raises `CallError` when the case's account can't be connected."""
    stage = await staged(case, catalog, store, around)
    return [await _turn(stage.engine, stage.connection, turn, stage.clock, stage.wire) for turn in case.turns]


async def staged(
    case: Case, catalog: Catalog, store: Store | None = None, around: Callable[[Transport], Transport] = as_it_is
) -> Stage:
    """The stage with the case's account, see `stage.staged`."""
    return await stage.staged(case.integration_id, case.turns[0].given, catalog, store, around)


async def _turn(engine: Engine, connection: Connection, turn: Turn, clock: VirtualClock, wire: ScriptedWire) -> Played:
    if "now" in turn.sets:
        clock.set(epoch_of(turn.given))
    if "random" in turn.sets:
        clock.draws = list(turn.given["random"])
    clock.waited, wire.sent, wire.problems = 0.0, 0, []
    wire.exchanges, wire.any_order = list(turn.exchanges), turn.any_order
    clock.ids = [turn.given["id"]] if "id" in turn.sets else []
    asked = turn.given.get("input", {})
    command = Command(
        tenant_id=connection.tenant_id,
        connection_id=connection.connection_id,
        action_id=turn.action,
        input=cursors.sealed(engine, connection, turn.action, asked),
        idempotency_key=turn.given.get("idempotencyKey"),
    )
    answer = await _answer(engine, command)
    shown = replace(answer, data=cursors.cleared(engine, connection, turn.action, asked, answer.data))
    return Played(turn, shown, wire.sent, (*wire.problems, *_outcome(turn, shown, wire, clock.waited)))


async def _answer(engine: Engine, command: Command) -> Answer:
    """What never becomes a call (an idempotency key used for another request) is an error of the case too."""
    try:
        return await engine.execute(command)
    except RequestError as refused:
        code = _AS_CALL.get(refused.code, "INTERNAL")
        return Answer(False, "", 0, error=Problem(code, str(refused), retryable=False))


def _outcome(turn: Turn, answer: Answer, wire: ScriptedWire, waited: float) -> Iterator[str]:
    yield from unsent(wire)
    if turn.sent is not None and wire.sent != turn.sent:
        yield f"expected {turn.sent} {'request' if turn.sent == 1 else 'requests'}, sent {wire.sent}"
    if turn.waited_ms is not None and round(waited * 1000) != turn.waited_ms:
        yield f"expected to wait {turn.waited_ms} ms, waited {round(waited * 1000)}"
    if turn.has_result:
        yield from _result(turn, answer)
    else:
        yield from other_error(turn.error, answer.error)


def _result(turn: Turn, answer: Answer) -> Sequence[str]:
    if answer.error is not None:
        return [f"expected a result, got {answer.error.code}: {answer.error.message}"]
    return compare("result", turn.result, exact.loads(exact.dumps(answer.data)))
