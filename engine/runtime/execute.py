"""The story of one call, top to bottom.

1 connection and action        who is asked, may it be asked
2 input                        defaults, schema, checks
3 credentials and token        decrypted, obtained where the method logs in
4 request                      vars, then each step's request by position
5 send                         breaker → limits → sign → transport → classify → again or stop
6 output                       mapped, held to the output schema
7 log                          always, durable before the caller has the answer
"""

from __future__ import annotations

import logging
import traceback
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from typing import Any

from engine.catalog import Action, Catalog, Method, Step
from engine.compiled.fault import EvaluationError
from engine.compiled.scope import Scope
from engine.errors import CallError, CallNotLogged, EngineError, StorageError, StorageUnavailable, VersionConflict
from engine.model import Answer, Command, Connection, Execution, Problem
from engine.redact import mask_fields
from engine.runtime import auth, idempotency, log
from engine.runtime.account import CREDENTIALS_REFUSED, Account, Accounts
from engine.runtime.call import Call, call_root, call_scope
from engine.runtime.confirm import confirm
from engine.runtime.errand import SECONDS, SECRETS, errand
from engine.runtime.inputs import check_input, compute_vars, find_action, truth
from engine.runtime.output import mapped
from engine.runtime.pages import Page
from engine.runtime.prove import TestOutcome, Trail, prove
from engine.runtime.response import Reply, read_trees
from engine.runtime.send import Signing, Wires, send
from engine.runtime.tally import call_ended
from engine.runtime.token import Refused, Tokens
from engine.storage.ports import Store

logger = logging.getLogger("integrations")
_WANT_CONSENT = CREDENTIALS_REFUSED | {"CONNECTION_INACTIVE"}


