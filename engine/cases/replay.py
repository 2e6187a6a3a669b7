"""Runs a case through the whole engine: its own store, frozen clock, the wire played by the case."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from ulid import ULID

from engine.cases import cursors
from engine.cases.match import compare, differences
from engine.cases.memory import memory_store
from engine.cases.model import Case, Exchange, Turn
from engine.cases.origins import DEFAULT_NOW
from engine.cases.wire import response_of
from engine.catalog import Catalog
from engine.errors import AnswerLost, CallError, CallTimedOut, Code, ConnectFailed, RequestError
from engine.library import exact
from engine.model import Answer, Command, Connection, Problem, Request, Response
from engine.runtime import auth
from engine.runtime.account import CREDENTIALS, TOKEN
from engine.runtime.address import WEBHOOK
from engine.runtime.execute import Engine
from engine.runtime.limits import Permits
from engine.runtime.send import Wires
from engine.runtime.token import token_record
from engine.runtime.transport import Transport
from engine.storage.ports import Store

_BUDGET_SECONDS = 28.0
_LARGEST = 5 * 1024 * 1024
_WEBHOOK_URL = re.compile(r"(?P<base>https?://[^?#]+?)/webhooks/(?P<id>[^/?#]+)(?:/(?P<key>[^/?#]+))?")
_NO_KEY = "webhook-token-of-the-case"
_AS_CALL: Mapping[str, Code] = {"BAD_REQUEST": "INVALID_INPUT", "CONFLICT": "CONFLICT", "NOT_FOUND": "NOT_FOUND"}


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

    def set(self, now: float) -> None:
        """Between two calls the clock of the day may be set; what has passed goes on."""
        self.epoch = now - self.passed

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
        open_ones = self.exchanges if self.any_order else self.exchanges[:1]
        found = [differences(exchange.expect, request) for exchange in open_ones]
        nearest = min(range(len(found)), key=lambda i: (_is_elsewhere(found[i]), len(found[i])))
        self.problems += [f"request {self.sent}: {what}" for what in found[nearest]]
        return self.exchanges.pop(nearest)

    async def close(self) -> None:
        """Holds nothing."""


def _is_elsewhere(found: Sequence[str]) -> bool:
    """Whether the request goes to another place than was expected."""
    return any(what.startswith(("method:", "url:")) for what in found)


@dataclass(frozen=True, slots=True)
class Played:
    """One call of a case as the engine made it, how many requests it sent, and what it did differently."""

    turn: Turn
    answer: Answer = field(repr=False)
    sent: int
    problems: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Stage:
    """Where a case is played: an engine that knows nothing else, with the case's account."""

    engine: Engine
    connection: Connection
    clock: VirtualClock
    wire: ScriptedWire


def _as_it_is(wire: Transport) -> Transport:
    return wire


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
    case: Case, catalog: Catalog, store: Store | None = None, around: Callable[[Transport], Transport] = _as_it_is
) -> list[Played]:
    """Every call of the case. Raises `CallError` when the case's account can't be connected."""
    stage = await staged(case, catalog, store, around)
    return [await _turn(stage.engine, stage.connection, turn, stage.clock, stage.wire) for turn in case.turns]


async def staged(
    case: Case, catalog: Catalog, store: Store | None = None, around: Callable[[Transport], Transport] = _as_it_is
) -> Stage:
    """The stage with the case's account; `around` puts something of its own around the wire that the case plays.

    Raises `CallError` when the account can't be connected.
    """
    first = case.turns[0].given
    clock = VirtualClock(_epoch(first))
    wire = ScriptedWire(clock)
    address = _Address.of(first.get("webhook", {}))
    engine = _engine(catalog, store or memory_store(clock.now), clock, around(wire), address.public_url)
    return Stage(engine, await _connect(engine, case, first, address), clock, wire)


def _epoch(given: Mapping[str, Any]) -> float:
    return datetime.fromisoformat(str(given.get("now", DEFAULT_NOW))).timestamp()


def _engine(catalog: Catalog, store: Store, clock: VirtualClock, wire: Transport, public_url: str) -> Engine:
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
    return Engine(
        catalog,
        store,
        wires,
        budget_seconds=_BUDGET_SECONDS,
        max_output_bytes=_LARGEST,
        public_url=public_url,
    )


@dataclass(frozen=True, slots=True)
class _Address:
    """The parts of the case's webhook URL; `made` is empty where the case has none."""

    public_url: str = ""
    connection_id: str = field(default_factory=lambda: str(ULID()))
    made: Mapping[str, str] = field(default_factory=dict, repr=False)

    @staticmethod
    def of(webhook: Mapping[str, Any]) -> _Address:
        """Raises `CallError` for a URL that the engine would never make."""
        if "url" not in webhook:
            return _Address(made={"token": webhook["token"]} if "token" in webhook else {})
        found = _WEBHOOK_URL.fullmatch(webhook["url"])
        if found is None:
            wanted = "given.webhook.url must read https://<host>/webhooks/<connectionId>, perhaps with /<key>"
            raise CallError("INVALID_INPUT", wanted)
        token = found["key"] or webhook.get("token") or _NO_KEY
        return _Address(found["base"], found["id"], {"token": token})


async def _connect(engine: Engine, case: Case, given: Mapping[str, Any], address: _Address) -> Connection:
    now = engine.clock.now()
    connection = Connection(
        tenant_id=f"case-{ULID()}",
        connection_id=address.connection_id,
        integration_id=case.integration_id,
        name=case.name,
        config=dict(given.get("config", {})),
        status="active",
        created_at=now,
        updated_at=now,
    )
    ids = (connection.tenant_id, connection.connection_id)
    await engine.store.secrets.put(*ids, CREDENTIALS, dict(given.get("credentials", {})))
    if address.made:
        await engine.store.secrets.put(*ids, WEBHOOK, address.made)
    await engine.store.connections.create(connection)
    if "token" in given:
        account = await engine.accounts.open(connection)
        method = auth.choose(account)
        token = token_record(account, method, given["token"], now)
        await engine.store.secrets.put(*ids, TOKEN, token)
    return connection


async def _turn(engine: Engine, connection: Connection, turn: Turn, clock: VirtualClock, wire: ScriptedWire) -> Played:
    if "now" in turn.sets:
        clock.set(_epoch(turn.given))
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
    if wire.exchanges:
        left = len(wire.exchanges)
        yield "1 expected request was not sent" if left == 1 else f"{left} expected requests were not sent"
    if turn.sent is not None and wire.sent != turn.sent:
        yield f"expected {turn.sent} {'request' if turn.sent == 1 else 'requests'}, sent {wire.sent}"
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
