"""Sends the message of a webhook case through the whole receiving side, then once more, then in each tampered form."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from urllib.parse import urlencode

from ulid import ULID

from engine.cases.doubt import doubt_of
from engine.cases.match import compare, pairs, texts
from engine.cases.memory import memory_store
from engine.cases.model import WebhookCase
from engine.cases.origins import DEFAULT_NOW
from engine.cases.wire import response_of, xml_tree
from engine.catalog import Catalog, Webhook
from engine.events.book import EventBook
from engine.events.interpret import HANDSHAKE_DOUBTED, SENDER_DOUBTED, Known
from engine.events.message import Message
from engine.events.receive import Receipt, Receiver
from engine.library import exact
from engine.model import Connection, Response
from engine.runtime.account import CREDENTIALS, Account
from engine.runtime.address import WEBHOOK, url_of
from engine.storage.ports import Store

PUBLIC_URL = "https://integrations.test"
_TENANT = "case"
_MADE = {"token": "webhook-token-of-the-case", "secret": "webhook-secret-of-the-case"}
_BODIES = ("raw", "json", "form", "xml", "text")
_LATER = re.compile(r"([+-][0-9]+)(ms|s|m|h|d)")
_SECONDS = {"ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86_400}


@dataclass(slots=True)
class _Clock:
    time: float

    def now(self) -> float:
        return self.time


@dataclass(slots=True)
class _Scene:
    """One connection, what receives for it, and the clock of both."""

    store: Store
    receiver: Receiver
    clock: _Clock
    connection_id: str
    given: Mapping[str, Any] = field(repr=False)
    catalog: Catalog
    made: Mapping[str, str] = field(repr=False)

    async def send(self, receive: Mapping[str, Any]) -> tuple[Receipt, list[dict[str, Any]]]:
        """What came of the message, and its new events."""
        receipt = await self.receiver.receive(self.connection_id, self.message(receive))
        book = EventBook(self.store)
        found = [await book.get(_TENANT, event_id) for event_id in receipt.event_ids]
        return receipt, [{"type": event.type, "data": exact.loads(event.data)} for event in found if event is not None]

    def doubt(self, receive: Mapping[str, Any], receipt: Receipt) -> str:
        """Why a message was not believed, for its author; empty when that was not the reason."""
        account = receipt.account
        webhook = account.integration.webhook if account is not None else None
        if account is None or webhook is None or receipt.reason not in (SENDER_DOUBTED, HANDSHAKE_DOUBTED):
            return ""
        return doubt_of(webhook, self.message(receive), self.known(account, webhook))

    def known(self, account: Account, webhook: Webhook) -> Known:
        made = {**self.made, "url": url_of(PUBLIC_URL, webhook, self.connection_id, self.made)}
        return Known(account.config, account.credentials, made, self.catalog.signers, self.clock.now())

    def message(self, receive: Mapping[str, Any]) -> Message:
        key = receive.get("key")
        url = f"{PUBLIC_URL}/webhooks/{self.connection_id}" + (f"/{key}" if key is not None else "")
        url = receive.get("url") or self.given.get("webhook", {}).get("url") or url
        if "query" in receive:
            url += "?" + urlencode(receive["query"], doseq=True)
        body = _body(receive)
        return Message(receive.get("method", "POST"), url, body.headers, body.body, key)


@dataclass(frozen=True, slots=True)
class Heard:
    """The message of a case, what was known when it came, and the events that it became (`type`, `data`)."""

    message: Message
    known: Known
    events: tuple[Mapping[str, Any], ...] = field(repr=False)


async def hear(case: WebhookCase, catalog: Catalog) -> Heard | None:
    """None: the case's message is not understood, or it is about no event."""
    scene = await _scene(case, catalog)
    receipt, events = await scene.send(case.receive)
    account = receipt.account
    if account is None or account.integration.webhook is None or not events:
        return None
    return Heard(scene.message(case.receive), scene.known(account, account.integration.webhook), tuple(events))


async def replay_webhook(case: WebhookCase, catalog: Catalog) -> list[str]:
    """What the engine did differently; empty when it reproduces the case. Each case has a store of its own."""
    scene = await _scene(case, catalog)
    start = scene.clock.time
    receipt, events = await scene.send(case.receive)
    doubt = scene.doubt(case.receive, receipt)
    problems = [*_answer(case.answer, receipt, doubt)]
    if problems and doubt:
        return problems  # all else follows from that
    if case.events is not None:
        problems += _events(case.events, events)
    if case.again:
        again, more = await scene.send(case.receive)
        if again.outcome != "duplicate" or more:
            problems.append(f"again: expected a duplicate, got {_said(again, more)}")
    for number, tamper in enumerate(case.tampers, 1):
        scene.clock.time = _moment(tamper.get("now"), start)
        tampered, more = await scene.send(_tampered(case.receive, tamper))
        if tampered.outcome != "refused" or more:
            problems.append(f"tamper {number}: expected a refusal, got {_said(tampered, more)}")
    return problems


async def _scene(case: WebhookCase, catalog: Catalog) -> _Scene:
    now = _moment(case.given.get("now", DEFAULT_NOW), 0)
    clock = _Clock(now)
    store = memory_store(clock.now)
    ids = (_TENANT, str(ULID.from_timestamp(now)))
    await store.secrets.put(*ids, CREDENTIALS, case.given.get("credentials", {}))
    made = {name: text for name, text in case.given.get("webhook", {}).items() if name in _MADE}
    made = {**_MADE, **made}
    await store.secrets.put(*ids, WEBHOOK, made)
    await store.connections.create(
        Connection(
            tenant_id=ids[0],
            connection_id=ids[1],
            integration_id=case.integration_id,
            name=case.name,
            config=dict(case.given.get("config", {})),
            status="active",
            created_at=now,
            updated_at=now,
        )
    )
    return _Scene(store, Receiver(catalog, store, clock, PUBLIC_URL), clock, ids[1], case.given, catalog, made)


def _moment(text: str | None, start: float) -> float:
    """Epoch seconds: a time, or so much later (+) or earlier (-) than `start`."""
    if text is None:
        return start
    later = _LATER.fullmatch(text)
    return start + int(later[1]) * _SECONDS[later[2]] if later else datetime.fromisoformat(text).timestamp()


def _body(receive: Mapping[str, Any]) -> Response:
    """Headers and body; `raw` has the content type that the case gives it, or none."""
    if "raw" in receive:
        headers = {name.lower(): text for name, text in receive.get("headers", {}).items()}
        return Response(200, headers, receive["raw"].encode())
    return response_of(receive)


def _tampered(receive: Mapping[str, Any], tamper: Mapping[str, Any]) -> dict[str, Any]:
    """The message with one thing changed; a body stands in place of the one it had, under the same content type."""
    changed = {**receive, **{name: value for name, value in tamper.items() if name not in ("dropHeader", "now")}}
    kind = _body(receive).headers.get("content-type")
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
