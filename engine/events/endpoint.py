"""The address at which a connection is told of things, and the secrets that the engine makes for it.

They are shown when they are made and never again: who lost them makes new ones, and the old ones stop at once.
"""

from __future__ import annotations

import secrets
from contextlib import suppress
from dataclasses import dataclass, field, replace

from engine.catalog import Catalog, Evaluate, Signature, Webhook
from engine.compiled.fault import EvaluationError
from engine.compiled.scope import Scope
from engine.errors import Issue, RequestError, VersionConflict
from engine.library.absent import ABSENT
from engine.model import Connection
from engine.runtime.account import Accounts
from engine.runtime.address import WEBHOOK, url_of
from engine.storage.ports import Store

_TOKEN_BYTES = 24  # 32 characters
_SECRET_BYTES = 32  # 43 characters
_TRIES = 10


@dataclass(frozen=True, slots=True)
class Endpoint:
    """What the provider must be told. `token` and `secret` only where the spec's proofs read them."""

    url: str = field(repr=False)
    token: str | None = field(default=None, repr=False)
    secret: str | None = field(default=None, repr=False)


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

    def __init__(self, catalog: Catalog, store: Store, public_url: str) -> None:
        self._catalog = catalog
        self._store = store
        self._public_url = public_url
        self._accounts = Accounts(catalog, store)

    async def open(self, tenant_id: str, connection_id: str) -> Endpoint:
        """Make (or make anew) token and secret.

        Raises `RequestError`: 404, or 400 without webhooks in the spec or without what their proof needs.
        """
        connection = await self._connection(tenant_id, connection_id)
        webhook = self._webhook(connection)
        await self._check_provable(connection, webhook)
        made = {"token": secrets.token_urlsafe(_TOKEN_BYTES), "secret": secrets.token_urlsafe(_SECRET_BYTES)}
        await self._keep(connection, made)
        return Endpoint(
            url_of(self._public_url, webhook, connection_id, made),
            made["token"] if "token" in webhook.uses and "key" not in webhook.uses else None,
            made["secret"] if "secret" in webhook.uses else None,
        )

    async def close(self, tenant_id: str, connection_id: str) -> None:
        """From now on messages are refused; events that came before stay. Raises `RequestError` (404)."""
        await self._keep(await self._connection(tenant_id, connection_id), {})

    async def _keep(self, connection: Connection, made: dict[str, str]) -> None:
        """Every process that has the account in memory reads it again: actions may tell the address."""
        ids = (connection.tenant_id, connection.connection_id)
        await self._store.secrets.put(*ids, WEBHOOK, made)
        for _ in range(_TRIES):
            current = await self._store.connections.get(*ids)
            if current is None:
                raise RequestError("NOT_FOUND", "no such connection")
            with suppress(VersionConflict):
                await self._store.connections.update(replace(current))
                return
        raise RequestError("CONFLICT", "the connection is being changed by others: try again")

    async def _check_provable(self, connection: Connection, webhook: Webhook) -> None:
        """A webhook of which every message would be refused is not opened."""
        account = await self._accounts.open(connection)
        scope = Scope({"config": account.config, "credentials": account.credentials})
        lacking = [_lacking(block, scope) for block in webhook.verify if block.scheme != "refuse"]
        if lacking and all(lacking):
            issues = tuple(Issue("the proof of its messages needs it", tuple(n.split("."))) for n in lacking[0])
            message = f"no message could be proved: the connection lacks {', '.join(lacking[0])}"
            raise RequestError("BAD_REQUEST", message, issues)

    async def _connection(self, tenant_id: str, connection_id: str) -> Connection:
        connection = await self._store.connections.get(tenant_id, connection_id)
        if connection is None:
            raise RequestError("NOT_FOUND", "no such connection")
        return connection

    def _webhook(self, connection: Connection) -> Webhook:
        integration = self._catalog.integrations.get(connection.integration_id)
        if integration is None:
            raise RequestError("NOT_FOUND", "the connection's integration is no longer in the catalogue")
        if integration.webhook is None:
            raise RequestError("BAD_REQUEST", "this integration has no webhooks")
        return integration.webhook
