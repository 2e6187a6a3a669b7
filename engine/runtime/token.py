"""Tokens of accounts: given by a login or by a person's consent, kept encrypted, shared by processes, renewed when
refused or due.

The order is: the one in memory, the one in the store, a new one by refresh or login. A lease in the state store keeps
two processes from asking for one at the same time; who does not get it waits for the other's token, or goes on with the
old one while that holds.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Mapping
from contextlib import suppress
from dataclasses import field, replace
from typing import Any, Final

from engine.catalog import Action, Method
from engine.compiled.fault import EvaluationError
from engine.errors import CallError, EngineError
from engine.frozen import frozen
from engine.runtime import auth
from engine.runtime.account import CREDENTIALS_REFUSED, Account
from engine.runtime.call import Call, derived_key
from engine.runtime.errand import outside, own_scope
from engine.runtime.grant import can_refresh, granted, identity, is_fresh, is_usable, next_refresh
from engine.runtime.grants import Grants, method_of
from engine.runtime.inputs import truth
from engine.runtime.lease import Lease
from engine.runtime.pause import Pauses
from engine.runtime.refresh import Refreshes
from engine.runtime.response import Reply, read_trees
from engine.runtime.send import Wires, send
from engine.storage.ports import Store

_WAIT: Final = 0.1
_REVOKE_SECONDS: Final = 5.0
_LOOK_AGAIN: Final = 600.0
"""Seconds until a grant that nobody uses, and that could not be renewed, is tried once more."""
_SAY_WHEN: Final = frozenset({"CIRCUIT_OPEN", "RATE_LIMITED"})
_NO_PAUSE: Final = frozenset({"REAUTH_REQUIRED", "CONNECTION_INACTIVE"})
"""The end of a grant is kept with it; and where something is missing, nobody was asked."""


@frozen
class Refused:
    """The token that a provider refused, and the version of the record that it came from."""

    access: str | None = field(default=None, repr=False)
    version: int = 0


_NONE_REFUSED: Final = Refused()


class Tokens:
    """Obtains, renews and keeps the tokens of accounts whose method has some."""

    def __init__(self, store: Store, wires: Wires) -> None:
        self._wires = wires
        self._grants = Grants(store, wires)
        self._refreshes = Refreshes(self._grants, wires)
        self._pauses = Pauses(wires.state)
        self._running: set[asyncio.Task[None]] = set()

    # --- for calls ---

    async def ready(self, call: Call, method: Method) -> None:
        """See to it that the account has a valid token with the scopes that the action needs. Raises `CallError`."""
        if method.token is None:
            return
        account = call.account
        is_good = self._is_fresh(account, method)
        if not is_good:
            await self._grants.load(account)
            is_good = self._is_fresh(account, method)
        _check_scopes(account, method, call.action)
        if is_good or (account.token.get("dead") and self._is_usable(account, method)):
            return
        try:
            await self._obtain(call, method, _NONE_REFUSED)
        except CallError:
            if not self._is_usable(account, method):
                raise

    async def renew(self, call: Call, method: Method, refused: Refused) -> bool:
        """A token was refused: take the one that somebody else obtained meanwhile, or a new one. False: there is no way
        to get one, and the provider's word stands. Raises `CallError`."""
        if await self._has_other(call.account, method, refused):
            return True
        if not (method.obtain or call.account.token.get("dead") or can_refresh(call.account.token, method)):
            return False
        await self._obtain(call, method, refused)
        return True

    # --- for consent ---

    async def exchange(self, account: Account, callback: Mapping[str, Any], method: Method | None = None) -> None:
        """Swap the code that came back from a consent page for a token, store it in place of any other, and take what
        its answer tells of the account. `callback` is the root of that name. Raises `CallError`, `VersionConflict`.
        """
        method = method or auth.choose(account)
        step = method.consent.exchange if method.consent is not None else None
        assert step is not None  # who comes here has sent a person to the consent page of this method
        call = outside(account, self._wires.clock)
        try:
            reply = await send(call, step, own_scope(call, callback=callback), None, self._wires)
            token, captured = self._grants.read(account, method, reply, {})
        except CallError as error:
            raise _lost_code(error) if error.code == "OUTCOME_UNKNOWN" else _login_error(error) from None
        await self._grants.replace(account, token)
        await self._pauses.end(account.key)
        await self._grants.remember(account, captured)

    async def has_grant(self, account: Account, method: Method) -> bool:
        """Is a grant of this method stored that belongs to the account as it is, and is not known to be dead?"""
        await self._grants.load(account)
        token = account.token
        return bool(token.get("access")) and token.get("method") == method.name and not token.get("dead")

    async def revoke(self, account: Account) -> None:
        """Give the token back to the provider, where it takes it: as well as can be, within five seconds."""
        with suppress(EngineError):
            await self._grants.load(account)
            method = method_of(account, account.token)
            if method is None or method.revoke is None or account.token.get("dead"):
                return
            call = outside(account, self._wires.clock, _REVOKE_SECONDS)
            await send(call, method.revoke, own_scope(call), None, self._wires)

    async def refresh_idle(self, account: Account) -> float | None:
        """Renew a grant that nobody uses before the provider forgets it; when it is due next, in epoch seconds."""
        await self._grants.load(account)
        method, now = method_of(account, account.token), self._wires.clock.now()
        due = next_refresh(account.token, method, now) if method is not None else None
        if method is None or due is None or now < due:
            return due
        used = Refused(account.token.get("access"), account.token_version)
        try:
            await self._obtain(outside(account, self._wires.clock), method, used)
        except CallError as error:
            if error.code == "REAUTH_REQUIRED":
                await self._grants.demote(account, error.message)
                return None
            return now + max(_LOOK_AGAIN, (error.retry_after_ms or 0) / 1000)
        return next_refresh(account.token, method, self._wires.clock.now())

    async def close(self) -> None:
        """Wait for what is under way: an answer that nobody waits for any more is stored all the same."""
        if self._running:
            await asyncio.wait(self._running)

    # --- one at a time ---

    def _is_fresh(self, account: Account, method: Method) -> bool:
        return is_fresh(account.token, method, self._wires.clock.now())

    def _is_usable(self, account: Account, method: Method) -> bool:
        return is_usable(account.token, method, self._wires.clock.now())

    async def _has_other(self, account: Account, method: Method, refused: Refused) -> bool:
        """Is there a valid token now that is not the refused one? A new one may read as the old."""
        await self._grants.load(account)
        is_other = account.token.get("access") != refused.access or account.token_version > refused.version
        return self._is_fresh(account, method) and is_other

    async def _obtain(self, call: Call, method: Method, refused: Refused) -> None:
        account, clock, state = call.account, self._wires.clock, self._wires.state
        key = f"lease:token:{account.key}"
        await self._heed(account, method)
        while (lease := await Lease.take(state, key)) is None:
            if refused is _NONE_REFUSED and self._is_usable(account, method):
                return  # somebody renews it before it ends
            if call.remaining(clock) <= _WAIT:
                raise CallError("TIMEOUT", "another call is signing in and takes too long", not_processed=True)
            await clock.sleep(_WAIT)
            if await self._has_other(account, method, refused):
                return
            await self._heed(account, method)
        await self._kept_running(call, self._holding(call, method, refused, lease))

    async def _kept_running(self, call: Call, work: Coroutine[Any, Any, None]) -> None:
        """A caller may lose patience or go away; the answer that is on its way is worth a grant."""
        task = asyncio.create_task(work)
        self._running.add(task)
        task.add_done_callback(self._ended)
        done, _ = await asyncio.wait([task], timeout=max(1.0, call.remaining(self._wires.clock)))
        if not done:
            raise CallError("TIMEOUT", "the sign-in takes longer than the call may", not_processed=True)
        task.result()

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._running.discard(task)
        if not task.cancelled():
            task.exception()  # whoever waits hears of it; otherwise nobody has to

    async def _holding(self, call: Call, method: Method, refused: Refused, lease: Lease) -> None:
        """What only one does at a time."""
        account = call.account
        async with lease.kept():
            if await self._has_other(account, method, refused):
                return  # who held the lease before got one
            await self._heed(account, method)
            try:
                await self._get(call, method)
            except CallError as error:
                await self._note(account, method, error)
                raise
            await self._pauses.end(account.key)

    async def _get(self, call: Call, method: Method) -> None:
        """By refresh where there is something to refresh with, else by a login."""
        if not method.obtain:
            await self._refreshes.refresh(call, method)
            return
        if can_refresh(call.account.token, method) and not call.account.token.get("dead"):
            try:
                await self._refreshes.refresh(call, method)
            except CallError as error:
                if error.code not in CREDENTIALS_REFUSED:
                    raise
            else:
                return
        await self._log_in(call, method)

    # --- pauses ---

    async def _heed(self, account: Account, method: Method) -> None:
        """What failed a moment ago is not tried again with the same credentials."""
        await self._pauses.heed(account.key, _tried(account, method), self._wires.clock.now())

    async def _note(self, account: Account, method: Method, error: CallError) -> None:
        """A login pauses after a refusal, a refresh after any failure but the end of the grant, which is kept."""
        is_refusal = error.code in CREDENTIALS_REFUSED
        says_when = error.code in _SAY_WHEN and error.retry_after_ms is not None
        is_over = error.code in _NO_PAUSE or says_when
        if (method.obtain and not is_refusal) or (not method.obtain and is_over):
            return
        message = "the sign-in was refused a moment ago" if is_refusal else f"a moment ago {error.message}"
        seconds = await self._pauses.begin(
            account.key, _tried(account, method), self._wires.clock.now(), error, message
        )
        if error.retryable:
            error.retry_after_ms = max(error.retry_after_ms or 0, round(seconds * 1000))

    # --- logins ---

    async def _log_in(self, call: Call, method: Method) -> None:
        login = replace(call, signs_in=True)
        account = call.account
        try:
            reply = await self._login_reply(login, method)
            if reply is None:
                return
            token, captured = self._grants.read(account, method, reply, {})
        except CallError as error:
            raise _login_error(error) from None
        except EvaluationError as error:
            raise CallError("INVALID_RESPONSE", f"the login's answer can't be read: {error.message}") from None
        await self._grants.keep(account, token)
        await self._grants.remember(account, captured)

    async def _login_reply(self, call: Call, method: Method) -> Reply | None:
        """The answer of the last step that ran."""
        scope = own_scope(call)
        reply: Reply | None = None
        for step in method.obtain:
            if step.when is not None and not truth(step.when, scope):
                continue
            reply = await send(call, step, scope, None, self._wires)
            scope["steps"][step.step_id] = {"outputs": read_trees(step.outputs, reply.scope)}
        return reply


