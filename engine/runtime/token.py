"""Tokens that a login gives: obtained once, kept encrypted, shared by processes, renewed when refused or due.

The order is: the one in memory, the one in the store, a new login. A lease in the state store keeps two processes
from logging in at the same time; who does not get it waits for the other's token.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from engine.catalog import Method
from engine.compiled.fault import EvaluationError
from engine.compiled.query import holds
from engine.compiled.scope import Scope
from engine.errors import CallError, VersionConflict
from engine.library.absent import ABSENT
from engine.library.function import LibraryError
from engine.library.times import from_time
from engine.model import Connection
from engine.runtime.account import CREDENTIALS, CREDENTIALS_REFUSED, TOKEN, Account
from engine.runtime.call import Call, derived_key, rfc3339
from engine.runtime.inputs import truth
from engine.runtime.response import Reply, read_trees
from engine.runtime.send import Wires, send
from engine.storage.ports import Store

_MARGIN = 60.0
_LEASE_SECONDS = 30.0
_WAIT = 0.1
_REFUSED_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class Refused:
    """The token that a provider refused, and the version of the record that it came from."""

    access: str | None = field(default=None, repr=False)
    version: int = 0


class _JustRefused(CallError):
    """Nobody asked the provider again."""


class Tokens:
    """Obtains and keeps the tokens of accounts whose method logs in."""

    def __init__(self, store: Store, wires: Wires) -> None:
        self._store = store
        self._wires = wires

    async def ready(self, call: Call, method: Method) -> None:
        """See to it that the account has a valid token. Raises `CallError` when the login is refused."""
        account = call.account
        if method.token is None or self._is_valid(account.token, method):
            return
        await self._load(account)
        if not self._is_valid(account.token, method):
            await self._obtain(call, method, Refused())

    async def renew(self, call: Call, method: Method, refused: Refused) -> None:
        """A token was refused: take the one that somebody else obtained meanwhile, or log in again."""
        if not await self._has_other(call.account, method, refused):
            await self._obtain(call, method, refused)

    def _is_valid(self, token: Mapping[str, Any], method: Method) -> bool:
        if not token.get("access") or token.get("method") != method.name:
            return False
        expires = token.get("expiresAt")
        if not isinstance(expires, str):
            return True
        now, end = self._wires.clock.now(), datetime.fromisoformat(expires).timestamp()
        life = end - float(token.get("obtainedAt", now))
        return now < end - min(_MARGIN, max(life, 0) / 2)

    async def _load(self, account: Account) -> None:
        connection = account.connection
        stored = await self._store.secrets.get(connection.tenant_id, connection.connection_id, TOKEN)
        if stored is not None and stored.value.get("connectionVersion") == _identity(account):
            account.learn_token(stored.value)
            account.token_version = stored.version
        elif stored is not None:
            account.token_version = stored.version

    async def _obtain(self, call: Call, method: Method, refused: Refused) -> None:
        account, clock, state = call.account, self._wires.clock, self._wires.state
        key = f"lease:token:{account.key}"
        while (lease := await state.put(key, b"1", expected=0, ttl_seconds=_LEASE_SECONDS)) is None:
            if call.remaining(clock) <= _WAIT:
                raise CallError("TIMEOUT", "another call is signing in and takes too long", not_processed=True)
            await clock.sleep(_WAIT)
            if await self._has_other(account, method, refused):
                return
            await self._heed_refusal(account)
        try:
            if not await self._has_other(account, method, refused):  # who held the lease before may have got one
                await self._heed_refusal(account)
                await self._log_in(call, method)
        except _JustRefused:
            raise
        except CallError as error:
            if error.code in CREDENTIALS_REFUSED:
                mark = f"{clock.now()}|{_identity(account)}".encode()
                await state.put(_refusal_key(account), mark, expected=None, ttl_seconds=_REFUSED_SECONDS)
            raise
        finally:
            await state.delete(key, lease)

    async def _heed_refusal(self, account: Account) -> None:
        """What was refused a moment ago is not tried again with the same credentials: accounts lock after a few."""
        record = await self._wires.state.get(_refusal_key(account))
        at, _, identity = (record.value.decode() if record is not None else "0||").partition("|")
        if identity == _identity(account) and abs(self._wires.clock.now() - float(at)) < _REFUSED_SECONDS:
            raise _JustRefused("AUTH_FAILED", "the sign-in was refused a moment ago")

    async def _has_other(self, account: Account, method: Method, refused: Refused) -> bool:
        """Is there a valid token now that is not the refused one? A new one may read as the old."""
        await self._load(account)
        is_other = account.token.get("access") != refused.access or account.token_version > refused.version
        return self._is_valid(account.token, method) and is_other

    async def _log_in(self, call: Call, method: Method) -> None:
        login = replace(call, signs_in=True)
        try:
            reply = await self._login_reply(login, method)
            if reply is not None:
                await self._keep(call.account, method, reply)
        except CallError as error:
            raise _login_error(error) from None
        except EvaluationError as error:
            raise CallError("INVALID_RESPONSE", f"the login's answer can't be read: {error.message}") from None

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

    async def _keep(self, account: Account, method: Method, reply: Reply) -> None:
        """Store before use: a token that only memory knows is lost with the process."""
        token = self._read(account, method, reply)
        captured = read_trees(method.capture, reply.scope)
        ids = (account.connection.tenant_id, account.connection.connection_id)
        try:
            account.token_version = await self._store.secrets.put(*ids, TOKEN, token, account.token_version)
        except VersionConflict:
            await self._load(account)  # somebody else stored one first: both are good, ours is not kept
        await self._remember(account, captured)
        account.learn_token(token)

    async def _remember(self, account: Account, captured: Mapping[str, Any]) -> None:
        """What the login's answer said about the account: its host or id is config, its secrets are credentials."""
        connection, secret_names = account.connection, account.integration.form.credentials
        secrets = {name: value for name, value in captured.items() if name in secret_names}
        config = {name: value for name, value in captured.items() if name not in secret_names}
        account.config.update(config)
        account.reached.clear()
        account.method = None
        is_new = any(connection.config.get(name) != value for name, value in config.items())
        if any(account.credentials.get(name) != value for name, value in secrets.items()):
            account.credentials = {**account.credentials, **secrets}
            is_new = True
        if not is_new:
            return
        try:
            if secrets:
                await self._put_credentials(connection, secrets)
            changed = replace(connection, config={**connection.config, **config})
            account.connection = await self._store.connections.update(changed)
        except VersionConflict:
            pass  # somebody changed the connection: the next login captures again

    async def _put_credentials(self, connection: Connection, captured: Mapping[str, Any]) -> None:
        ids = (connection.tenant_id, connection.connection_id)
        stored = await self._store.secrets.get(*ids, CREDENTIALS)
        given, version = (stored.value, stored.version) if stored is not None else ({}, 0)
        await self._store.secrets.put(*ids, CREDENTIALS, {**given, **captured}, version)

    def _read(self, account: Account, method: Method, reply: Reply) -> dict[str, Any]:
        plan, now = method.token, self._wires.clock.now()
        assert plan is not None  # methods without a token plan never come here
        accepted = plan.accepted is None or holds(plan.accepted(reply.scope))
        access = plan.access(reply.scope) if accepted else None
        if not isinstance(access, str) or not access:
            raise CallError("AUTH_FAILED", "the login gave no token")
        expires = plan.expires_at(reply.scope) if plan.expires_at is not None else None
        seconds = plan.expires_in(reply.scope) if plan.expires_in is not None else None
        return token_record(account, method, {"access": access, "expiresAt": _expiry(expires, seconds, now)}, now)


