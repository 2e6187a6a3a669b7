"""Proves the credentials of a connection by what the spec's `test` says."""

from __future__ import annotations

from dataclasses import field, replace
from typing import Any, Protocol

from engine.catalog import Action, Catalog, TestPlan
from engine.compiled.fault import EvaluationError
from engine.compiled.scope import Scope
from engine.errors import CallError, VersionConflict
from engine.frozen import frozen, slotted
from engine.model import Answer, Command, Connection
from engine.runtime.account import CREDENTIALS_REFUSED, Account, Accounts
from engine.runtime.call import Call, call_root
from engine.runtime.clock import Clock
from engine.runtime.grants import remember
from engine.runtime.inputs import truth
from engine.runtime.response import Reply, read_trees
from engine.storage.ports import Store

_TRIES = 5


@slotted
class Trail:
    """What is known of a call when it ends, however it ends."""

    execution_id: str
    connection: Connection
    is_test: bool = False
    account: Account | None = None
    action: Action | None = None
    call: Call | None = None
    reply: Reply | None = None
    data: Any = field(default=None, repr=False)
    error: CallError | None = None


@frozen
class TestOutcome:
    """Whether the credentials of a connection work; `tested_at` in epoch seconds."""

    success: bool
    message: str
    tested_at: float


class Runner(Protocol):
    """The part of the engine that a test needs."""

    accounts: Accounts
    catalog: Catalog
    store: Store

    @property
    def clock(self) -> Clock: ...

    async def run(self, command: Command, trail: Trail) -> Answer: ...


async def prove(runner: Runner, connection: Connection) -> TestOutcome:
    """Run the spec's test as a logged call, and note when it was."""
    integration = runner.catalog.integrations.get(connection.integration_id)
    if integration is None:
        success, message = False, "the integration is no longer in the catalogue"
    elif integration.test is None:
        success, message = True, "this integration has no test: the first call will show whether the credentials work"
    else:
        success, message = await _try(runner, connection, integration.test)
    tested_at = runner.clock.now()
    await _note(runner, connection, tested_at, proved=success)
    return TestOutcome(success, message, tested_at)


async def _note(runner: Runner, connection: Connection, tested_at: float, *, proved: bool) -> None:
    """The time always; a proof makes a connection in error active again."""
    for _ in range(_TRIES):
        current = await runner.store.connections.get(connection.tenant_id, connection.connection_id)
        if current is None:
            return
        changed = replace(current, last_tested_at=tested_at)
        if proved and current.status == "error":
            changed = replace(changed, status="active", last_error=None)
        try:
            await runner.store.connections.update(changed)
        except VersionConflict:
            continue  # changed meanwhile: note it there
        return


async def _try(runner: Runner, connection: Connection, plan: TestPlan) -> tuple[bool, str]:
    trail = Trail(runner.clock.ulid(), connection, is_test=True)
    try:
        command = await _command(runner, trail, plan)
    except EvaluationError as error:
        return False, f"the test's input can't be made: {error.message}"
    await runner.run(command, trail)
    if trail.error is not None:
        if trail.error.code in plan.accept:
            return _accepted(trail, trail.error, plan)
        if plan.or_else is not None and trail.error.code not in CREDENTIALS_REFUSED:
            return await _try(runner, connection, plan.or_else)
        return False, trail.error.message
    if plan.expect is not None and trail.reply is not None and not truth(plan.expect, trail.reply.scope):
        return False, plan.message or "the provider's answer does not show what it should"
    await _capture(runner, trail, plan)
    return True, "the credentials work"


async def _capture(runner: Runner, trail: Trail, plan: TestPlan) -> None:
    """What the answer tells of the account; what it lacks is no fault of the credentials."""
    if not plan.capture or trail.account is None or trail.reply is None:
        return
    try:
        captured = read_trees(plan.capture, trail.reply.scope)
    except EvaluationError:
        return
    await remember(runner.store, trail.account, {name: value for name, value in captured.items() if value is not None})


def _accepted(trail: Trail, refusal: CallError, plan: TestPlan) -> tuple[bool, str]:
    """A certain refusal proves the credentials, in the provider's own words: a bare 404 may come from anybody."""
    has_codes = trail.action is not None and trail.action.answer.code is not None
    if has_codes and refusal.provider_code is None:
        return False, f"the answer is not in the provider's own words, so it proves nothing ({refusal.message})"
    if plan.provider_codes and refusal.provider_code not in plan.provider_codes:
        return False, plan.message or refusal.message
    return True, "the credentials work"


async def _command(runner: Runner, trail: Trail, plan: TestPlan) -> Command:
    clock, connection = runner.clock, trail.connection
    account = await runner.accounts.open(connection)
    root = call_root(trail.execution_id, None, clock.now(), clock.hex)
    given = plan.input(Scope({"config": account.config, "call": root})) if plan.input is not None else {}
    return Command(
        tenant_id=connection.tenant_id,
        connection_id=connection.connection_id,
        action_id=plan.action_id,
        input=given if isinstance(given, dict) else {},
        caller_service="connection-test",
    )
