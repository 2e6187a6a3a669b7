"""Where a case is played: an engine with its own store, a frozen clock, the wire played by the case, its account."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import field, replace
from datetime import datetime
from typing import Any

from ulid import ULID

from engine.cases.match import differences
from engine.cases.memory import memory_store
from engine.cases.model import Exchange
from engine.cases.origins import DEFAULT_NOW
from engine.cases.wire import response_of
from engine.catalog import Catalog
from engine.errors import AnswerLost, CallError, CallTimedOut, ConnectFailed
from engine.frozen import frozen, slotted
from engine.model import Connection, ConnectionStatus, Request, Response
from engine.runtime import auth
from engine.runtime.account import CREDENTIALS, TOKEN
from engine.runtime.address import WEBHOOK
from engine.runtime.apps import APP
from engine.runtime.execute import Engine
from engine.runtime.grant import token_record
from engine.runtime.limits import Permits
from engine.runtime.send import Wires
from engine.runtime.transport import Transport
from engine.storage.ports import Store

PUBLIC_URL = "https://integrations.test"
"""Where the engine of a case is reached."""

_BUDGET_SECONDS = 28.0
_LARGEST = 5 * 1024 * 1024
_WEBHOOK_URL = re.compile(r"(?P<base>https?://[^?#]+?)/webhooks/(?P<id>[^/?#]+)(?:/(?P<key>[^/?#]+))?")
_APP_URL = re.compile(r"(?P<base>https?://[^?#]+?)/webhooks/apps/[^/?#]+")
_NO_KEY = "webhook-token-of-the-case"
_LATER = re.compile(r"([+-][0-9]+)(ms|s|m|h|d)")
_SECONDS = {"ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86_400}


@slotted
class VirtualClock:
    """Stands still until somebody sleeps. Randomness comes from the case, then counts."""

    epoch: float
    draws: list[str] = field(default_factory=list)
    secrets: list[str] = field(default_factory=list)
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

    def secret(self) -> str:
        self.drawn += 1
        return self.secrets.pop(0) if self.secrets else f"{self.drawn:043x}"

    def fraction(self) -> float:
        return 0.0

    def ulid(self) -> str:
        return self.ids.pop(0) if self.ids else str(ULID.from_timestamp(self.now()))


@slotted
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


@frozen
class Stage:
    """Where a case is played: an engine that knows nothing else, with the case's account."""

    engine: Engine
    connection: Connection
    clock: VirtualClock
    wire: ScriptedWire


def as_it_is(wire: Transport) -> Transport:
    return wire


async def staged(
    integration_id: str,
    given: Mapping[str, Any],
    catalog: Catalog,
    store: Store | None = None,
    around: Callable[[Transport], Transport] = as_it_is,
    status: ConnectionStatus = "active",
) -> Stage:
    """The stage with the account of a case; `around` puts something of its own around the wire that the case plays.

    Raises `CallError` when the account can't be connected.
    """
    clock = VirtualClock(epoch_of(given))
    wire = ScriptedWire(clock)
    address = _Address.of(given.get("webhook", {}))
    engine = engine_on(catalog, store or memory_store(clock.now), clock, around(wire), address.public_url)
    connection = replace(_connection(integration_id, given, address, clock.now()), status=status)
    await _connect(engine, connection, given, address)
    return Stage(engine, connection, clock, wire)


def moment(text: str | None, start: float) -> float:
    """Epoch seconds: a time, or so much later (+) or earlier (-) than `start`."""
    if text is None:
        return start
    later = _LATER.fullmatch(text)
    return start + int(later[1]) * _SECONDS[later[2]] if later else datetime.fromisoformat(text).timestamp()


def epoch_of(given: Mapping[str, Any]) -> float:
    return datetime.fromisoformat(str(given.get("now", DEFAULT_NOW))).timestamp()


def engine_on(
    catalog: Catalog, store: Store, clock: VirtualClock, wire: Transport, public_url: str = PUBLIC_URL
) -> Engine:
    """One that knows nothing but what is in the store."""
    wires = Wires(
        transport=wire,
        state=store.state,
        permits=Permits(store.state),
        clock=clock,
        upstreams={},
        max_answer_bytes=_LARGEST,
        tenant_calls_per_minute=1_000_000,
        signers=catalog.signers,
        refreshers=catalog.refreshers,
    )
    return Engine(
        catalog,
        store,
        wires,
        budget_seconds=_BUDGET_SECONDS,
        max_output_bytes=_LARGEST,
        public_url=public_url,
    )


@frozen
class _Address:
    """The parts of the case's webhook URL; `made` is empty where the case has none."""

    public_url: str = PUBLIC_URL
    connection_id: str = field(default_factory=lambda: str(ULID()))
    made: Mapping[str, Any] = field(default_factory=dict, repr=False)

    @staticmethod
    def of(webhook: Mapping[str, Any]) -> _Address:
        """Raises `CallError` for a URL that the engine would never make."""
        made = {name: webhook[name] for name in ("token", "secret") if name in webhook}
        if "url" not in webhook:
            return _Address(made=made)
        if app := _APP_URL.fullmatch(webhook["url"]):
            return _Address(app["base"], made=made)
        found = _WEBHOOK_URL.fullmatch(webhook["url"])
        if found is None:
            wanted = "given.webhook.url must read https://<host>/webhooks/<connectionId>, perhaps with /<key>"
            raise CallError("INVALID_INPUT", wanted)
        token = found["key"] or webhook.get("token") or _NO_KEY
        return _Address(found["base"], found["id"], {**made, "token": token})


def _connection(integration_id: str, given: Mapping[str, Any], address: _Address, now: float) -> Connection:
    return Connection(
        tenant_id=f"case-{ULID()}",
        connection_id=address.connection_id,
        integration_id=integration_id,
        name="Case",
        config=dict(given.get("config", {})),
        status="active",
        created_at=now,
        updated_at=now,
    )


async def _connect(engine: Engine, connection: Connection, given: Mapping[str, Any], address: _Address) -> None:
    secrets, ids = engine.store.secrets, (connection.tenant_id, connection.connection_id)
    await secrets.put(*ids, CREDENTIALS, dict(given.get("credentials", {})))
    if address.made:
        await secrets.put(*ids, WEBHOOK, address.made)
    if "app" in given:
        await secrets.put(*ids, APP, dict(given["app"]))
    await engine.store.connections.create(connection)
    await keep_token(engine, connection, given)


async def keep_token(engine: Engine, connection: Connection, given: Mapping[str, Any]) -> None:
    """The token that a case gives, as it stands after a sign-in. Raises `CallError` where no method holds."""
    if "token" in given:
        account = await engine.accounts.open(connection)
        method = auth.choose(account)
        token = token_record(account, method, _token(given["token"]), engine.clock.now())
        await engine.store.secrets.put(connection.tenant_id, connection.connection_id, TOKEN, token)


def _token(given: Mapping[str, Any]) -> dict[str, Any]:
    """As it is kept: its scopes are a list."""
    scope = given.get("scope")
    return {**given, "scope": scope.split()} if isinstance(scope, str) else dict(given)
