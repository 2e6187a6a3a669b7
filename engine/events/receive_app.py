"""A message to an app: one address for all connections of an integration, of all tenants.

1 proof          with the operator's app; else with the app of its own that a connection of the account has
2 whose          each part of the message names an account: its connections, found without walking through all
3 events         what the parts become at each of them, stored before the provider is answered

Nobody's message is believed for what it says of itself. A message that the operator's app proves is for connections
that signed in through that app, never for one with an app of its own; one that a connection's own app proves is for
that connection alone. A message for nobody is accepted: the provider can't do anything about it.
"""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Iterable, Mapping
from dataclasses import replace
from itertools import islice
from typing import Any

from engine.catalog import Catalog, Integration, Webhook
from engine.compiled.scope import Scope
from engine.errors import CallError, StorageError
from engine.events.answer import REFUSED, render
from engine.events.intake import Intake, Now
from engine.events.interpret import Known, Part, Reading, alleged, interpret, told
from engine.events.receipt import Receipt
from engine.model import Connection
from engine.runtime.account import Account, Accounts
from engine.runtime.address import CLOSED, app_url
from engine.runtime.apps import operators_app
from engine.runtime.message import Message
from engine.runtime.routes import digest, route_of, through_app
from engine.storage.ports import Store

logger = logging.getLogger("integrations")

MOST_CONNECTIONS = 200
"""Of one account."""
_MOST_ALLEGED = 20
"""Accounts that are looked up for a message that nobody has proved yet."""
_KEPT_SECONDS = 60.0
_DOUBTED_SECONDS = 5.0
FOR_NOBODY = "no connection is of an account that it is about"
_Audience = list[tuple[Account, list[Part]]]


class AppReceiver:
    def __init__(
        self, catalog: Catalog, store: Store, clock: Now, public_url: str, accounts: Accounts, intake: Intake
    ) -> None:
        self._catalog = catalog
        self._store = store
        self._clock = clock
        self._public_url = public_url
        self._accounts = accounts
        self._intake = intake
        self._apps: dict[str, tuple[Mapping[str, Any], float]] = {}

    async def receive(self, integration_id: str, message: Message) -> Receipt:
        integration = self._catalog.integrations.get(integration_id)
        webhook = integration.webhook if integration is not None else None
        if integration is None or webhook is None or webhook.route is None:
            return Receipt("refused", render(REFUSED, Scope({})), "no such address")
        try:
            receipt = await self._take(integration, webhook, message)
        except StorageError as error:
            answer = render(webhook.failed, Scope({}))
            receipt = Receipt("failed", answer, f"the store is not available ({type(error).__name__})")
        return replace(receipt, integration_id=integration_id)

    async def _take(self, integration: Integration, webhook: Webhook, message: Message) -> Receipt:
        reading, known = await self._proved(integration, webhook, message)
        if reading.outcome == "handshake":
            return Receipt("handshake", render(reading.answer or webhook.accepted, reading.scope))
        if reading.outcome == "failed":
            logger.error("webhook of %s failed: %s", integration.integration_id, reading.reason)
            return Receipt("failed", render(webhook.failed, reading.scope), reading.reason)
        if reading.outcome == "understood":
            audience = [one async for one in self._audience(integration, reading.parts) if through_app(one[0])]
        else:
            audience = await self._with_own_app(integration, webhook, message, known)
            if not audience:
                return Receipt("refused", render(webhook.refused, reading.scope), reading.reason)
        return await self._tell(webhook, audience, reading, known.now)

    async def _proved(self, integration: Integration, webhook: Webhook, message: Message) -> tuple[Reading, Known]:
        """By the operator's app. One that was changed a moment ago proves at once."""
        made = {"url": app_url(self._public_url, integration.integration_id)}
        known = Known({}, {}, made, self._catalog.signers, self._clock.now())
        known = replace(known, app=await self._app(integration.integration_id, known.now - _KEPT_SECONDS))
        reading = interpret(webhook, message, known)
        if reading.outcome != "refused":
            return reading, known
        known = replace(known, app=await self._app(integration.integration_id, known.now - _DOUBTED_SECONDS))
        return interpret(webhook, message, known), known

    async def _app(self, integration_id: str, read_after: float) -> Mapping[str, Any]:
        app, read_at = self._apps.get(integration_id, ({}, 0.0))
        if read_at <= read_after:
            app = await operators_app(self._store, integration_id)
            self._apps[integration_id] = app, self._clock.now()
        return app

    async def _with_own_app(
        self, integration: Integration, webhook: Webhook, message: Message, known: Known
    ) -> _Audience:
        """Connections of the accounts that it names whose own app proves it."""
        if integration.app is None:
            return []
        parts = alleged(webhook, message, known)
        found: _Audience = []
        async for account, own in self._audience(integration, parts, _MOST_ALLEGED):
            if account.owns_app:
                reading = interpret(webhook, message, replace(known, app=account.app))
                if reading.outcome == "understood":
                    found.append((account, own))
        return found

    async def _audience(
        self, integration: Integration, parts: Iterable[Part], most: int | None = None
    ) -> AsyncIterator[tuple[Account, list[Part]]]:
        """The connections of each account, with what is said of it."""
        by_route: dict[str, list[Part]] = {}
        for part in parts:
            route = digest(integration.integration_id, part.account)
            if route is not None:
                by_route.setdefault(route, []).append(part)
        for route, own in islice(by_route.items(), most):
            for connection in await self._connections(integration, route):
                account = await self._account(connection)
                if account is not None and not account.made.get(CLOSED):
                    yield account, own

    async def _connections(self, integration: Integration, route: str) -> list[Connection]:
        found = await self._store.connections.routed(route, MOST_CONNECTIONS + 1)
        if len(found) > MOST_CONNECTIONS:
            logger.error(
                "an account at %s has more than %d connections: the others get no events of it",
                integration.integration_id,
                MOST_CONNECTIONS,
            )
        return [one for one in found[:MOST_CONNECTIONS] if route_of(integration, one.config) == route]

    async def _account(self, connection: Connection) -> Account | None:
        try:
            return await self._accounts.open(connection)
        except CallError:  # its integration is no longer in the catalogue
            return None

    async def _tell(self, webhook: Webhook, audience: _Audience, reading: Reading, now: float) -> Receipt:
        """One connection that can't be told keeps no other from its events; the provider then sends again."""
        new: list[str] = []
        answer, count, failure = webhook.accepted, 0, ""
        for account, parts in audience:
            said = told(webhook, parts, account.config)
            if said.outcome == "failed":
                failure = said.reason
                logger.error("webhook of %s failed: %s", account.integration.integration_id, failure)
                continue
            answer = said.answer or answer
            count += len(said.happenings)
            new += await self._intake.keep(account.connection, said.happenings, now)
        ids = tuple(new)
        if failure:
            return Receipt("failed", render(webhook.failed, reading.scope), failure, event_ids=ids)
        if not count:
            reason = "no event of the spec is in it" if audience else FOR_NOBODY
            return Receipt("ignored", render(answer, reading.scope), reason)
        if not ids:
            return Receipt("duplicate", render(webhook.duplicate or answer, reading.scope))
        return Receipt("accepted", render(answer, reading.scope), event_ids=ids)
