"""The API over a real store and a small engine: a catalogue made by hand, and actions that are functions.

acme-parcels   one action per behaviour: `quote` answers its input, the others fail in the way of their name
acme-old       deprecated, has no logo
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from ulid import ULID

from engine.api.app import create_app
from engine.catalog import (
    Action,
    AnswerPlan,
    Apply,
    Catalog,
    Form,
    Hosts,
    Integration,
    Method,
    Signature,
    Webhook,
    WebhookAnswer,
)
from engine.compiled.schema import Schema
from engine.errors import CallError, RequestError, StorageCorrupt, StorageUnavailable
from engine.library import exact
from engine.library.absent import ABSENT
from engine.model import Answer, Command, Connection, Execution, Problem
from engine.runtime.account import Accounts
from engine.settings import Settings
from engine.storage.ports import Store

TOKEN = "service-token-of-the-tests"
OLD_TOKEN = "the-token-before"
AUTHORISED = {"Authorization": f"Bearer {TOKEN}"}
HEADERS = {**AUTHORISED, "X-Tenant-Id": "acme"}
OTHERS = {**AUTHORISED, "X-Tenant-Id": "other"}
PUBLIC_URL = "https://integrations.example.com"
START = 1_777_600_000.0
LOGO = b'<svg xmlns="http://www.w3.org/2000/svg"/>'
CANARY = "sk-canary-7f3a91"

_CONFIG_SCHEMA: Mapping[str, Any] = {
    "type": "object",
    "required": ["apiKey", "shopId"],
    "additionalProperties": False,
    "properties": {
        "apiKey": {"type": "string", "title": "API key", "minLength": 4, "writeOnly": True},
        "pin": {"type": "string", "title": "PIN", "writeOnly": True},
        "shopId": {"type": "string", "title": "Shop", "pattern": "^[0-9]+$"},
        "environment": {"type": "string", "enum": ["sandbox", "production"], "default": "sandbox"},
        "instanceUrl": {"type": "string", "readOnly": True},
    },
    "allOf": [{"if": {"required": ["pin"]}, "then": {"properties": {"environment": {"const": "production"}}}}],
}


def catalog(actions: Iterable[str] = ()) -> Catalog:
    parcels = _integration("acme-parcels", "shipping", {name: _action(name) for name in actions})
    old = replace(_integration("acme-old", "payment", {}), status="deprecated", logo=None)
    return Catalog({one.integration_id: one for one in (parcels, old)})


def _integration(integration_id: str, category: str, actions: Mapping[str, Action]) -> Integration:
    method = Method("token", "api_key", None, ("apiKey",), Apply(), (), (), None, {})
    return Integration(
        integration_id=integration_id,
        category=category,
        name="Acme",
        description="Quotes and books parcels at Acme.",
        provider="Acme Logistics",
        version="1.0.0",
        status="available",
        docs_url="https://docs.example.com",
        logo=LOGO,
        config_schema=_CONFIG_SCHEMA,
        form=Form(
            schema=Schema(_CONFIG_SCHEMA),
            credentials=frozenset({"apiKey", "pin"}),
            captured=frozenset({"instanceUrl"}),
            header_fields=frozenset({"apiKey"}),
        ),
        hosts=Hosts(frozenset({"api.example.com"}), (), (), frozenset({443}), None),
        methods=(method,),
        limits=(),
        actions=actions,
        test=None,
        webhook=_WEBHOOK,
    )


_WEBHOOK = Webhook(
    method="POST",
    handshakes=(),
    verify=(
        Signature(
            scheme="equals",
            plugin=None,
            texts=(),
            keys=(lambda scope: scope["webhook"]["token"] if "webhook" in scope else ABSENT,),
            fields=(),
            extra=None,
            encoding="hex",
            given=lambda scope: scope["request"]["key"],
        ),
    ),
    read=(),
    each=None,
    events=(),
    accepted=WebhookAnswer(200),
    duplicate=None,
    refused=WebhookAnswer(401),
    failed=WebhookAnswer(503),
    uses=frozenset({"key"}),
)
"""Its messages prove themselves by the key of their address, and none of them is an event."""


def _action(action_id: str) -> Action:
    return Action(
        action_id=action_id,
        name=action_id.title(),
        description=f"Does what {action_id} says.",
        category="read",
        effect="read",
        deprecated=False,
        input_schema=Schema({"type": "object", "properties": {"weight": {"type": "integer"}}}),
        output_schema=Schema({"type": "object"}),
        mask_input=lambda value: value,
        mask_output=lambda value: value,
        rate_limit=100 if action_id == "quote" else None,
        timeout_seconds=None,
        idempotency=None,
        confirm=None,
        vars=(),
        read=(),
        checks=(),
        steps=(),
        has_steps=False,
        answer=AnswerPlan(),
        output=None,
        partial=None,
        signs=False,
        sign={},
        verify_answer=(),
    )


@dataclass
class TickingClock:
    """A second passes whenever somebody looks."""

    time: float = START

    def now(self) -> float:
        self.time += 1
        return self.time

    hex = staticmethod(lambda: secrets.token_hex(16))
    secret = staticmethod(lambda: secrets.token_urlsafe(32))

    def ulid(self) -> str:
        return str(ULID.from_timestamp(self.now()))


@dataclass(frozen=True)
class Proved:
    success: bool
    message: str
    tested_at: float


@dataclass
class SmallEngine:
    """Runs actions by their name, and writes the log as an engine does."""

    store: Store
    clock: Any = field(default_factory=TickingClock)
    catalog: Catalog = field(default_factory=lambda: catalog(_ACTIONS))
    commands: list[Command] = field(default_factory=list)
    # Nothing is granted here, and nothing is sent.
    tokens: Any = None
    wires: Any = None

    def __post_init__(self) -> None:
        self.accounts = Accounts(self.catalog, self.store, "https://integrations.test")

    async def signing(self, call: Any) -> None: ...

    async def execute(self, command: Command) -> Answer:
        self.commands.append(command)
        connection = await self._connection(command)
        try:
            answer = _ACTIONS[command.action_id](command)
        except KeyError:
            answer = _failure(CallError("ACTION_NOT_FOUND", "no such action"))
        except CallError as error:
            answer = _failure(error)
        row = replace(_row(command, connection, answer), created_at=self.clock.now())
        execution_id = f"{str(ULID.from_timestamp(row.created_at))[:10]}{len(self.commands):016d}"
        await self.store.executions.append(replace(row, execution_id=execution_id))
        return replace(answer, execution_id=execution_id)

    async def _connection(self, command: Command) -> Connection:
        if command.connection_id is not None:
            found = await self.store.connections.get(command.tenant_id, command.connection_id)
            candidates = [found] if found else []
        else:
            candidates = await self.store.connections.find(command.tenant_id, command.integration_id, "active")
        if not candidates:
            raise RequestError("NOT_FOUND", "no such connection")
        if len(candidates) > 1:
            raise RequestError("BAD_REQUEST", "there are several active connections: name one in connectionId")
        return candidates[0]

    async def test(self, connection: Connection) -> Proved:
        secret = await self.store.secrets.get(connection.tenant_id, connection.connection_id, "credentials")
        good = secret is not None and secret.value["apiKey"].startswith("good")
        now = self.clock.now()
        failed = {} if good else {"status": "error", "last_error_at": now, "last_error": "the key was refused"}
        await self.store.connections.update(replace(connection, last_tested_at=now, **failed))
        return Proved(good, "the key works" if good else "the key was refused", now)


def _failure(error: CallError) -> Answer:
    problem = Problem(error.code, error.message, error.retryable, error.retry_after_ms, error.provider_code)
    return Answer(success=False, execution_id="", latency_ms=7, error=replace(problem, details=error.details))


def _row(command: Command, connection: Connection, answer: Answer) -> Execution:
    return Execution(
        execution_id="",
        tenant_id=command.tenant_id,
        connection_id=connection.connection_id,
        integration_id=connection.integration_id,
        action_id=command.action_id,
        input=exact.dumps(command.input),
        output=exact.dumps(answer.data) if answer.success else None,
        status="success" if answer.success else "error",
        error_code=answer.error.code if answer.error else None,
        error_message=answer.error.message if answer.error else None,
        latency_ms=answer.latency_ms,
        caller_service=command.caller_service,
        caller_ref=command.caller_ref,
        created_at=0,
    )


def _quote(command: Command) -> Answer:
    replayed = command.idempotency_key == "seen-before"
    return Answer(success=True, execution_id="", latency_ms=12, data=dict(command.input), replayed=replayed)


def _raising(error: Exception) -> Any:
    def run(_command: Command) -> Answer:
        raise error

    return run


_ACTIONS: Mapping[str, Callable[[Command], Answer]] = {
    "quote": _quote,
    "nothing": lambda _command: Answer(success=True, execution_id="", latency_ms=3),
    "limited": _raising(CallError("RATE_LIMITED", "slow down", retry_after_ms=1500, details={"scope": "connection"})),
    "clash": _raising(RequestError("CONFLICT", "the key was used with another request")),
    "forbid": _raising(RequestError("FORBIDDEN", "this caller may not write")),
    "crowd": _raising(RequestError("TOO_MANY_REQUESTS", "the tenant asks too often")),
    "crash": _raising(RuntimeError(f"unexpected {CANARY}")),
    "outage": _raising(StorageUnavailable("the disk is full")),
    "rot": _raising(StorageCorrupt("a record can't be decrypted")),
}


def app_over(engine: SmallEngine, lifespan: Any = None) -> Any:
    hashes = [hashlib.sha256(token.encode()).digest() for token in (TOKEN, OLD_TOKEN)]
    return create_app(engine, Settings(public_url=PUBLIC_URL), token_hashes=hashes, lifespan=lifespan)