class Engine:
    """Runs actions. `budget_seconds` and `max_output_bytes` bound each call; providers reach us at `public_url`."""

    def __init__(
        self,
        catalog: Catalog,
        store: Store,
        wires: Wires,
        *,
        budget_seconds: float,
        max_output_bytes: int,
        public_url: str = "",
    ) -> None:
        self.catalog = catalog
        self.store = store
        self.wires = wires
        self.clock = wires.clock
        self.budget_seconds = budget_seconds
        self.max_output_bytes = max_output_bytes
        self.accounts = Accounts(catalog, store, public_url)
        self.tokens = Tokens(store, wires)

    async def execute(self, command: Command) -> Answer:
        """Run one action. What goes wrong in the call is in the answer.

        Raises `RequestError` for what never becomes a call, and `StorageError` when the log can't be written
        (`CallNotLogged` when a write has left by then).
        """
        trail = Trail(self.clock.ulid(), await self.accounts.connection_of(command))
        try:
            if command.idempotency_key is not None:
                return await self._under_key(command, trail)
            return await self.run(command, trail)
        except StorageUnavailable as failure:
            if trail.call is None or not trail.call.sent or trail.call.action.effect == "read":
                raise
            raise CallNotLogged(str(failure)) from failure

    async def _under_key(self, command: Command, trail: Trail) -> Answer:
        begun = idempotency.Begun(trail.execution_id, self.clock.now(), self.budget_seconds)
        return await idempotency.once(
            self.store, command, begun, lambda: self.run(command, trail), lambda: _holds_key(trail)
        )

    async def run(self, command: Command, trail: Trail) -> Answer:
        """The call from its beginning to its row in the log; `trail` then tells what happened."""
        started, created_at = self.clock.monotonic(), self.clock.now()
        try:
            trail.data = await self._perform(command, trail, started, created_at)
        except CallError as failure:
            trail.error = failure
        except StorageError:
            raise
        except EngineError as failure:
            trail.error = CallError("INTERNAL", f"the engine failed ({type(failure).__name__})")
        except Exception as failure:  # noqa: BLE001 - a bug of ours must end as a logged answer, not as a lost call
            # The place only: a message or a trace may quote a value.
            logger.error(  # noqa: TRY400
                "execution %s failed: %s at %s", trail.execution_id, type(failure).__name__, place_of(failure)
            )
            trail.error = CallError("INTERNAL", "the engine failed; the operator finds it by the execution id")
        _show_way_back(trail)
        _hide(trail)
        latency_ms = round((self.clock.monotonic() - started) * 1000)
        if self.wires.observer is not None:
            asked = command.action_id
            call_ended(self.wires.observer, self.catalog, trail, asked, at=created_at, latency_ms=latency_ms)
        status = self._status_after(trail)
        if status is not None:
            await self._keep_status(status)
        await self.store.executions.append(self._row(command, trail, created_at, latency_ms))
        problem = problem_of(trail.error) if trail.error else None
        return Answer(problem is None, trail.execution_id, latency_ms, trail.data, problem)

    async def _perform(self, command: Command, trail: Trail, started: float, created_at: float) -> Any:
        """Steps 1 to 6. Raises `CallError`."""
        account = self.accounts.at_hand(trail.connection) or await self.accounts.open(trail.connection)
        trail.account = account
        action = trail.action = find_action(account.integration, command.action_id)
        if trail.connection.status == "inactive":
            raise CallError("CONNECTION_INACTIVE", "the connection is inactive: activate it or connect the account")
        given = check_input(action, command.input, account)
        root = call_root(trail.execution_id, command.idempotency_key, created_at, self.clock.hex)
        scope = call_scope(given, account, root)
        page = None
        if action.pagination is not None:
            page = await Page.asked(self.store.vault, trail.connection, action, command.input, scope, created_at)
        scope["vars"] = compute_vars(action, scope)
        budget = action.timeout_seconds or account.integration.timeout_seconds or self.budget_seconds
        deadline = started + min(float(budget), self.budget_seconds)
        call = Call(command, trail.execution_id, started, created_at, deadline, account, action, scope, page=page)
        trail.call = call
        trail.reply = await self._steps(call)
        return mapped(call, trail.reply, self.max_output_bytes)

    async def _steps(self, call: Call) -> Reply:
        """Every step in order; the reply of the only one, or the scope with all outputs."""
        signing = await self.signing(call)
        reply: Reply | None = None
        for step in call.action.steps if call.page is None else call.page.steps(call.action):
            if step.when is not None and not truth(step.when, call.scope):
                continue
            try:
                reply = await send(call, step, call.scope, signing, self.wires)
                if step.effect == "write":
                    call.completed.append(step.step_id)
                outputs = _outputs(step.outputs, reply)
            except CallError as error:
                if step.may_fail:
                    continue
                return await self._failed(call, error)
            if call.action.has_steps:
                call.scope["steps"] = {**call.scope["steps"], step.step_id: {"outputs": outputs}}
        if call.action.has_steps or reply is None:
            return Reply(call.scope.having(auth={"method": signing.method.name if signing else None}), None)
        return reply

    async def _failed(self, call: Call, error: CallError) -> Reply:
        """Raises the failure with what was done before it, unless a look at the provider shows a success."""
        if call.completed:
            error.details["completed"] = list(call.completed)
        if error.code == "OUTCOME_UNKNOWN" and call.action.confirm is not None:
            call.deadline = call.started + self.budget_seconds  # the action's own time may be used up
            return await confirm(call, call.action.confirm, error, self._steps, self.max_output_bytes)
        raise error

    async def signing(self, call: Call) -> Signing | None:
        """How its requests are signed in, with a token made ready where the method has one. Raises `CallError`."""
        if not call.action.signs or not call.account.integration.methods:
            return None
        method = auth.choose(call.account)
        if method.token is not None:
            await self._ready(call, method)
        used = _Used(self, call, method)
        signs = call.action.sign.get(method.name, method.sign)
        headers = used.headers if method.apply.is_steady and not signs else None
        return Signing(method, signs, used.secrets, used.renew, headers)

    async def _ready(self, call: Call, method: Method) -> None:
        """With a token, where the method logs in. A login that is refused is tried with other credentials, if there are
        any by now."""
        used = call.account.held
        try:
            await self.tokens.ready(call, method)
        except CallError as refused:
            if refused.code not in CREDENTIALS_REFUSED or not await self.accounts.reread(call.account, used):
                raise
            await self.tokens.ready(call, method)

    def _status_after(self, trail: Trail) -> Connection | None:
        """AUTH_FAILED and REAUTH_REQUIRED make a connection `error`; a success makes it `active` again. None where it
        stays as it is."""
        connection, error = trail.account.connection if trail.account else trail.connection, trail.error
        if error is None:
            is_mended = connection.status == "error" and not trail.is_test
            return replace(connection, status="active", last_error=None) if is_mended else None
        if error.code not in CREDENTIALS_REFUSED:
            return None
        return replace(connection, status="error", last_error_at=self.clock.now(), last_error=error.message)

    async def _keep_status(self, changed: Connection) -> None:
        with suppress(VersionConflict):  # somebody changed or deleted it meanwhile: theirs stands
            await self.store.connections.update(changed)

    def _row(self, command: Command, trail: Trail, created_at: float, latency_ms: int) -> Execution:
        masker = trail.account.masker if trail.account else None
        action = trail.action
        written = trail.call.output_json if trail.call is not None and trail.error is None else None
        return log.row(
            log.without_secrets(command, masker, is_known=action is not None),
            trail.connection,
            trail.execution_id,
            created_at,
            latency_ms,
            log.shown(command.input, action.mask_input if action else mask_fields, masker),
            self._shown_output(trail, action, written) if action and written else None,
            trail.error,
            log.shown_details(trail.error, masker),
            trail.call.tally if trail.call is not None else None,
        )

    def _shown_output(self, trail: Trail, action: Action, written: bytes) -> bytes:
        """No masker: what is answered holds no secret any more. `written`: the output before that was seen to."""
        is_as_written = trail.call is not None and not trail.call.hides
        return log.shown(trail.data, action.mask_output, None, written, is_as_written=is_as_written)

    async def test(self, connection: Connection) -> TestOutcome:
        """Prove a connection's credentials by the spec's test; always sets `lastTestedAt`."""
        return await prove(self, connection)

    async def errand(
        self, account: Account, step: Step, roots: Mapping[str, Any], *, signed: bool, seconds: float = SECONDS
    ) -> Reply:
        """A request outside of any action; see `engine.runtime.errand`. Raises `CallError`."""
        return await errand(self, account, step, roots, signed=signed, seconds=seconds)

    async def close(self) -> None:
        await self.tokens.close()
        await self.wires.transport.close()
        await self.store.lifetime.close()


