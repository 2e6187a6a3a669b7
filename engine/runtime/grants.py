"""Where the tokens of accounts are kept, and what their answers told of the account.

A record changes by compare-and-set on its version, and before anybody uses what is in it: a token that only memory
knows is lost with the process.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from typing import Any, Final

from engine.catalog import Evaluate, Method
from engine.compiled.fault import EvaluationError
from engine.compiled.scope import Scope
from engine.errors import CallError, StorageUnavailable, VersionConflict
from engine.library.absent import ABSENT
from engine.model import Connection
from engine.runtime import egress, routes
from engine.runtime.account import CREDENTIALS, TOKEN, Account
from engine.runtime.grant import Token, identity, read_token, token_record
from engine.runtime.response import Reply, read_trees
from engine.runtime.send import Wires, is_proven
from engine.storage.ports import Store

_TRIES: Final = 5
_WAITS: Final = (0.2, 1.0)
"""A full disk or a busy database may have a moment's patience: what is to be stored exists nowhere else."""


class Grants:
    """The stored tokens of accounts."""

    def __init__(self, store: Store, wires: Wires) -> None:
        self._store = store
        self._wires = wires

    async def load(self, account: Account) -> None:
        """Bring the account up to date with what is stored, where that belongs to it as it is now."""
        stored = await self._store.secrets.get(*_ids(account.connection), TOKEN)
        if stored is None:
            return
        account.token_version = stored.version
        method = method_of(account, stored.value)
        if method is not None and stored.value.get("connectionVersion") == identity(account, method):
            account.learn_token(stored.value)

    def read(self, account: Account, method: Method, reply: Reply, before: Token) -> tuple[Token, Mapping[str, Any]]:
        """The record of a token answer, and what else the answer tells of the account. Raises `CallError`."""
        self._prove(account, method, reply)
        is_renewal = bool(before.get("refresh"))
        try:
            token = read_token(account, method, reply.scope, before, self._wires.clock.now())
            captured = _captured(method.capture, reply.scope, lenient=is_renewal)
        except EvaluationError as error:
            raise CallError("INVALID_RESPONSE", f"the login's answer can't be read: {error.message}") from None
        home = {name: one for name, one in captured.items() if egress.leads_home(name, one, account, method.name)}
        if len(home) < len(captured) and not is_renewal:
            raise CallError("INVALID_RESPONSE", "the provider sent an address that is not one of its own")
        return token, home

    def _prove(self, account: Account, method: Method, reply: Reply) -> None:
        """Is it the provider's? Raises `CallError(INVALID_RESPONSE)`."""
        proofs = method.token.verify if method.token is not None else ()
        answer = reply.response
        if not proofs or answer is None:
            return
        if not is_proven(proofs, account, reply.scope, answer, self._wires):
            raise CallError("INVALID_RESPONSE", "the signature of the token's answer does not fit")

    async def keep(self, account: Account, token: Token) -> None:
        """Store and use it, unless somebody else stored one since the account was loaded: then that one is used.

        Raises `CallError(CONFLICT)` when there is none that belongs to the account.
        """
        try:
            account.token_version = await self._put(account, token, account.token_version)
        except VersionConflict:
            await self.load(account)
            if not account.token.get("access"):
                message = "the account was changed while it was signed in: try again"
                raise CallError("CONFLICT", message, retryable=True, not_processed=True) from None
        else:
            account.learn_token(token)

    async def replace(self, account: Account, token: Token) -> None:
        """Store and use it in place of whatever is there: a person has just consented. Raises `VersionConflict`."""
        for left in reversed(range(_TRIES)):
            stored = await self._store.secrets.get(*_ids(account.connection), TOKEN)
            try:
                account.token_version = await self._put(account, token, stored.version if stored is not None else 0)
            except VersionConflict:
                if not left:
                    raise
            else:
                account.learn_token(token)
                return

    async def bury(self, account: Account, method: Method, why: str) -> None:
        """Note that the provider will never renew this grant, unless there is another by now."""
        dead = {**account.token, "dead": why}
        await self.keep(account, token_record(account, method, dead, self._wires.clock.now()))

    async def demote(self, account: Account, message: str) -> None:
        """The connection is in error: its tenant must act."""
        now = self._wires.clock.now()
        told = account.masker.text(message)
        changed = replace(account.connection, status="error", last_error_at=now, last_error=told)
        with suppress(VersionConflict):  # somebody changed or deleted it meanwhile: theirs stands
            account.connection = await self._store.connections.update(changed)

    async def _put(self, account: Account, token: Token, expected: int) -> int:
        for wait in _WAITS:
            try:
                return await self._store.secrets.put(*_ids(account.connection), TOKEN, token, expected)
            except StorageUnavailable:
                await self._wires.clock.sleep(wait)
        return await self._store.secrets.put(*_ids(account.connection), TOKEN, token, expected)

    async def remember(self, account: Account, captured: Mapping[str, Any]) -> None:
        """What the answer of a sign-in told of the account."""
        await remember(self._store, account, captured, signed_in=True)


def method_of(account: Account, token: Token) -> Method | None:
    """The method that a token is of."""
    return next((method for method in account.integration.methods if method.name == token.get("method")), None)


async def remember(store: Store, account: Account, captured: Mapping[str, Any], *, signed_in: bool = False) -> None:
    """What an answer said about the account: its host or id is config, its secrets are credentials.

    `account.connection` is the changed one then. `signed_in`: the answer was one to the sign-in.
    """
    connection, secret_names = account.connection, account.integration.form.credentials
    secrets = {name: value for name, value in captured.items() if name in secret_names}
    config = {name: value for name, value in captured.items() if name not in secret_names}
    changed = routes.learned(replace(connection, config={**connection.config, **config}), account, signed_in=signed_in)
    if captured:
        account.config.update(config)
        account.reached.clear()
        account.method = account.applied = None
    is_new = changed != connection
    if any(account.credentials.get(name) != value for name, value in secrets.items()):
        account.credentials = {**account.credentials, **secrets}
        account.mask()
        is_new = True
    if not is_new:
        return
    try:
        if secrets:
            await _put_credentials(store, connection, secrets)
        account.connection = await store.connections.update(changed)
    except VersionConflict:
        pass  # somebody changed the connection: the next answer tells it again


async def _put_credentials(store: Store, connection: Connection, captured: Mapping[str, Any]) -> None:
    stored = await store.secrets.get(*_ids(connection), CREDENTIALS)
    given, version = (stored.value, stored.version) if stored is not None else ({}, 0)
    await store.secrets.put(*_ids(connection), CREDENTIALS, {**given, **captured}, version)


def _captured(trees: Mapping[str, Evaluate], scope: Scope, *, lenient: bool) -> dict[str, Any]:
    """A pair that has taken another's place is not thrown away for what its answer lacks besides."""
    if not lenient:
        return read_trees(trees, scope)
    found = {}
    for name, tree in trees.items():
        try:
            value = tree(scope)
        except EvaluationError:
            continue
        if value is not ABSENT and value is not None:
            found[name] = value
    return found


def _ids(connection: Connection) -> tuple[str, str]:
    return connection.tenant_id, connection.connection_id
