"""Sends the message of a webhook case through the whole receiving side, then once more, then in each tampered form."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import field
from typing import Any
from urllib.parse import urlencode

from ulid import ULID

from engine.cases.doubt import doubt_of
from engine.cases.match import compare, pairs, texts
from engine.cases.memory import memory_store
from engine.cases.model import Exchange, WebhookCase
from engine.cases.origins import DEFAULT_NOW
from engine.cases.stage import PUBLIC_URL, ScriptedWire, VirtualClock, engine_on, keep_token, moment
from engine.cases.wire import body_of, xml_tree
from engine.catalog import Catalog, Webhook
from engine.events.book import EventBook
from engine.events.fetch import Fetcher
from engine.events.interpret import HANDSHAKE_DOUBTED, SENDER_DOUBTED, Known
from engine.events.receipt import Receipt
from engine.events.receive import Receiver
from engine.events.unfetched import Unfetched
from engine.frozen import frozen, slotted
from engine.library import exact
from engine.model import Connection, Event
from engine.runtime.account import CREDENTIALS, Account, Accounts
from engine.runtime.address import WEBHOOK
from engine.runtime.apps import APP, APPS
from engine.runtime.message import Message
from engine.runtime.routes import proved
from engine.storage.ports import Store

_TENANT = "case"
_MADE = {"token": "webhook-token-of-the-case", "secret": "webhook-secret-of-the-case"}
_BODIES = ("raw", "json", "form", "xml", "text")


@slotted
class _Clock:
    time: float

    def now(self) -> float:
        return self.time


@slotted
class _Scene:
    """One connection, what receives for it (or for the app), and the clock of both."""

    store: Store
    receiver: Receiver
    clock: _Clock
    account: Account
    given: Mapping[str, Any] = field(repr=False)
    catalog: Catalog

    @property
    def webhook(self) -> Webhook | None:
        return self.account.integration.webhook

    @property
    def is_app(self) -> bool:
        return self.webhook is not None and self.webhook.route is not None

    async def send(self, receive: Mapping[str, Any]) -> tuple[Receipt, list[dict[str, Any]]]:
        """What came of the message, and its new events."""
        connection, message = self.account.connection, self.message(receive)
        if self.is_app:
            receipt = await self.receiver.receive_app(connection.integration_id, message)
        else:
            receipt = await self.receiver.receive(connection.connection_id, message)
        return receipt, await self.events(receipt)

    async def fill_in(self, exchanges: Sequence[Exchange]) -> list[str]:
        """Play the reads that the new events want; what was done differently."""
        clock = VirtualClock(self.clock.now())
        wire = ScriptedWire(clock, list(exchanges))
        engine, connection = engine_on(self.catalog, self.store, clock, wire), self.account.connection
        await keep_token(engine, connection, self.given)
        await Fetcher(engine).fetch(connection.tenant_id, connection.connection_id)
        left = [f"request {wire.sent + 1}: the case's next exchange was not asked for"] if wire.exchanges else []
        return [*wire.problems, *left]

    async def events(self, receipt: Receipt) -> list[dict[str, Any]]:
        """The new ones, as they are now."""
        found = [await self._event(event_id) for event_id in receipt.event_ids]
        return [{"type": event.type, "data": exact.loads(event.data)} for event in found if event is not None]

    async def _event(self, event_id: str) -> Event | None:
        """One that waits to be filled in is shown as it is before."""
        stored = await EventBook(self.store).get(_TENANT, event_id)
        if stored is not None:
            return stored
        waiting = await Unfetched(self.store, self.clock.now).of(_TENANT, self.account.connection.connection_id)
        return next((one.event for one in waiting if one.event.event_id == event_id), None)

    def doubt(self, receive: Mapping[str, Any], receipt: Receipt) -> str:
        """Why a message was not believed, for its author; empty when that was not the reason."""
        if self.webhook is None or receipt.reason not in (SENDER_DOUBTED, HANDSHAKE_DOUBTED):
            return ""
        return doubt_of(self.webhook, self.message(receive), self.known)

    @property
    def known(self) -> Known:
        account = self.account
        config, credentials = ({}, {}) if self.is_app else (account.config, account.credentials)
        return Known(config, credentials, account.made, self.catalog.signers, self.clock.now(), account.app)

    def message(self, receive: Mapping[str, Any]) -> Message:
        key = receive.get("key")
        url = f"{PUBLIC_URL}/webhooks/{self.account.connection.connection_id}" + (f"/{key}" if key is not None else "")
        url = self.account.made["url"] if self.is_app else url
        url = receive.get("url") or self.given.get("webhook", {}).get("url") or url
        if "query" in receive:
            url += "?" + urlencode(receive["query"], doseq=True)
        body = body_of(receive)
        return Message(receive.get("method", "POST"), url, body.headers, body.body, key)


@frozen
class Heard:
    """The message of a case, what was known when it came, and the events that it became (`type`, `data`)."""

    message: Message
    known: Known
    events: tuple[Mapping[str, Any], ...] = field(repr=False)


async def hear(case: WebhookCase, catalog: Catalog) -> Heard | None:
    """None: the case's message is not understood, or it is about no event."""
    scene = await _scene(case, catalog)
    _, events = await scene.send(case.receive)
    return Heard(scene.message(case.receive), scene.known, tuple(events)) if events else None


