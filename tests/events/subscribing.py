"""A provider that keeps subscriptions, over a real socket, and a connection whose webhook is opened there."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from engine.background import open_rounds
from engine.events.book import EventBook
from engine.events.endpoint import Endpoints
from engine.events.receipt import Receipt
from engine.events.receive import Receiver
from engine.model import Connection, Event
from engine.runtime.address import WEBHOOK
from engine.runtime.message import Message
from engine.storage.ports import EventQuery
from tests.events.messages import webhook_spec
from tests.support.scene import TENANT, Scene, Stillstand, running
from tests.support.specs import fields, secret, setting
from tests.support.upstream import Handler, Reply, Seen, answer

URL = "https://hooks.example.com"
LIFE = 1000.0
TOKENED = {"scheme": "equals", "given": 'headers."x-token"', "key": "{{ webhook.token }}"}
CREATE = {
    "request": {
        "method": "POST",
        "path": "/watch",
        "json": {"id": "{{ webhook.channelId }}", "address": "{{ webhook.url }}", "token": "{{ webhook.token }}"},
    },
    "capture": {"resourceId": "body.resource"},
    "expiresAt": "from_time(body.until, 'unix_ms')",
}
DELETE = {
    "request": {
        "method": "POST",
        "path": "/stop/{{ webhook.captured.resourceId }}",
        "json": {"id": "{{ webhook.channelId }}"},
    }
}
RENEW = {
    "request": {"method": "PUT", "path": "/watch/{{ webhook.captured.resourceId }}"},
    "expiresAt": "from_time(body.until, 'unix_ms')",
}
MOVED = {"type": "parcel.moved", "dedupe": ["body.id"]}


def subscribing(**subscribe: Any) -> dict[str, Any]:
    block = {"create": CREATE, "delete": DELETE, **subscribe}
    block = {name: part for name, part in block.items() if part is not None}
    one = webhook_spec(verify=[TOKENED], events=[MOVED], subscribe=block)
    one["configSchema"] = fields((), apiKey=secret(), other=secret(), shop=setting())
    one["auth"] = [
        {
            "method": "token",
            "type": "api_key",
            "needs": ["apiKey"],
            "apply": {"headers": {"X-Api-Key": "{{ credentials.apiKey }}"}},
        }
    ]
    return one


@dataclass
class Provider:
    """Keeps the subscriptions that it was asked for, by resource."""

    clock: Stillstand
    held: dict[str, Mapping[str, Any]] = field(default_factory=dict)
    made: int = 0
    fails: dict[str, Handler] = field(default_factory=dict)

    def __call__(self, seen: Seen) -> Reply:
        kind = seen.path.split("/")[1] if seen.method != "PUT" else "renew"
        if kind in self.fails:
            return self.fails[kind](seen)
        resource = seen.path.rpartition("/")[2]
        if kind == "stop":
            gone = self.held.pop(resource, None)
            return answer({"ok": True} if gone else {"error": "unknown"}, 200 if gone else 404)
        if kind == "renew":
            if resource not in self.held:
                return answer({"error": "unknown"}, 404)
            return answer({"until": self._until()})
        self.made += 1
        resource = f"r{self.made}"
        self.held[resource] = seen.json()
        return answer({"resource": resource, "until": self._until()})

    def _until(self) -> int:
        return int((self.clock.now() + LIFE) * 1000)


@dataclass
class Play:
    scene: Scene
    provider: Provider
    clock: Stillstand

    @property
    def connection(self) -> Connection:
        return self.scene.connection

    @property
    def ids(self) -> tuple[str, str]:
        return TENANT, self.connection.connection_id

    async def open(self) -> Any:
        return await Endpoints(self.scene.engine).open(*self.ids)

    async def close(self) -> None:
        await Endpoints(self.scene.engine).close(*self.ids)

    async def stored(self) -> dict[str, Any]:
        found = await self.scene.engine.store.secrets.get(*self.ids, WEBHOOK)
        return dict(found.value) if found is not None else {}

    async def go(self) -> None:
        """A round of what is due."""
        assert await open_rounds(self.scene.engine).go()

    async def pass_(self, seconds: float) -> None:
        self.clock.passed += seconds

    async def tell(self, token: str, number: int = 1) -> Receipt:
        """As the provider would, to a process that knows nothing."""
        engine = self.scene.engine
        receiver = Receiver(engine.catalog, engine.store, engine.clock, URL)
        raw = json.dumps({"id": number}).encode()
        headers = {"content-type": "application/json", "x-token": token}
        url = f"{URL}/webhooks/{self.connection.connection_id}"
        return await receiver.receive(self.connection.connection_id, Message("POST", url, headers, raw))

    async def events(self) -> list[Event]:
        return await EventBook(self.scene.engine.store).find(EventQuery(TENANT))

    @property
    def asked(self) -> list[str]:
        return [f"{seen.method} {seen.path}" for seen in self.scene.upstream.seen]


@asynccontextmanager
async def played(tmp_path: Path, **subscribe: Any) -> AsyncIterator[Play]:
    clock = Stillstand()
    provider = Provider(clock)
    async with AsyncExitStack() as stack:
        scene = await stack.enter_async_context(
            running(tmp_path, subscribing(**subscribe), provider, clock=clock, settings={"public_url": URL})
        )
        yield Play(scene, provider, clock)


def status(number: int, body: Any = None) -> Handler:
    return lambda _seen: answer({"error": "no"} if body is None else body, number)
