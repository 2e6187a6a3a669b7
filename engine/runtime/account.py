"""The connection of a call with its config, credentials and masker.

The connection's record is read for every call; credentials are decrypted again only when its version has changed, so
a rotated secret is picked up by the next call of every process.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from engine.catalog import Catalog, Integration, Method
from engine.diagnostics import nearest
from engine.errors import CallError, RequestError
from engine.model import Command, Connection
from engine.redact import Masker
from engine.runtime.address import WEBHOOK, url_of
from engine.runtime.limits import Bucket
from engine.runtime.url import UnsafeUrl, typed
from engine.storage.ports import Store

CREDENTIALS = "credentials"
TOKEN = "token"  # noqa: S105 - the name of a record
CREDENTIALS_REFUSED = frozenset({"AUTH_FAILED", "REAUTH_REQUIRED"})
"""Codes that speak of the account itself."""
_CACHED = 1000
_FRESH_SECONDS = 300.0


@dataclass(slots=True)
class Account:
    """What a call knows of its connection. `config` has the form's defaults; `token` is the last one obtained."""

    connection: Connection
    integration: Integration
    config: dict[str, Any] = field(repr=False)
    credentials: Mapping[str, Any] = field(repr=False)
    masker: Masker = field(repr=False)
    token: dict[str, Any] = field(default_factory=dict, repr=False)
    token_version: int = 0
    reached: dict[tuple[str, str], str] = field(default_factory=dict, repr=False)
    """Hosts by auth method and origin that requests of this account may go to."""
    method: Method | None = field(default=None, repr=False)
    """The auth method that holds, once it was chosen."""
    buckets: dict[str, tuple[Bucket, ...]] = field(default_factory=dict, repr=False)
    """The limits that count a call of each action."""
    made: Mapping[str, str] = field(default_factory=dict, repr=False)
    """What was made for its webhook, and its `url`; empty where that is not open, or nobody here needs it."""

    read_at: float = field(default_factory=time.monotonic, repr=False)

    def is_stale(self) -> bool:
        """A secret may be rotated where it is kept, and nobody tells us."""
        return time.monotonic() - self.read_at > _FRESH_SECONDS

    @property
    def webhook(self) -> Mapping[str, str]:
        """The root `webhook` of requests: the address, and nothing that proves messages."""
        return {"url": self.made["url"]} if "url" in self.made else {}

    @property
    def key(self) -> str:
        return f"{self.connection.tenant_id}:{self.connection.connection_id}"

    def learn_token(self, token: Mapping[str, Any]) -> None:
        """Take a fresh token into use; its secrets are masked from now on."""
        self.token = dict(token)
        self.masker = Masker(texts_of([self.credentials, token.get("access"), token.get("refresh")]))


class Accounts:
    """Opens accounts; the most recent ones stay decrypted in memory."""

    def __init__(self, catalog: Catalog, store: Store, public_url: str = "", *, receives: bool = False) -> None:
        self._catalog = catalog
        self._store = store
        self._public_url = public_url
        self._receives = receives
        self._cache: OrderedDict[str, Account] = OrderedDict()

    async def connection_of(self, command: Command) -> Connection:
        """Raises `RequestError` (404, 400) when the command names no connection of the tenant."""
        if command.connection_id is not None:
            found = await self._store.connections.get(command.tenant_id, command.connection_id)
            if found is None:
                raise RequestError("NOT_FOUND", "no such connection")
            return found
        return await self._only_one(command)

    async def _only_one(self, command: Command) -> Connection:
        integration_id = command.integration_id or ""
        if integration_id not in self._catalog.integrations:
            near = nearest(integration_id, self._catalog.integrations)
            raise RequestError("NOT_FOUND", "no such integration" + (f"; did you mean {near}?" if near else ""))
        active = await self._store.connections.find(command.tenant_id, integration_id, "active")
        if not active:
            raise RequestError("NOT_FOUND", "the tenant has no active connection of this integration")
        if len(active) > 1:
            raise RequestError("BAD_REQUEST", f"the tenant has {len(active)} active connections: name connectionId")
        return active[0]

    async def open(self, connection: Connection) -> Account:
        """Raises `CallError(ACTION_NOT_FOUND)` when the integration is no longer in the catalogue."""
        key = f"{connection.tenant_id}:{connection.connection_id}"
        cached = self._cache.get(key)
        if cached is not None and cached.connection.version == connection.version and not cached.is_stale():
            self._cache.move_to_end(key)
            return cached
        return await self._keep(key, connection)

    async def reread(self, account: Account, refused: Mapping[str, Any]) -> bool:
        """These credentials of the account were refused: are there others by now? Then it has them.

        The old stay masked. Another call may have read the others already.
        """
        if account.credentials == refused:
            fresh = await self._read(account.connection)
            account.credentials, account.read_at = fresh.credentials, fresh.read_at
            tokens = [account.token.get(name) for name in ("access", "refresh")]
            account.masker = Masker(texts_of([refused, fresh.credentials, *tokens]))
        return account.credentials != refused

    async def _keep(self, key: str, connection: Connection) -> Account:
        account = await self._read(connection)
        self._cache[key] = account
        self._cache.move_to_end(key)
        if len(self._cache) > _CACHED:
            self._cache.popitem(last=False)
        return account

    async def _read(self, connection: Connection) -> Account:
        integration = self._catalog.integrations.get(connection.integration_id)
        if integration is None:
            raise CallError("ACTION_NOT_FOUND", "the connection's integration is no longer in the catalogue")
        ids = (connection.tenant_id, connection.connection_id)
        secret = await self._store.secrets.get(*ids, CREDENTIALS)
        credentials = secret.value if secret else {}
        filled = integration.form.schema.fill({**connection.config, **credentials})
        names = integration.form.credentials
        return Account(
            connection=connection,
            integration=integration,
            config=_spelled(integration, {name: value for name, value in filled.items() if name not in names}),
            credentials={name: value for name, value in filled.items() if name in names},
            masker=Masker(texts_of([credentials])),
            made=await self._made(connection, integration),
        )

    async def _made(self, connection: Connection, integration: Integration) -> dict[str, str]:
        """Whoever opens or closes a webhook changes the connection's version, so it is read once."""
        if integration.webhook is None or not (self._receives or integration.tells_address):
            return {}
        made = await self._store.secrets.get(connection.tenant_id, connection.connection_id, WEBHOOK)
        if made is None or not made.value:
            return {}
        url = url_of(self._public_url, integration.webhook, connection.connection_id, made.value)
        return {**made.value, "url": url}


def _spelled(integration: Integration, config: dict[str, Any]) -> dict[str, Any]:
    """URLs that the tenant typed, in one spelling; one that can't be used is refused when something is sent."""
    for name in integration.hosts.config_fields:
        if isinstance(value := config.get(name), str):
            with suppress(UnsafeUrl):
                config[name] = typed(integration.hosts, value)
    return config


def texts_of(trees: Iterable[Any]) -> list[str]:
    """Every text inside, and every number as text, for masking by value."""
    found: list[str] = []
    for tree in trees:
        if isinstance(tree, str):
            found.append(tree)
        elif isinstance(tree, int | Decimal) and not isinstance(tree, bool):
            found.append(str(tree))
        elif isinstance(tree, Mapping):
            found.extend(texts_of(tree.values()))
        elif isinstance(tree, list):
            found.extend(texts_of(tree))
    return found
