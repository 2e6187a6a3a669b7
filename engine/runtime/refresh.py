"""Renews a grant with its refresh token, once, and never loses one in silence.

A provider may take the old refresh token back the moment it gives a new one. So before the request leaves, it is noted
durably that this refresh token is being used; the note goes when the answer is stored, or when the provider said no.
Who finds it there (we were killed, or the answer was lost) tries the same refresh token again, which many providers
allow for such cases, and when it is refused says what happened.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

from engine.catalog import EncodeOptions, Method, Refresh, RequestPlan, Step
from engine.errors import CallError
from engine.plugins import PluginError, TokenRequest, TokenState
from engine.runtime import limits
from engine.runtime.account import Account
from engine.runtime.agenda import Agenda
from engine.runtime.call import Call, rfc3339
from engine.runtime.errand import own_scope
from engine.runtime.grant import GRANT, can_refresh, epoch_of, is_fresh, next_refresh
from engine.runtime.grants import Grants
from engine.runtime.response import Reply
from engine.runtime.send import POLICY, Wires, send

SECONDS: Final = 10.0
"""For one answer; there may be a second request. A call that has less time left does not cut it short."""
_INTENT_SECONDS: Final = 400 * 86_400.0
_UNSURE: Final = frozenset({"OUTCOME_UNKNOWN", "INVALID_RESPONSE", "PAYLOAD_TOO_LARGE"})
"""The provider may have given a new pair that nobody has."""
_NOT_ACCOUNT: Final = frozenset({"AUTH_FAILED", "INVALID_INPUT", "FORBIDDEN", "NOT_FOUND", "CONFLICT"})


class Refreshes:
    """Refreshes the grants of accounts. The caller holds the account's lease, and has loaded its token."""

    def __init__(self, grants: Grants, wires: Wires) -> None:
        self._grants = grants
        self._wires = wires

    async def refresh(self, call: Call, method: Method) -> None:
        """Raises `CallError`: REAUTH_REQUIRED only by a rule of the spec, or where nothing is left to ask with."""
        account = call.account
        step = self._ready(account, method)
        await self._count(account, method)
        cut_off = await self._begin(account)
        own = replace(call, signs_in=True, sent=False, written=False)
        try:
            reply = await self._sent(own, method, step, cut_off)
            token, captured = self._grants.read(account, method, reply, account.token)
        except CallError as error:
            failure = _unread(error)
            await self._failed(account, method, failure, cut_off)
            return
        is_first = not account.token.get("access")
        await self._grants.keep(account, token)
        await self._end(account)
        await self._grants.remember(account, captured)
        if is_first:
            await self._look_after(account, method)

    async def _look_after(self, account: Account, method: Method) -> None:
        """A grant that began without anybody's consent is renewed in time, too, when nobody uses it."""
        now = self._wires.clock.now
        due = next_refresh(account.token, method, now())
        if due is not None:
            connection = account.connection
            await Agenda(self._wires.state, now).put(GRANT, connection.tenant_id, connection.connection_id, due)

    def _ready(self, account: Account, method: Method) -> Step:
        """The request. Raises `CallError(REAUTH_REQUIRED)` where there is none to make."""
        token = account.token
        if token.get("dead"):
            raise CallError("REAUTH_REQUIRED", str(token["dead"]))
        if not can_refresh(token, method) or method.refresh is None:
            what = "the token can't be renewed" if token.get("access") else "nobody has consented yet"
            raise CallError("REAUTH_REQUIRED", f"{what}: connect the account")
        integration = account.integration
        if method.consent is not None and integration.app is not None and not account.app:
            what = f"the operator stores one (integrations apps set {integration.integration_id})"
            raise CallError("CONNECTION_INACTIVE", f"the app that the account consented to is gone: {what}")
        return self._built(account, method, method.refresh) if method.refresh.plugin else method.refresh.step

    def _built(self, account: Account, method: Method, plan: Refresh) -> Step:
        try:
            asked = self._wires.refreshers[str(plan.plugin)](_state(account, method, self._wires.clock.now()))
        except PluginError as error:
            raise CallError("INTERNAL", f"the token request can't be built: {error}") from None
        if asked is None:
            raise CallError("REAUTH_REQUIRED", "there is nothing to get a token with: connect the account")
        return replace(plan.step, request=_plan_of(asked))

    async def _count(self, account: Account, method: Method) -> None:
        """Raises `CallError(RATE_LIMITED)` when the provider gives no more tokens for a while."""
        plan = method.refresh
        if plan is not None and plan.count is not None:
            key = f"limit:refresh:{account.key}:{plan.per:g}"
            bucket = limits.Bucket(key, "that renew the token of this connection", plan.count, plan.per)
            await self._wires.permits.take_all([bucket], self._wires.clock.now())

    async def _begin(self, account: Account) -> list[str]:
        """Note what is about to happen; the times when it was begun before and never ended."""
        key, now = _intent(account), self._wires.clock.now()
        record = await self._wires.state.get(key)
        version, _, since = (record.value.decode() if record is not None else "").partition("|")
        cut_off = [since] if version == str(account.token_version) and since else []
        begun = f"{account.token_version}|{cut_off[0] if cut_off else rfc3339(now)}".encode()
        await self._wires.state.put(key, begun, expected=None, ttl_seconds=_INTENT_SECONDS, durable=True)
        return cut_off

    async def _end(self, account: Account) -> None:
        await self._wires.state.delete(_intent(account))

    async def _sent(self, call: Call, method: Method, step: Step, cut_off: list[str]) -> Reply:
        """A lost answer is asked for once more, with the same refresh token; `cut_off` then tells of it."""
        clock = self._wires.clock
        call.deadline = clock.monotonic() + SECONDS
        try:
            return await send(call, step, own_scope(call), None, self._wires)
        except CallError as error:
            if error.code != "OUTCOME_UNKNOWN":
                raise
            lost = error
        cut_off.append(rfc3339(clock.now()))
        try:
            await self._count(call.account, method)
        except CallError:
            raise lost from None
        await clock.sleep(POLICY.base * (1 + clock.fraction()))
        call.deadline = clock.monotonic() + SECONDS
        return await send(call, step, own_scope(call), None, self._wires)

    async def _failed(self, account: Account, method: Method, error: CallError, cut_off: list[str]) -> None:
        """Raises what the caller is told; returns when another's token turned up instead."""
        if error.code not in _UNSURE and not cut_off:  # else a pair that nobody has may be about
            await self._end(account)
        if error.code == "REAUTH_REQUIRED":
            error.message = _reason(error.message, cut_off)
            await self._grants.bury(account, method, error.message)
            await self._end(account)
            if is_fresh(account.token, method, self._wires.clock.now()) and not account.token.get("dead"):
                return
        raise _told(error) from None


