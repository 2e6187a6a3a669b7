"""The connection of a call with its config, credentials and masker.

The connection's record is read for every call; credentials are decrypted again only when its version has changed, so
a rotated secret is picked up by the next call of every process.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import field, replace
from decimal import Decimal
from typing import Any

from engine.catalog import Catalog, Integration, Method
from engine.diagnostics import nearest
from engine.errors import CallError, RequestError
from engine.frozen import slotted
from engine.model import Command, Connection
from engine.redact import Masker
from engine.runtime.address import WEBHOOK, app_url, url_of
from engine.runtime.apps import APP, operators_app
from engine.runtime.limits import Bucket
from engine.runtime.url import UnsafeUrl, typed
from engine.storage.ports import Store

CREDENTIALS = "credentials"
TOKEN = "token"  # noqa: S105 - the name of a record
CREDENTIALS_REFUSED = frozenset({"AUTH_FAILED", "REAUTH_REQUIRED"})
"""Codes that speak of the account itself."""
_CACHED = 1000
_FRESH_SECONDS = 300.0


@slotted
class Account:
    """What a call knows of its connection. `config` has the form's defaults; `token` is the last one obtained."""

    connection: Connection
    integration: Integration
    config: dict[str, Any] = field(repr=False)
    credentials: Mapping[str, Any] = field(repr=False)
    masker: Masker = field(repr=False)
    token: dict[str, Any] = field(default_factory=dict, repr=False)
    token_version: int = 0
    app: Mapping[str, Any] = field(default_factory=dict, repr=False)
    """The app that is registered at the provider: the connection's own, else the operator's; empty without one."""
    owns_app: bool = False
    reached: dict[tuple[str, str], str] = field(default_factory=dict, repr=False)
    """Hosts by auth method and origin that requests of this account may go to."""
    method: Method | None = field(default=None, repr=False)
    """The auth method that holds, once it was chosen."""
    buckets: dict[str, tuple[Bucket, ...]] = field(default_factory=dict, repr=False)
    """The limits that count a call of each action."""
    applied: tuple[tuple[object, ...], Mapping[str, str]] | None = field(default=None, repr=False)
    """What its method's headers were made of, and they (`engine.runtime.auth.steady_headers`)."""
    made: Mapping[str, Any] = field(default_factory=dict, repr=False)
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
    def held(self) -> tuple[Mapping[str, Any], Mapping[str, Any]]:
        """Credentials and app: what may be changed where it is kept."""
        return self.credentials, self.app

    @property
    def key(self) -> str:
        return f"{self.connection.tenant_id}:{self.connection.connection_id}"

    def changed(self, connection: Connection, credentials: Mapping[str, Any]) -> Account:
        """Another account: what this one would be with these."""
        config, filled = parted(self.integration, connection.config, credentials)
        return replace(self, connection=connection, config=config, credentials=filled, method=None, token={})

    def learn_token(self, token: Mapping[str, Any]) -> None:
        """Take a fresh token into use; its secrets are masked from now on, and those of the one before it too."""
        old = [self.token.get("access"), self.token.get("refresh")]
        self.token = dict(token)
        self.mask(*old)

    def mask(self, *others: Any) -> None:
        """From now on everything secret that it has is masked, and these others."""
        tokens = [self.token.get("access"), self.token.get("refresh")]
        self.masker = Masker(texts_of([*self.kept_secret, *tokens, *others]))

    @property
    def kept_secret(self) -> tuple[Mapping[str, Any], Mapping[str, Any]]:
        """The credentials, and what of the app is secret: who the app is, everybody may know."""
        form = self.integration.app
        return self.credentials, {name: self.app.get(name) for name in form.secrets} if form is not None else {}