class _Used:
    """What the last attempt was signed in with; another call may renew it while this one is on its way."""

    __slots__ = ("_call", "_engine", "_held", "_method", "_token")

    def __init__(self, engine: Engine, call: Call, method: Method) -> None:
        self._engine, self._call, self._method = engine, call, method
        self._held = call.account.held
        self._token: tuple[str | None, int] = (None, 0)

    def secrets(self) -> Scope:
        return secret_scope(self._noted())

    def headers(self) -> Mapping[str, str]:
        account = self._noted()
        return auth.steady_headers(account, self._method, lambda: secret_scope(account))

    def _noted(self) -> Account:
        account = self._call.account
        self._held, self._token = account.held, (account.token.get("access"), account.token_version)
        return account

    async def renew(self) -> bool:
        """Perhaps the secret was changed where it is kept, not through us."""
        is_changed = await self._engine.accounts.reread(self._call.account, self._held)
        if self._method.token is None:
            return is_changed
        return await self._engine.tokens.renew(self._call, self._method, Refused(*self._token))


def _holds_key(trail: Trail) -> bool:
    """Whether a repeat under the key of this call must not be sent."""
    call, error = trail.call, trail.error
    if call is None or not call.sent:
        return False
    # A plain 429 and its like: the provider surely did nothing and we say "try again", so the same key must let the
    # caller do it. A write of the call that may have been done, in whichever step, holds the key all the same.
    again = error is not None and error.retryable and error.not_processed
    return call.written or not again


def place_of(error: BaseException) -> str:
    """File and line where it was raised; the message stays out, it may quote a value."""
    frame = traceback.extract_tb(error.__traceback__)[-1]
    return f"{frame.filename}:{frame.lineno}"


def secret_scope(account: Account) -> Scope:
    """The roots that only `apply` and `sign` see."""
    return Scope.of({"config": account.config}, SECRETS, account)


def problem_of(error: CallError) -> Problem:
    return Problem(error.code, error.message, error.retryable, error.retry_after_ms, error.provider_code, error.details)


def _outputs(trees: Mapping[str, Any], reply: Reply) -> dict[str, Any]:
    try:
        return read_trees(trees, reply.scope)
    except EvaluationError as error:
        raise CallError("INVALID_RESPONSE", f"the answer lacks what the next step needs: {error.message}") from None


def _show_way_back(trail: Trail) -> None:
    """What a person can do about it, where the consent of one makes the account work."""
    error, account = trail.error, trail.account
    if error is None or account is None or error.code not in _WANT_CONSENT:
        return
    if any(one.consent is not None for one in ((account.method,) if account.method else account.integration.methods)):
        error.details["reconnect"] = f"POST /connections/{trail.connection.connection_id}/authorize"


def _hide(trail: Trail) -> None:
    """Whatever a provider echoes, no secret of the account is in what anybody sees."""
    if trail.account is None:
        return
    masker, error = trail.account.masker, trail.error
    written = trail.call.output_json if trail.call is not None else None
    if error is None and (written is None or masker.may_hold(written)):
        hidden = masker.data(trail.data)
        if trail.call is not None and hidden is not trail.data:
            trail.call.hides = True
        trail.data = hidden
    if error is not None:
        error.message = masker.text(error.message)
        error.provider_code = masker.text(error.provider_code) if error.provider_code else None
        error.details = masker.data(error.details)