def _reason(message: str, cut_off: list[str]) -> str:
    if not cut_off:
        return f"{message}: connect the account again"
    lost = f"the last refresh ({cut_off[0]}) was cut off before an answer could be stored"
    return f"{message}: {lost}, so the provider may have used up the refresh token; connect the account again"


def _unread(error: CallError) -> CallError:
    """An answer without a token says nothing about the account."""
    if error.code == "AUTH_FAILED" and not error.declared and "httpStatus" not in error.details:
        return CallError("INVALID_RESPONSE", error.message)
    return error


def _told(error: CallError) -> CallError:
    """Only what the spec declares speaks about the account; a bare status may be the app's or the provider's fault."""
    code = error.code
    if code == "OUTCOME_UNKNOWN":
        code = error.details.get("cause", "PROVIDER_UNAVAILABLE")
    elif code in _NOT_ACCOUNT and not error.declared:
        code = "REJECTED"
    if code == "REAUTH_REQUIRED":
        return error
    return CallError(
        code,
        f"the token could not be renewed: {error.message}",
        retryable=error.retryable or error.code == "OUTCOME_UNKNOWN",
        retry_after_ms=error.retry_after_ms,
        provider_code=error.provider_code,
        details=error.details,
        not_processed=True,
    )


def _state(account: Account, method: Method, now: float) -> TokenState:
    token = account.token
    given = {name: account.credentials[name] for name in method.needs if name in account.credentials}
    return TokenState(
        epoch=now,
        access=token.get("access"),
        refresh=token.get("refresh"),
        expires_at=epoch_of(token.get("expiresAt")),
        refresh_expires_at=epoch_of(token.get("refreshExpiresAt")),
        config=dict(account.config),
        credentials=given,
        app=dict(account.app),
    )


def _plan_of(asked: TokenRequest) -> RequestPlan:
    """What a plugin chose, as if a spec had said it."""

    def just(value: Any) -> Any:
        return lambda _scope: value

    body: Mapping[str, Any] | None = asked.form if asked.form is not None else asked.json
    return RequestPlan(
        method=asked.method,
        server=None,
        path=None,
        url=just(asked.url),
        headers=just(dict(asked.headers)),
        query=None,
        body_kind=None if body is None else "form" if asked.form is not None else "json",
        body=None if body is None else just(dict(body)),
        payload=None,
        graphql=None,
        query_options=EncodeOptions(),
        form_options=EncodeOptions(arrays="index", space="plus"),
    )


def _intent(account: Account) -> str:
    return f"refreshing:{account.key}"