async def replay_webhook(case: WebhookCase, catalog: Catalog) -> list[str]:
    """What the engine did differently; empty when it reproduces the case. Each case has a store of its own."""
    scene = await _scene(case, catalog)
    start = scene.clock.time
    receipt, events = await scene.send(case.receive)
    doubt = scene.doubt(case.receive, receipt)
    problems = [*_answer(case.answer, receipt, doubt)]
    if problems and doubt:
        return problems  # all else follows from that
    if case.exchanges:
        problems += await scene.fill_in(case.exchanges)
        events = await scene.events(receipt)
    if case.events is not None:
        problems += _events(case.events, events)
    if case.again:
        again, more = await scene.send(case.receive)
        if again.outcome != "duplicate" or more:
            problems.append(f"again: expected a duplicate, got {_said(again, more)}")
    for number, tamper in enumerate(case.tampers, 1):
        scene.clock.time = moment(tamper.get("now"), start)
        tampered, more = await scene.send(_tampered(case.receive, tamper))
        if tampered.outcome != "refused" or more:
            problems.append(f"tamper {number}: expected a refusal, got {_said(tampered, more)}")
    return problems


async def _scene(case: WebhookCase, catalog: Catalog) -> _Scene:
    now = moment(case.given.get("now", DEFAULT_NOW), 0)
    clock = _Clock(now)
    store = memory_store(clock.now)
    ids = (_TENANT, str(ULID.from_timestamp(now)))
    await store.secrets.put(*ids, CREDENTIALS, case.given.get("credentials", {}))
    made = {name: text for name, text in case.given.get("webhook", {}).items() if name in _MADE}
    await store.secrets.put(*ids, WEBHOOK, {**_MADE, **made})
    await store.secrets.put(APPS, case.integration_id, APP, case.given.get("app", {}))
    connection = Connection(
        tenant_id=ids[0],
        connection_id=ids[1],
        integration_id=case.integration_id,
        name=case.name,
        config=dict(case.given.get("config", {})),
        status="active",
        created_at=now,
        updated_at=now,
    )
    connection = proved(connection, catalog.integrations[case.integration_id])
    await store.connections.create(connection)
    account = await Accounts(catalog, store, PUBLIC_URL, receives=True).open(connection)
    return _Scene(store, Receiver(catalog, store, clock, PUBLIC_URL), clock, account, case.given, catalog)


def _tampered(receive: Mapping[str, Any], tamper: Mapping[str, Any]) -> dict[str, Any]:
    """The message with one thing changed; a body stands in place of the one it had, under the same content type."""
    changed = {**receive, **{name: value for name, value in tamper.items() if name not in ("dropHeader", "now")}}
    kind = body_of(receive).headers.get("content-type")
    headers = {"content-type": kind} if kind is not None else {}
    for given in (receive, tamper):
        headers |= {name.lower(): text for name, text in given.get("headers", {}).items()}
    headers.pop(tamper.get("dropHeader", "").lower(), None)
    if any(name in tamper for name in _BODIES):
        changed = {name: value for name, value in changed.items() if name not in _BODIES or name in tamper}
    return {**changed, "headers": headers}


def _answer(wanted: Mapping[str, Any], receipt: Receipt, doubt: str) -> Iterator[str]:
    got = receipt.answer
    if wanted.get("status", 200) != got.status:
        said = "; ".join(part for part in (receipt.reason, doubt) if part)
        why = f" ({receipt.outcome}: {said})" if said else f" ({receipt.outcome})"
        yield f"answer.status: expected {wanted.get('status', 200)}, got {got.status}{why}"
    for name, text in wanted.get("headers", {}).items():
        if got.headers.get(name.lower()) != text:
            yield f"answer.headers.{name}: expected {text}, got {got.headers.get(name.lower(), 'nothing')}"
    if "json" in wanted:
        yield from compare("answer.json", wanted["json"], _json(got.body))
    elif "form" in wanted:
        yield from compare("answer.form", texts(wanted["form"]), pairs(got.body.decode()))
    elif "xml" in wanted:
        yield from compare("answer.xml", xml_tree(wanted["xml"]), xml_tree(got.body))
    elif wanted.get("text", "").encode() != got.body:
        yield f"answer.text: expected {wanted.get('text') or 'no body'}, got {len(got.body)} bytes"


def _json(body: bytes) -> Any:
    try:
        return exact.loads(body)
    except ValueError:
        return None


def _events(wanted: tuple[Mapping[str, Any], ...], got: list[dict[str, Any]]) -> Iterator[str]:
    if len(wanted) != len(got):
        yield f"events: expected {len(wanted)}, got {len(got)}"
    for number, (one, event) in enumerate(zip(wanted, got, strict=False), 1):
        yield from compare(f"event {number}", dict(one), {name: event[name] for name in one})


def _said(receipt: Receipt, events: list[dict[str, Any]]) -> str:
    return f"{receipt.outcome} ({receipt.reason or 'no reason'}) with {len(events)} events"
