"""The story of one message from a provider, top to bottom.

1 recipient      which connection, and is its webhook open
2 reading        readable, handshake, proved, what it says (`interpret`)
3 identity       seen before? the first message of an event gives it its id
4 events         stored, durable before the provider is told so
5 answer         as the spec says; who delivers events is told, and does it later

An event that is told twice is stored once, also when both messages come at the same moment or when the process dies
between steps 3 and 4: the second message finds the id of the first and stores the event under it, if it is not there.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

from ulid import ULID

from engine.catalog import Catalog, Webhook
from engine.compiled.scope import Scope
from engine.connections.ports import Clock
from engine.errors import CallError, StorageError
from engine.events.answer import FAILED, REFUSED, render
from engine.events.book import EventBook
from engine.events.interpret import Happening, Known, Reading, interpret
from engine.events.message import Message
from engine.model import Event, Response
from engine.runtime.account import Account, Accounts
from engine.storage.ports import Store
from engine.telemetry.events import MessageEvent, Observer

logger = logging.getLogger("integrations")

Outcome = Literal["accepted", "duplicate", "ignored", "handshake", "refused", "failed"]
REMEMBERED_SECONDS = 30 * 86_400
"""How long the same event is known again."""


@dataclass(frozen=True, slots=True)
class Receipt:
    """What became of a message. `reason` holds no value of it; `account` None: nobody knows the address."""

    outcome: Outcome
    answer: Response
    reason: str = ""
    account: Account | None = field(default=None, repr=False)
    event_ids: tuple[str, ...] = ()
    """The new ones."""


class Receiver:
    """Takes messages of all connections. `public_url` is the base of the addresses that providers were given.

    `wake` is called when there are new events.
    """

    def __init__(
        self,
        catalog: Catalog,
        store: Store,
        clock: Clock,
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
        self._book = EventBook(store)

    async def receive(self, connection_id: str, message: Message) -> Receipt:
        """Never raises for what came, nor for a store that fails: the answer then asks for the message again."""
        began = self._clock.now()
        receipt = await self._receive(connection_id, message)
        if self._observer is not None:
            self._observer.message(_noted(receipt, message, began, self._clock.now()))
        return receipt

    async def _receive(self, connection_id: str, message: Message) -> Receipt:
        account: Account | None = None
        try:
            account = await self._recipient(connection_id)
            if account is None or account.integration.webhook is None:
                return Receipt("refused", render(REFUSED, Scope({})), "no such address")
            return await self._take(account, account.integration.webhook, message)
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
        known = Known(account.config, account.credentials, account.made, self._catalog.signers, self._clock.now())
        reading = interpret(webhook, message, known)
        if reading.outcome == "refused":
            return Receipt("refused", render(webhook.refused, reading.scope), reading.reason, account)
        if reading.outcome == "failed":
            logger.error("webhook of %s failed: %s", account.integration.integration_id, reading.reason)
            return Receipt("failed", render(webhook.failed, reading.scope), reading.reason, account)
        if reading.outcome == "handshake":
            return Receipt("handshake", render(reading.answer or webhook.accepted, reading.scope), "", account)
        return await self._keep(account, webhook, reading, known.now)

    async def _keep(self, account: Account, webhook: Webhook, reading: Reading, now: float) -> Receipt:
        if not reading.happenings:
            answer = render(reading.answer or webhook.accepted, reading.scope)
            return Receipt("ignored", answer, "no event of the spec is in it", account)
        events = [await self._event(account, happening, now) for happening in reading.happenings]
        new = await self._book.append(events)
        accepted = reading.answer or webhook.accepted
        if not new:
            return Receipt("duplicate", render(webhook.duplicate or accepted, reading.scope), "", account)
        if self._wake is not None:
            self._wake()
        ids = tuple(dict.fromkeys(one.event_id for one in events if one.event_id in new))
        return Receipt("accepted", render(accepted, reading.scope), "", account, ids)

    async def _event(self, account: Account, happening: Happening, now: float) -> Event:
        connection = account.connection
        event_id = str(ULID.from_timestamp(now))
        if happening.dedupe is not None:
            key = f"webhook:{connection.tenant_id}:{connection.connection_id}:{happening.dedupe}"
            event_id = await self._first_id(key, event_id)
        return Event(
            event_id=event_id,
            tenant_id=connection.tenant_id,
            connection_id=connection.connection_id,
            integration_id=connection.integration_id,
            type=happening.type,
            data=happening.data,
            received_at=now,
        )

    async def _first_id(self, key: str, mine: str) -> str:
        """The id that the first message of this event gave it."""
        version = await self._store.state.put(key, mine.encode(), expected=0, ttl_seconds=REMEMBERED_SECONDS)
        if version is not None:
            return mine
        record = await self._store.state.get(key)
        return record.value.decode() if record is not None else mine


def _noted(receipt: Receipt, message: Message, began: float, ended: float) -> MessageEvent:
    connection = receipt.account.connection if receipt.account is not None else None
    return MessageEvent(
        tenant_id=connection.tenant_id if connection is not None else None,
        integration_id=connection.integration_id if connection is not None else None,
        connection_id=connection.connection_id if connection is not None else None,
        at=began,
        latency_ms=(ended - began) * 1000,
        outcome=receipt.outcome,
        reason=receipt.reason,
        event_count=len(receipt.event_ids),
        http_status=receipt.answer.status,
        received_bytes=len(message.body),
    )
