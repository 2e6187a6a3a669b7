"""An app of a made-up provider that tells of all its accounts at one address, and connections of such accounts."""

from __future__ import annotations

import hmac
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from engine.catalog import Catalog
from engine.events.book import EventBook
from engine.events.receipt import Receipt
from engine.events.receive import Receiver
from engine.model import Connection, Event
from engine.runtime.account import CREDENTIALS
from engine.runtime.apps import APP, APPS
from engine.runtime.message import Message
from engine.runtime.routes import proved
from engine.storage.ports import EventQuery, Store
from tests.events.messages import NOW, compiled
from tests.support.specs import ID, action, fields, secret, setting, spec

URL = "https://hooks.example.com"
CLIENT_SECRET = "fake-client-secret-0000"
OPERATORS = {"clientId": "fake-client-0000", "clientSecret": CLIENT_SECRET, "verifyToken": "fake-verify-token-0000"}
SIGNED = {
    "scheme": "hmac-sha256",
    "text": "{{ request.raw }}",
    "key": ["{{ app.clientSecret }}", "{{ app.previousClientSecret }}"],
    "given": 'headers."x-signature"',
}
HANDSHAKE = {
    "when": "method == 'GET'",
    "verify": [{"scheme": "equals", "given": 'query."hub.verify_token"', "key": "{{ app.verifyToken }}"}],
    "answer": {"text": "{{ request.query['hub.challenge'] }}"},
}
EVENTS = [
    {"when": "item.kind == 'gone'", "type": "connection.revoked", "dedupe": ["item.id"]},
    {
        "when": "item.kind",
        "type": "contact.updated",
        "dedupe": ["item.id"],
        "data": {"contactId": "to_string(item.contact)", "region": "config.region"},
    },
]
WEBHOOKS: Mapping[str, Any] = {
    "scope": "app",
    "handshakes": [HANDSHAKE],
    "verify": [SIGNED],
    "each": "body",
    "route": {"value": "to_string(item.portal)", "equals": "config.portalId"},
    "events": EVENTS,
    "answers": {"accepted": {"status": 204}, "duplicate": {"status": 208}},
}
CONSENT = {
    "method": "consent",
    "type": "oauth2",
    "authorize": {"url": "https://api.acme.example/authorize"},
    "exchange": {"request": {"method": "POST", "path": "/token"}},
    "token": {"access": "body.access_token"},
    "apply": {"headers": {"Authorization": "Bearer {{ token.access }}"}},
}
PRIVATE = {
    "method": "private",
    "type": "bearer",
    "needs": ["privateToken"],
    "apply": {"headers": {"Authorization": "Bearer {{ credentials.privateToken }}"}},
}


def app_spec(integration_id: str = ID, *actions: Mapping[str, Any], **webhooks: Any) -> dict[str, Any]:
    form = fields((), portalId=setting(readOnly=True), region=setting(), privateToken=secret())
    app = fields(
        ("clientId", "clientSecret"),
        clientId=setting(),
        clientSecret=secret(),
        previousClientSecret=secret(),
        verifyToken=secret(),
    )
    block = {name: value for name, value in {**WEBHOOKS, **webhooks}.items() if value is not None}
    return spec(
        *(actions or (action(),)),
        integration_id=integration_id,
        configSchema=form,
        app=app,
        auth=[PRIVATE, CONSENT],
        webhooks=block,
    )


def said(*items: Mapping[str, Any], key: str = CLIENT_SECRET) -> Message:
    raw = json.dumps(items).encode()
    mac = hmac.digest(key.encode(), raw, "sha256").hex()
    headers = {"content-type": "application/json", "x-signature": mac}
    return Message("POST", f"{URL}/webhooks/apps/{ID}", headers, raw)


def item(portal: Any, number: int = 1, **more: Any) -> dict[str, Any]:
    return {"portal": portal, "id": number, "kind": "changed", "contact": 7, **more}


@dataclass
class Clock:
    time: float = NOW

    def now(self) -> float:
        return self.time


@dataclass
class Place:
    store: Store
    catalog: Catalog
    clock: Clock

    def receiver(self) -> Receiver:
        """One more process, as far as memory goes."""
        return Receiver(self.catalog, self.store, self.clock, URL)

    async def tell(self, message: Message, integration_id: str = ID) -> Receipt:
        return await self.receiver().receive_app(integration_id, message)

    async def connect(
        self,
        connection_id: str,
        portal: Any = "1001",
        tenant: str = "tenant-a",
        *,
        own_app: Mapping[str, Any] | None = None,
        is_proved: bool = True,
        credentials: Mapping[str, Any] | None = None,
        **given: Any,
    ) -> Connection:
        await self.store.secrets.put(tenant, connection_id, CREDENTIALS, credentials or {})
        if own_app is not None:
            await self.store.secrets.put(tenant, connection_id, APP, own_app)
        config = {"portalId": portal, **given.pop("config", {})}
        made = replace(Connection(tenant, connection_id, ID, "Main", config, "active", NOW, NOW), **given)
        if is_proved:
            made = proved(made, self.catalog.integrations[made.integration_id])
        await self.store.connections.create(made)
        return made

    async def events(self, tenant: str = "tenant-a") -> list[Event]:
        return await EventBook(self.store).find(EventQuery(tenant, limit=200))

    async def told(self) -> dict[str, int]:
        """How many events each connection has, of whatever tenant."""
        counts: dict[str, int] = {}
        for tenant in await self.store.census.tenants():
            for event in await self.events(tenant):
                counts[event.connection_id] = counts.get(event.connection_id, 0) + 1
        return counts


async def operators_app_is(store: Store, app: Mapping[str, Any], integration_id: str = ID) -> None:
    await store.secrets.put(APPS, integration_id, APP, app)


def app_catalog(folder: Path, *specs: Mapping[str, Any]) -> Catalog:
    return compiled(folder, *(specs or (app_spec(),)))
