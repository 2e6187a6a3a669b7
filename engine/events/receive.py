"""The story of one message from a provider, top to bottom.

1 recipient      which connection, and is its webhook open; or which app
2 reading        readable, handshake, proved, what it says (`interpret`)
3 identity       seen before? the first message of an event gives it its id
4 events         stored, durable before the provider is told so (`intake`)
5 answer         as the spec says; who delivers events is told, and does it later
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Iterator, Mapping
from typing import Any

from engine.catalog import Catalog, Webhook
from engine.compiled.scope import Scope
from engine.errors import CallError, StorageError
from engine.events.answer import FAILED, REFUSED, render
from engine.events.intake import Intake, Now
from engine.events.interpret import Known, Reading, interpret
from engine.events.receipt import Receipt, noted
from engine.events.receive_app import AppReceiver
from engine.runtime.account import Account, Accounts
from engine.runtime.message import Message
from engine.storage.ports import Store
from engine.telemetry.events import Observer

logger = logging.getLogger("integrations")


class Receiver:
    """Takes messages of all connections. `public_url` is the base of the addresses that providers were given.

    `wake` is called when there are new events.
    """

    def __init__(
        self,
        catalog: Catalog,
        store: Store,
        clock: Now,
        public_url: str,
        observer: Observer | None = None,
        wake: Callable[[], None] | None = None,
    ) -> None:
        self._catalog = catalog
        self._store = store
        self._clock = clock
        self._observer = observer
        self._wake = wake
        self._accounts = Accounts(catalog, store, public_url, receives=True)
        self._intake = Intake(store, clock)
        self._apps = AppReceiver(catalog, store, clock, public_url, self._accounts, self._intake)

    async def receive(self, connection_id: str, message: Message) -> Receipt:
        """Never raises for what came, nor for a store that fails: the answer then asks for the message again."""
        return await self._noted(self._receive(connection_id, message), message)

    async def receive_app(self, integration_id: str, message: Message) -> Receipt:
        """The same for a message to the app of an integration, whosever connections it is for."""
        return await self._noted(self._apps.receive(integration_id, message), message)

    async def _noted(self, receiving: Awaitable[Receipt], message: Message) -> Receipt:
        began = self._clock.now()
        receipt = await receiving
        if receipt.event_ids and self._wake is not None:
            self._wake()
        if self._observer is not None:
            self._observer.message(noted(receipt, message, began, self._clock.now()))
        return receipt

    async def _receive(self, connection_id: str, message: Message) -> Receipt:
        account: Account | None = None
        try:
            account = await self._recipient(connection_id)
            webhook = account.integration.webhook if account is not None else None
            if account is None or webhook is None or webhook.route is not None:
                return Receipt("refused", render(REFUSED, Scope({})), "no such address")
            return await self._take(account, webhook, message)
        except StorageError as error:
            webhook = account.integration.webhook if account is not None else None
            scope = Scope({"config": account.config if account is not None else {}})
            answer = render(webhook.failed if webhook is not None else FAILED, scope)
            return Receipt("failed", answer, f"the store is not available ({type(error).__name__})", account)

    async def _recipient(self, connection_id: str) -> Account | None:
        connection = await self._store.connections.locate(connection_id)
        if connection is None:
            return None
        try:
            return await self._accounts.open(connection)
        except CallError:  # its integration is no longer in the catalogue
            return None

    async def _take(self, account: Account, webhook: Webhook, message: Message) -> Receipt:
        if not account.made:
            return Receipt("refused", render(REFUSED, Scope({})), "the webhook is not open", account)
        now = self._clock.now()
        reading = self._reading(account, webhook, message, now)
        if reading.outcome == "refused":
            return Receipt("refused", render(webhook.refused, reading.scope), reading.reason, account)
        if reading.outcome == "failed":
            logger.error("webhook of %s failed: %s", account.integration.integration_id, reading.reason)
            return Receipt("failed", render(webhook.failed, reading.scope), reading.reason, account)
        if reading.outcome == "handshake":
            return Receipt("handshake", render(reading.answer or webhook.accepted, reading.scope), "", account)
        return await self._keep(account, webhook, reading, now)

    def _reading(self, account: Account, webhook: Webhook, message: Message, now: float) -> Reading:
        """By what was made for the webhook; where it is being opened anew, by either."""
        signers = self._catalog.signers
        readings = (
            interpret(webhook, message, Known(account.config, account.credentials, made, signers, now, account.app))
            for made in _issued(account.made, now)
        )
        first = next(readings)
        if first.outcome != "refused":
            return first
        return next((other for other in readings if other.outcome != "refused"), first)

    async def _keep(self, account: Account, webhook: Webhook, reading: Reading, now: float) -> Receipt:
        accepted = render(reading.answer or webhook.accepted, reading.scope)
        if not reading.happenings:
            return Receipt("ignored", accepted, "no event of the spec is in it", account)
        new = await self._intake.keep(account.connection, reading.happenings, now)
        if not new:
            duplicate = render(webhook.duplicate or reading.answer or webhook.accepted, reading.scope)
            return Receipt("duplicate", duplicate, "", account)
        return Receipt("accepted", accepted, "", account, new)


def _issued(made: Mapping[str, Any], now: float) -> Iterator[Mapping[str, Any]]:
    yield made
    asked = made.get("asked")
    if asked and asked["until"] > now:
        yield {**made, **asked}
