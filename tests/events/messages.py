"""Webhooks of a made-up provider, compiled as the product does it, and messages to them."""

from __future__ import annotations

import hmac
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from engine.catalog import Catalog, Webhook
from engine.events.interpret import Known, Reading, interpret
from engine.plugins import Declaration, Registry
from engine.runtime.message import Message
from tests.support.specs import ID, catalog, fields, secret, setting, spec

NOW = 1_777_600_000.0
SECRET = "secret-of-the-tests-4711"
MADE = {
    "url": "https://hooks.example.com/webhooks/c1",
    "token": "token-of-the-tests",
    "secret": "hmac-key-of-the-tests",
}
SIGNED = {
    "scheme": "hmac-sha256",
    "text": "{{ request.raw }}",
    "key": "{{ credentials.apiKey }}",
    "given": 'headers."x-signature"',
}
MOVED = {"type": "parcel.moved", "dedupe": ["body.id"], "data": {"code": "body.code", "phone": "body.phone"}}


def webhook_spec(integration_id: str = ID, **webhooks: Any) -> dict[str, Any]:
    form = fields((), apiKey=secret(), other=secret(), shop=setting())
    block = {"verify": [SIGNED], "events": [MOVED], **webhooks}
    made = spec(integration_id=integration_id, configSchema=form, webhooks=block)
    return {**made, "auth": [{"method": "token", "type": "api_key"}]}


def compiled(folder: Path, *specs: Mapping[str, Any]) -> Catalog:
    registry = Registry()
    registry.add(
        Declaration("signer", "acme_mac"), lambda given: given.key.hex() + str(given.values["code"]), "acme.py"
    )
    return catalog(folder, *specs, registry=registry)


def webhook(folder: Path, **webhooks: Any) -> Webhook:
    made = compiled(folder, webhook_spec(**webhooks)).integrations[ID].webhook
    assert made is not None
    return made


def signed(body: Any, key: str = SECRET, **headers: str) -> Message:
    """A POST of this JSON with the signature that the provider would give it."""
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    mac = hmac.digest(key.encode(), raw, "sha256").hex()
    return message(raw, **{"content-type": "application/json", "x-signature": mac, **headers})


def message(raw: bytes = b"", method: str = "POST", query: str = "", key: str | None = None, **headers: str) -> Message:
    return Message(method, MADE["url"] + query, headers, raw, key)


def read(
    made: Webhook, came: Message, credentials: Mapping[str, Any] | None = None, now: float = NOW, **known: Any
) -> Reading:
    """What is made of a message, by somebody who knows these credentials."""
    secrets = {"apiKey": SECRET} if credentials is None else credentials
    return interpret(
        made, came, Known({"shop": "s1"}, secrets, known.pop("issued", MADE), known.pop("signers", {}), now)
    )


def events(reading: Reading) -> list[tuple[str, Any]]:
    return [(one.type, json.loads(one.data)) for one in reading.happenings]
