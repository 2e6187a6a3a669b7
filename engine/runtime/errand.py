"""Requests outside of any action: a method's own, and what the engine has to do at a provider for a connection.

They go the way of all requests (`send`): breaker, the integration's limits, hosts, masking, classification, and what
may be sent again. They leave no row in the log; whoever observes the engine is told of each attempt.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, Protocol

from engine.catalog import Action, AnswerPlan, Step
from engine.compiled.schema import Schema
from engine.compiled.scope import Lazy, Scope
from engine.model import Command
from engine.runtime.account import Account
from engine.runtime.call import Call, call_root
from engine.runtime.clock import Clock
from engine.runtime.response import Reply
from engine.runtime.send import Signing, Wires, send

SECONDS: Final = 20.0

_NO_ACTION: Final = Action(
    action_id="",
    name="",
    description="",
    category="action",
    effect="write",
    deprecated=False,
    input_schema=Schema({}),
    output_schema=Schema({}),
    mask_input=lambda value: value,
    mask_output=lambda value: value,
    rate_limit=None,
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
    signs=True,
    sign={},
    verify_answer=(),
)


class Runner(Protocol):
    """The part of the engine that an errand needs."""

    wires: Wires

    @property
    def clock(self) -> Clock: ...

    async def signing(self, call: Call) -> Signing | None: ...


def outside(account: Account, clock: Clock, seconds: float = SECONDS, *, signs_in: bool = True) -> Call:
    """A call that is no call of an action; `signs_in`: its requests are a method's own."""
    connection, began, now = account.connection, clock.monotonic(), clock.now()
    root = call_root(clock.ulid(), None, now, clock.hex)
    command = Command(
        tenant_id=connection.tenant_id,
        connection_id=connection.connection_id,
        action_id="",
        input={},
        caller_service="engine",
    )
    scope = Scope({"config": account.config, "call": root})
    call = Call(command, root["id"], began, now, began + seconds, account, _NO_ACTION, scope, signs_in=signs_in)
    call.counted = True  # no action's and no tenant's calls are used up
    return call


_OF_TOKEN: Final = frozenset({"access", "refresh", "expiresAt", "scope"})
SECRETS: Lazy = {
    "credentials": lambda scope: dict(scope.source.credentials),
    "app": lambda scope: dict(scope.source.app),
    "token": lambda scope: {name: value for name, value in scope.source.token.items() if name in _OF_TOKEN},
}
"""The roots that `apply`, `sign` and the method's own requests see beside `config`; `source`: an account."""


def own_scope(call: Call, **more: Any) -> Scope:
    """Roots of requests outside of actions."""
    roots = {"config": call.account.config, "call": call.scope["call"], "steps": {}, **more}
    scope = Scope.of(roots, SECRETS, call.account)
    for name in SECRETS:  # read now: they may change while requests are on their way
        _ = scope[name]
    return scope


async def errand(
    engine: Runner,
    account: Account,
    step: Step,
    roots: Mapping[str, Any],
    *,
    signed: bool,
    seconds: float = SECONDS,
) -> Reply:
    """Send one step's request for a connection. `roots` stand beside config, credentials, app, token, call and steps.

    `signed`: with the method that the account signs in by; its token is made ready first, and renewed once when it is
    refused. Raises `CallError`.
    """
    call = outside(account, engine.clock, seconds, signs_in=not signed)
    signing = await engine.signing(call) if signed else None
    return await send(call, step, own_scope(call, **roots), signing, engine.wires)
