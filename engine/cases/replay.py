"""Runs a case through the whole engine: real store, frozen clock, the wire played by the case."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from ulid import ULID

from engine.cases.match import compare, differences
from engine.cases.model import Case, Exchange, Turn
from engine.cases.origins import DEFAULT_NOW
from engine.cases.wire import response_of
from engine.catalog import Catalog
from engine.errors import AnswerLost, CallTimedOut, ConnectFailed
from engine.library import exact
from engine.model import Answer, Command, Connection, Request, Response
from engine.runtime import auth
from engine.runtime.account import CREDENTIALS, TOKEN
from engine.runtime.execute import Engine
from engine.runtime.limits import Permits
from engine.runtime.send import Wires
from engine.runtime.token import token_record
from engine.storage.ports import Store

_BUDGET_SECONDS = 28.0
_LARGEST = 5 * 1024 * 1024


@dataclass(slots=True)
class VirtualClock:
    """Stands still until somebody sleeps. Randomness comes from the case, then counts."""

    epoch: float
    draws: list[str] = field(default_factory=list)
    ids: list[str] = field(default_factory=list)
    waited: float = 0.0
    passed: float = 0.0
    drawn: int = 0

    def now(self) -> float:
        return self.epoch + self.passed

    def monotonic(self) -> float:
        return self.passed

    async def sleep(self, seconds: float) -> None:
        self.waited += seconds
        self.passed += seconds

    def hex(self) -> str:
        self.drawn += 1
        return self.draws.pop(0) if self.draws else f"{self.drawn:032x}"

    def fraction(self) -> float:
        return 0.0

    def ulid(self) -> str:
        return self.ids.pop(0) if self.ids else str(ULID.from_timestamp(self.now()))


@dataclass(slots=True)
class ScriptedWire:
    """A transport that answers as the case says, and remembers what did not fit."""

    clock: VirtualClock
    exchanges: list[Exchange] = field(default_factory=list)
    any_order: bool = False
    problems: list[str] = field(default_factory=list)
    sent: int = 0

    async def send(self, request: Request, *, timeout: float, max_bytes: int) -> Response:  # noqa: ASYNC109 - a port
        self.sent += 1
        exchange = self._next(request)
        if exchange is None:
            self.problems.append(f"request {self.sent} ({request.method} {request.url}) is not expected by the case")
            raise ConnectFailed("the case expects no further request")
        answer = exchange.answer
        delay = answer.get("delayMs", 0) / 1000
        self.clock.passed += min(delay, timeout)
        if delay >= timeout:
            raise CallTimedOut("no whole answer came in time")
        if "drop" in answer:
            raise ConnectFailed("dropped") if answer["drop"] == "before" else AnswerLost("dropped")
        return response_of(answer)

    def _next(self, request: Request) -> Exchange | None:
        if not self.exchanges:
            return None
        if self.any_order:
            for exchange in self.exchanges:
                if not differences(exchange.expect, request):
                    self.exchanges.remove(exchange)
                    return exchange
        exchange = self.exchanges.pop(0)
        self.problems += [f"request {self.sent}: {what}" for what in differences(exchange.expect, request)]
        return exchange

    async def close(self) -> None:
        """Holds nothing."""


async def replay(case: Case, catalog: Catalog, store: Store) -> list[str]:
    """What the engine did differently; empty when it reproduces the case. Each case has a tenant of its own."""
    first = case.turns[0].given
    clock = VirtualClock(_epoch(first), list(first.get("random", ())))
    wire = ScriptedWire(clock)
    engine = _engine(catalog, store, clock, wire)
    connection = await _connect(engine, case, first)
    problems: list[str] = []
    for number, turn in enumerate(case.turns, 1):
        found = await _turn(engine, connection, turn, clock, wire)
        prefix = f"call {number}: " if len(case.turns) > 1 else ""
        problems += [prefix + problem for problem in found]
    return problems


def _epoch(given: Mapping[str, Any]) -> float:
    return datetime.fromisoformat(str(given.get("now", DEFAULT_NOW))).timestamp()


def _engine(catalog: Catalog, store: Store, clock: VirtualClock, wire: ScriptedWire) -> Engine:
    wires = Wires(
        transport=wire,
        state=store.state,
        permits=Permits(store.state),
        clock=clock,
        upstreams={},
        max_answer_bytes=_LARGEST,
        tenant_calls_per_minute=1_000_000,
        signers=catalog.signers,
    )
    return Engine(catalog, store, wires, budget_seconds=_BUDGET_SECONDS, max_output_bytes=_LARGEST)


async def _connect(engine: Engine, case: Case, given: Mapping[str, Any]) -> Connection:
    now = engine.clock.now()
    connection = Connection(
        tenant_id=f"case-{ULID()}",
        connection_id=str(ULID()),
        integration_id=case.integration_id,
        name=case.name,
        config=dict(given.get("config", {})),
        status="active",
        created_at=now,
        updated_at=now,
    )
    ids = (connection.tenant_id, connection.connection_id)
    await engine.store.secrets.put(*ids, CREDENTIALS, dict(given.get("credentials", {})))
    await engine.store.connections.create(connection)
    if "token" in given:
        account = await engine.accounts.open(connection)
        method = auth.choose(account)
        token = token_record(account, method, given["token"], now)
        await engine.store.secrets.put(*ids, TOKEN, token)
    return connection


async def _turn(
    engine: Engine, connection: Connection, turn: Turn, clock: VirtualClock, wire: ScriptedWire
) -> list[str]:
    if "now" in turn.given:
        clock.epoch, clock.passed = _epoch(turn.given), 0.0
    clock.waited, wire.sent, wire.problems = 0.0, 0, []
    wire.exchanges, wire.any_order = list(turn.exchanges), turn.any_order
    clock.ids = [turn.given["id"]] if "id" in turn.given else []
    answer = await engine.execute(
        Command(
            tenant_id=connection.tenant_id,
            connection_id=connection.connection_id,
            action_id=turn.action,
            input=turn.given.get("input", {}),
            idempotency_key=turn.given.get("idempotencyKey"),
        )
    )
    return [*wire.problems, *_outcome(turn, answer, wire, clock.waited)]


def _outcome(turn: Turn, answer: Answer, wire: ScriptedWire, waited: float) -> Iterator[str]:
    if wire.exchanges:
        yield f"{len(wire.exchanges)} expected requests were not sent"
    if turn.sent is not None and wire.sent != turn.sent:
        yield f"expected {turn.sent} requests, sent {wire.sent}"
    if turn.waited_ms is not None and round(waited * 1000) != turn.waited_ms:
        yield f"expected to wait {turn.waited_ms} ms, waited {round(waited * 1000)}"
    if turn.has_result:
        yield from _result(turn, answer)
    else:
        yield from _error(turn.error, answer)


def _result(turn: Turn, answer: Answer) -> Sequence[str]:
    if answer.error is not None:
        return [f"expected a result, got {answer.error.code}: {answer.error.message}"]
    return compare("result", turn.result, exact.loads(exact.dumps(answer.data)))


def _error(wanted: Mapping[str, Any], answer: Answer) -> Iterator[str]:
    if answer.error is None:
        yield f"expected {wanted.get('code')}, got a result"
        return
    got = {
        "code": answer.error.code,
        "message": answer.error.message,
        "retryable": answer.error.retryable,
        "providerCode": answer.error.provider_code,
        "retryAfterMs": answer.error.retry_after_ms,
        "details": dict(answer.error.details),
    }
    for key, value in wanted.items():
        yield from compare(f"error.{key}", value, got[key], subset=True)
