"""The address at which a connection is told of things, and the secrets that the engine makes for it.

They are shown when they are made and never again: who lost them makes new ones, and the old ones stop at once. Where
the spec says how to subscribe, the provider is told them by us, and nobody else needs to know.
"""

from __future__ import annotations

import secrets
from dataclasses import field
from typing import Any

from engine.catalog import Evaluate, Signature, Webhook
from engine.compiled.fault import EvaluationError
from engine.compiled.scope import Scope
from engine.connections.ports import Engine
from engine.errors import CallError, Issue, RequestError
from engine.frozen import frozen
from engine.library.absent import ABSENT
from engine.model import Connection
from engine.runtime.address import CLOSED, WEBHOOK, app_url, url_of
from engine.runtime.watches import Watches, touch

_TOKEN_BYTES = 24  # 32 characters
_SECRET_BYTES = 32  # 43 characters


@frozen
class Endpoint:
    """What the provider must be told. `token` and `secret` only where the spec's proofs read them.

    `expires_at` (epoch seconds): the provider was told, until then; it is renewed before.
    """

    url: str = field(repr=False)
    token: str | None = field(default=None, repr=False)
    secret: str | None = field(default=None, repr=False)
    expires_at: float | None = None


def _lacking(block: Signature, account: Scope) -> list[str]:
    """What a proof reads of the account that is not given; nothing where another of its keys is complete."""
    wanting = [_absent(names, account) for names in block.key_names]
    is_made = any(_is_there(key, account) for key in block.keys)  # a template may do without some of its names
    own = [] if is_made or not wanting or not all(wanting) else wanting[0]
    return own + [name for also in block.also for name in _lacking(also, account)]


def _absent(names: tuple[str, ...], account: Scope) -> list[str]:
    roots = (name.split(".") for name in names)
    return [f"{root[0]}.{root[1]}" for root in roots if root[0] in account and not account[root[0]].get(root[1])]


def _is_there(key: Evaluate, account: Scope) -> bool:
    try:
        return key(account) not in (ABSENT, None, "")
    except EvaluationError:
        return False


class Endpoints:
    """Opens and closes the webhooks of connections. Scoped by tenant."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._store = engine.store
        self._watches = Watches(engine)

    async def open(self, tenant_id: str, connection_id: str) -> Endpoint:
        """Make (or make anew) token and secret, and subscribe at the provider where the spec says how.

        Raises `RequestError`: 404; 400 without webhooks in the spec or without what their proof needs; 409 where the
        provider refuses, 503 where it may do it later: then the webhook is as it was before.
        """
        connection = await self._connection(tenant_id, connection_id)
        webhook = self._webhook(connection)
        await self._check_provable(connection, webhook)
        made = {"token": secrets.token_urlsafe(_TOKEN_BYTES), "secret": secrets.token_urlsafe(_SECRET_BYTES)}
        url = self._url(connection, webhook, made)
        if webhook.subscribe is not None:
            try:
                return Endpoint(url, expires_at=await self._watches.open(connection, webhook.subscribe, made))
            except CallError as error:
                raise _not_done(error, "the provider did not subscribe us") from None
        await self._keep(connection, {} if webhook.route is not None else made)
        return Endpoint(
            url,
            made["token"] if "token" in webhook.uses and "key" not in webhook.uses else None,
            made["secret"] if "secret" in webhook.uses else None,
        )

    async def close(self, tenant_id: str, connection_id: str) -> None:
        """From now on nothing is received; events that came before stay.

        Raises `RequestError`: 404, or 503 where the provider may take its subscription back later: then it is open.
        """
        connection = await self._connection(tenant_id, connection_id)
        integration = self._engine.catalog.integrations.get(connection.integration_id)
        webhook = integration.webhook if integration is not None else None
        if webhook is not None and webhook.subscribe is not None:
            try:
                await self._watches.close(connection, webhook.subscribe)
            except CallError as error:
                raise _not_done(error, "the provider did not take its subscription back") from None
        is_app = webhook is not None and webhook.route is not None
        await self._keep(connection, {CLOSED: True} if is_app else {})

    async def _keep(self, connection: Connection, made: dict[str, Any]) -> None:
        """Every process that has the account in memory reads it again: actions may tell the address."""
        await self._store.secrets.put(connection.tenant_id, connection.connection_id, WEBHOOK, made)
        await touch(self._store, connection)

    def _url(self, connection: Connection, webhook: Webhook, made: dict[str, str]) -> str:
        public_url = self._engine.accounts.public_url
        if webhook.route is not None:
            return app_url(public_url, connection.integration_id)
        return url_of(public_url, webhook, connection.connection_id, made)

    async def _check_provable(self, connection: Connection, webhook: Webhook) -> None:
        """A webhook of which every message would be refused is not opened."""
        account = await self._engine.accounts.open(connection)
        scope = Scope({"config": account.config, "credentials": account.credentials, "app": account.app})
        lacking = [_lacking(block, scope) for block in webhook.verify if block.scheme != "refuse"]
        if lacking and all(lacking):
            issues = tuple(Issue("the proof of its messages needs it", tuple(n.split("."))) for n in lacking[0])
            of_app = any(name.startswith("app.") for name in lacking[0])
            who = f"; the operator gives it: integrations apps set {connection.integration_id}" if of_app else ""
            message = f"no message could be proved: the connection lacks {', '.join(lacking[0])}{who}"
            raise RequestError("BAD_REQUEST", message, issues)

    async def _connection(self, tenant_id: str, connection_id: str) -> Connection:
        connection = await self._store.connections.get(tenant_id, connection_id)
        if connection is None:
            raise RequestError("NOT_FOUND", "no such connection")
        return connection

    def _webhook(self, connection: Connection) -> Webhook:
        integration = self._engine.catalog.integrations.get(connection.integration_id)
        if integration is None:
            raise RequestError("NOT_FOUND", "the connection's integration is no longer in the catalogue")
        if integration.webhook is None:
            raise RequestError("BAD_REQUEST", "this integration has no webhooks")
        return integration.webhook


def _not_done(error: CallError, what: str) -> RequestError:
    is_passing = error.retryable or error.code == "OUTCOME_UNKNOWN"
    again = "; try again" if is_passing else ""
    message = f"{what} ({error.code}: {error.message}){again}"
    return RequestError("SERVICE_UNAVAILABLE" if is_passing else "CONFLICT", message)