def _expiry(expires: Any, seconds: Any, now: float) -> str | None:
    """RFC 3339 in UTC; None = valid until refused. Raises `CallError` for what is no time."""
    try:
        if expires is not None and expires is not ABSENT:
            return str(from_time(expires))
        if seconds is None or seconds is ABSENT:
            return None
        return rfc3339(now + float(seconds))
    except (LibraryError, ValueError, TypeError, OverflowError):
        message = "the login does not say in a readable way how long its token holds"
        raise CallError("INVALID_RESPONSE", message) from None


def token_record(account: Account, method: Method, token: Mapping[str, Any], now: float) -> dict[str, Any]:
    """A token as it is stored: with its method, its age, and the credentials it belongs to."""
    kept = {name: value for name, value in token.items() if value is not None}
    return {**kept, "method": method.name, "obtainedAt": int(now), "connectionVersion": _identity(account)}


def _identity(account: Account) -> str:
    """What a token belongs to: other credentials make it worthless."""
    parts = sorted((k, str(v)) for k, v in {**account.config, **account.credentials}.items())
    captured = {name for method in account.integration.methods for name in method.capture}
    return derived_key(repr([part for part in parts if part[0] not in captured]))


def own_scope(call: Call) -> Scope:
    """Roots of a method's own requests."""
    account = call.account
    return Scope(
        {
            "config": account.config,
            "credentials": dict(account.credentials),
            "token": {k: v for k, v in account.token.items() if k in ("access", "refresh", "expiresAt", "scope")},
            "call": call.scope["call"],
            "steps": {},
        }
    )


def _login_error(error: CallError) -> CallError:
    """A refusal of a login that no rule explains is a matter of credentials."""
    if error.code in ("REJECTED", "INVALID_INPUT", "FORBIDDEN", "NOT_FOUND"):
        message = f"the sign-in was refused: {error.message}"
        return CallError("AUTH_FAILED", message, provider_code=error.provider_code, details=error.details)
    return error


def _refusal_key(account: Account) -> str:
    return f"refused:token:{account.key}"