def _check_scopes(account: Account, method: Method, action: Action) -> None:
    """Raises `CallError(FORBIDDEN)` before anything is sent; what is not known refuses nothing."""
    known = granted(account.token, method) if action.needs_scopes else None
    missing = [] if known is None else [name for name in action.needs_scopes if name not in known]
    if missing:
        message = f"the account did not grant what this needs: {', '.join(missing)}; connect it again and grant it"
        raise CallError("FORBIDDEN", message, details={"missingScopes": missing})


def _tried(account: Account, method: Method) -> str:
    """What a sign-in was tried with: with anything else it is worth another try."""
    app = sorted((name, str(value)) for name, value in account.app.items())
    return derived_key(repr([identity(account, method), app, account.token.get("refresh")]))


def _login_error(error: CallError) -> CallError:
    """A refusal of a login that no rule explains is a matter of credentials."""
    if error.code in ("REJECTED", "INVALID_INPUT", "FORBIDDEN", "NOT_FOUND"):
        message = f"the sign-in was refused: {error.message}"
        return CallError("AUTH_FAILED", message, provider_code=error.provider_code, details=error.details)
    return error


def _lost_code(error: CallError) -> CallError:
    """A code can be used once, so it is not sent again."""
    cause = error.details.get("cause", "PROVIDER_UNAVAILABLE")
    message = f"the answer to the consent's code was lost, and a code works once: connect the account again ({cause})"
    return CallError(cause, message, retryable=False)