class Accounts:
    """Opens accounts; the most recent ones stay decrypted in memory."""

    def __init__(self, catalog: Catalog, store: Store, public_url: str = "", *, receives: bool = False) -> None:
        self._catalog = catalog
        self._store = store
        self.public_url = public_url
        self._receives = receives
        self._cache: OrderedDict[tuple[str, str], Account] = OrderedDict()

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

    def at_hand(self, connection: Connection) -> Account | None:
        """The account as it is in memory, where that is of this version of the connection and fresh."""
        key = (connection.tenant_id, connection.connection_id)
        cached = self._cache.get(key)
        if cached is None or cached.connection.version != connection.version or cached.is_stale():
            return None
        self._cache.move_to_end(key)
        return cached

    async def open(self, connection: Connection) -> Account:
        """Raises `CallError(ACTION_NOT_FOUND)` when the integration is no longer in the catalogue."""
        return self.at_hand(connection) or await self._keep(connection)

    async def reread(self, account: Account, refused: tuple[Mapping[str, Any], Mapping[str, Any]]) -> bool:
        """These credentials, with this app (`held`), were refused: are there others by now? Then the account has them.

        The old stay masked. Another call may have read the others already.
        """
        if account.held == refused:
            fresh, old = await self.read(account.connection), account.kept_secret
            account.credentials, account.read_at = fresh.credentials, fresh.read_at
            account.app, account.owns_app = fresh.app, fresh.owns_app
            account.mask(*old)
        return account.held != refused

    async def _keep(self, connection: Connection) -> Account:
        account, key = await self.read(connection), (connection.tenant_id, connection.connection_id)
        self._cache[key] = account
        self._cache.move_to_end(key)
        if len(self._cache) > _CACHED:
            self._cache.popitem(last=False)
        return account

    async def read(self, connection: Connection) -> Account:
        """As it is stored now; nobody else has this one. Raises as `open` does."""
        integration = self._catalog.integrations.get(connection.integration_id)
        if integration is None:
            raise CallError("ACTION_NOT_FOUND", "the connection's integration is no longer in the catalogue")
        ids = (connection.tenant_id, connection.connection_id)
        secret = await self._store.secrets.get(*ids, CREDENTIALS)
        credentials = secret.value if secret else {}
        config, filled = parted(integration, connection.config, credentials)
        own_app = await self._own_app(connection, integration)
        account = Account(
            connection=connection,
            integration=integration,
            config=config,
            credentials=filled,
            masker=Masker(()),
            app=own_app or await self._operators(integration),
            owns_app=bool(own_app),
            made=await self._made(connection, integration),
        )
        account.mask(credentials)
        return account

    async def _own_app(self, connection: Connection, integration: Integration) -> Mapping[str, Any]:
        if integration.app is None:
            return {}
        own = await self._store.secrets.get(connection.tenant_id, connection.connection_id, APP)
        return {} if own is None else own.value

    async def _operators(self, integration: Integration) -> Mapping[str, Any]:
        return {} if integration.app is None else await operators_app(self._store, integration.integration_id)

    async def _made(self, connection: Connection, integration: Integration) -> dict[str, Any]:
        """Whoever opens or closes a webhook changes the connection's version, so it is read once."""
        if integration.webhook is None or not (self._receives or integration.tells_address):
            return {}
        found = await self._store.secrets.get(connection.tenant_id, connection.connection_id, WEBHOOK)
        made = {} if found is None else found.value
        if integration.webhook.route is not None:
            return {**made, "url": app_url(self.public_url, integration.integration_id)}
        if not made:
            return {}
        return {**made, "url": url_of(self.public_url, integration.webhook, connection.connection_id, made)}


def parted(
    integration: Integration, config: Mapping[str, Any], credentials: Mapping[str, Any]
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Config and credentials as calls see them: with the form's defaults, URLs in one spelling."""
    filled, secret = integration.form.schema.fill({**config, **credentials}), integration.form.credentials
    open_part = {name: value for name, value in filled.items() if name not in secret}
    return spelled(integration, open_part), {name: value for name, value in filled.items() if name in secret}


def spelled(integration: Integration, config: dict[str, Any]) -> dict[str, Any]:
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
