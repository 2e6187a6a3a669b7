"""Subscribers on real sockets, a store in a real file, and events that are on their way between them."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ulid import ULID

from engine.catalog import Catalog
from engine.events.book import EventBook
from engine.events.deliver import Deliverer, Pace
from engine.events.subscriptions import SubscriptionService, Told
from engine.model import Delivery, Event, Subscription
from engine.runtime.clock import SystemClock
from engine.runtime.transport import HttpTransport
from engine.storage.ports import DeliveryQuery, Store
from engine.storage.sqlite import open_store
from tests.support.upstream import Handler, Reply, Seen, Upstream
from tests.telemetry.samples import Diary

TENANT = "tenant-a"
PHONE = "0900000001"
QUICK = Pace(timeout=0.5, turn=5.0, lease=8.0, idle=0.02, grace=0.3)


class Clock(SystemClock):
    """The machine's clock, put forward by the test; without jitter."""

    ahead = 0.0

    def now(self) -> float:
        return time.time() + self.ahead

    def fraction(self) -> float:
        return 0.5


def event(**fields: Any) -> Event:
    given = {"data": {"code": "A1", "phone": PHONE}, **fields}
    made = {
        "event_id": str(ULID()),
        "tenant_id": TENANT,
        "connection_id": "c1",
        "integration_id": "acme-shipping",
        "type": "parcel.moved",
        "received_at": time.time(),
        **given,
        "data": json.dumps(given["data"]).encode(),
    }
    return Event(**made)


def status(number: int, **headers: str) -> Handler:
    """A subscriber that always answers so."""
    named = {name.replace("_", "-"): text for name, text in headers.items()}
    return lambda _seen: Reply(number, named)


def hanging(_seen: Seen) -> Reply:
    return Reply(200, delay=60)


@dataclass
class Place:
    store: Store
    clock: Clock
    data_dir: Path
    service: SubscriptionService
    stack: AsyncExitStack
    diary: Diary = field(default_factory=Diary)
    private_ok: bool = True
    running: dict[Deliverer, asyncio.Task[None]] = field(default_factory=dict)

    async def subscriber(self, handler: Handler) -> Upstream:
        return await self.stack.enter_async_context(Upstream(handler))

    async def subscribe(self, to: Upstream | str, *types: str, tenant: str = TENANT) -> Told:
        url = to if isinstance(to, str) else f"{to.origin}/hook?token=canary-4711"
        return await self.service.create(tenant, url, types or ("*",))

    async def tell(self, *events: Event) -> list[str]:
        """As the receiver of webhooks does it."""
        for one in events:
            await EventBook(self.store).append([one])
        return [one.event_id for one in events]

    async def deliver(self, pace: Pace = QUICK) -> Deliverer:
        """One more process, as far as memory goes; it ends with the test."""
        transport = HttpTransport(allow_private=self.private_ok, lookup_threads=4)
        deliverer = Deliverer(self.store, transport, self.clock, self.diary, pace)
        if not self.running:
            self.stack.push_async_callback(self.stop)
        self.running[deliverer] = asyncio.create_task(deliverer.run())
        return deliverer

    async def stop(self) -> None:
        """All deliverers end, as they do when the service is told to."""
        for deliverer in self.running:
            deliverer.end()
        await asyncio.gather(*self.running.values())
        self.running.clear()

    async def deliveries(self, tenant: str = TENANT, **query: Any) -> list[Delivery]:
        return await self.store.deliveries.find(DeliveryQuery(tenant, limit=1000, **query))

    async def all_are(self, wanted: str, count: int, **query: Any) -> list[Delivery]:
        """Waits until there are that many deliveries, each in this status."""

        async def done() -> bool:
            found = await self.deliveries(**query)
            return len(found) == count and {one.status for one in found} == {wanted}

        await until(done)
        return await self.deliveries(**query)

    async def tried(self, times: int, **query: Any) -> Delivery:
        """Waits until the only delivery was tried that often and is recorded."""

        async def done() -> bool:
            return [one.attempts for one in await self.deliveries(**query)] == [times]

        await until(done)
        (one,) = await self.deliveries(**query)
        return one

    async def stored(self, told: Told) -> Subscription:
        found = await self.store.subscriptions.get(TENANT, told.subscription.subscription_id)
        assert found is not None
        return found


async def until(done: Callable[[], Awaitable[bool]]) -> None:
    for _ in range(3000):
        if await done():
            return
        await asyncio.sleep(0.005)
    raise AssertionError("it did not happen")


@asynccontextmanager
async def placed(folder: Path, catalog: Catalog | None = None, *, private_ok: bool = True) -> AsyncIterator[Place]:
    async with AsyncExitStack() as stack:
        store = open_store(data_dir=folder / "data")
        stack.push_async_callback(store.lifetime.close)
        clock = Clock()
        known = catalog or Catalog({})
        service = SubscriptionService(known, store, clock, private_ok=private_ok, wake=lambda: None)
        yield Place(store, clock, folder / "data", service, stack, private_ok=private_ok)
