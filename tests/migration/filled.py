"""A store with something of every kind, and what a reader sees of it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

from ulid import ULID

from engine.events import target
from engine.events.book import EventBook
from engine.events.spread import delivery_id
from engine.events.target import SigningSecret, Target
from engine.events.unfetched import Unfetched
from engine.identity.tokens import TokenBook
from engine.library import exact
from engine.model import Connection, Delivery, Event, Execution, Subscription
from engine.runtime import idempotency
from engine.runtime.account import CREDENTIALS, TOKEN
from engine.runtime.address import WEBHOOK
from engine.runtime.agenda import Agenda
from engine.runtime.apps import AppBook
from engine.storage.ports import Arrival, DeliveryQuery, EventQuery, ExecutionQuery, Store
from engine.storage.sqlite import open_store

NOW = 1_800_000_000.0
SINCE = NOW - 30 * 86_400
TENANTS = ("shop-a", "shop-b")
CALLS = 230
SECRET = "fake-api-token-0000"
SIGNING = "whsec_ZmFrZS1zaWduaW5nLXNlY3JldA=="
ANSWER = '{"success":true,"data":{"orderCode":"FAKE1"}}'


def clock() -> float:
    return NOW


@asynccontextmanager
async def on_sqlite(*folders: Path) -> AsyncIterator[list[Store]]:
    """A store in each of the folders."""
    async with AsyncExitStack() as stack:
        stores = []
        for folder in folders:
            stores.append(open_store(data_dir=folder, now=clock))
            stack.push_async_callback(stores[-1].lifetime.close)
        yield stores


async def fill(store: Store) -> None:
    for tenant in TENANTS:
        await _accounts(store, tenant)
        await _log(store, tenant, CALLS)
        await _happened(store, tenant)
        await _remembered(store, tenant)
    await _log(store, "gone-shop", 3)  # whose connections were deleted
    book = TokenBook(store, clock)
    await book.create("orders", "token", ("execute",), ("shop-*",))
    await book.create("billing", "key", ("execute", "administer"), ("*",))
    for number, name in enumerate(("crm-acme", "shipping-acme")):
        await AppBook(store).put(name, {"clientId": f"fake-client-{number}", "clientSecret": "fake-client-secret"})
    for number, tenant in enumerate(TENANTS):
        await Agenda(store.state, clock).put("grant", tenant, f"{tenant}-c1", NOW + 60 * number)
        waiting = replace(_event(tenant, 99), connection_id=f"{tenant}-c2")
        await Unfetched(store, clock).put(waiting, "get_order", b'{"orderCode":"FAKE1"}')
        await Agenda(store.state, clock).put("fetch", tenant, f"{tenant}-c2", NOW + 3600)


async def _accounts(store: Store, tenant: str) -> None:
    for number in range(3):
        connection_id = f"{tenant}-c{number}"
        config = {"shopId": "885", "rate": Decimal("1.5"), "nested": [1, True, None, "ố"]}
        made = Connection(tenant, connection_id, "shipping-acme", "Main", config, "active", NOW + number, NOW + 9)
        made = replace(made, last_error_at=NOW, last_error="refused", version=4 + number, route=f"route-{number}")
        await store.connections.create(made)
        await store.secrets.put(tenant, connection_id, CREDENTIALS, {"token": f"{SECRET}-{tenant}-{number}"})
    await store.secrets.put(tenant, f"{tenant}-c1", TOKEN, {"access": "fake-access", "obtainedAt": 1})
    await store.secrets.put(tenant, f"{tenant}-c1", WEBHOOK, {"secret": "fake-webhook-secret"})


async def _log(store: Store, tenant: str, count: int) -> None:
    """Some of the rows begin in one moment."""
    rows = [_execution(tenant, number) for number in range(count)]
    await asyncio.gather(*map(store.executions.append, rows))
    await store.executions.append(replace(_execution(tenant, count), created_at=SINCE - 1))  # about to fall away


def _execution(tenant: str, number: int) -> Execution:
    at = NOW - 1000 + number // 5
    drawn = str(ULID.from_timestamp(at))[:10]
    tail = f"{len(tenant)}{tenant[-1].upper()}{number:014d}"
    connection_id = f"{tenant}-c{number % 3}"
    return Execution(
        f"{drawn}{tail}", tenant, connection_id, "shipping-acme", "create_order", b'{"weight":1200}',
        b'{"fee":36300}' if number % 2 else None, "success" if number % 2 else "error", None, None, 41, "agent", None,
        at, attempts=1, http_status=200, error_details=b'{"field":"to"}' if number % 7 == 0 else None,
    )  # fmt: skip


async def _happened(store: Store, tenant: str) -> None:
    subscriptions = []
    for number in range(2):
        identity = f"{tenant}-s{number}"
        where = Target(
            f"https://hooks.example.com/{number}", (SigningSecret(SIGNING), SigningSecret(SIGNING, NOW + 60))
        )
        seal = await target.sealed(store, tenant, identity, where)
        one = Subscription(identity, tenant, ("order.*",), seal, "active", NOW - 900 + number, NOW, version=3)
        assert await store.subscriptions.create(one, 50)
        subscriptions.append(one)
    events = [_event(tenant, number) for number in range(12)]
    await EventBook(store).append(events)
    # Of the last event nobody has seen yet who wants it; the first is wanted by nobody.
    for number, event in enumerate(events[:-1]):
        wanted = [_delivery(event, one, number) for one in subscriptions] if number else []
        arrival = Arrival(tenant, event.event_id, event.connection_id, event.type, event.received_at)
        await store.deliveries.spread([(arrival, wanted)])


def _event(tenant: str, number: int) -> Event:
    at = NOW - 500 + number // 3
    identity = str(ULID.from_timestamp(at))[:10] + f"{number:016d}"
    return Event(identity, tenant, f"{tenant}-c1", "shipping-acme", "order.changed", b'{"orderCode":"FAKE1"}', at)


def _delivery(event: Event, subscription: Subscription, number: int) -> Delivery:
    status: Any = ("pending", "delivered", "dead")[number % 3]
    return Delivery(
        delivery_id(event.event_id, subscription.subscription_id), event.tenant_id, subscription.subscription_id,
        event.event_id, event.connection_id, event.type, event.received_at, event.received_at + 1,
        event.received_at + 60, status, 2, event.received_at + 2, 503, "the subscriber answered 503", 3,
    )  # fmt: skip


async def _remembered(store: Store, tenant: str) -> None:
    await store.vault.prepare(tenant)
    for number, state in enumerate(("running", "done")):
        key = f"{idempotency.PREFIX}{tenant}:{number:064x}"
        record = {"state": state, "print": "ab", **({"answer": ANSWER} if state == "done" else {"until": NOW})}
        value = idempotency.sealed(store.vault, key, record)
        await store.state.put(key, value, expected=0, ttl_seconds=3600 + number, durable=True)
    await store.state.put(f"webhook:{tenant}:c1:abc", b"01EVENT", expected=0, ttl_seconds=86_400)
    await store.state.put(f"breaker:{tenant}:x", b"open", expected=0, ttl_seconds=60)  # stays behind


async def seen(store: Store) -> dict[str, Any]:
    """All that a reader sees of it, opened."""
    told: dict[str, Any] = {}
    for tenant in await store.census.tenants():
        connections = await store.connections.find(tenant)
        ids = [one.connection_id for one in connections]
        events = await EventBook(store).find(EventQuery(tenant, limit=200))
        told[tenant] = {
            "connections": connections,
            "secrets": {one: _values(await store.secrets.find(tenant, one)) for one in ids},
            "subscriptions": [
                (replace(one, sealed=b""), target.opened(store.vault, one))
                for one in await store.subscriptions.find(tenant)
            ],
            "events": events,
            "deliveries": await store.deliveries.find(DeliveryQuery(tenant, limit=200)),
            "due": [
                one.delivery_id
                for lane in sorted(await store.deliveries.lanes(tenant), key=lambda lane: lane.subscription_id)
                for one in await store.deliveries.due(lane, NOW, 50)
            ],
            "executions": await store.executions.find(ExecutionQuery(tenant, start=SINCE, limit=500)),
        }
    told["arrivals"] = sorted([one.event_id async for one in store.census.arrivals()])
    told["answers"] = {
        key: (idempotency.opened(store.vault, key, record.value), round(record.expires_at))
        async for key, record in store.census.records(idempotency.PREFIX)
    }
    told["known"] = {key: record.value async for key, record in store.census.records("webhook:")}
    book = TokenBook(store, clock)
    told["tokens"] = [
        (
            one.name,
            one.kind,
            one.grant,
            [key.key_id for key in one.secrets],
            [_secret(book, one, key) for key in one.secrets],
        )
        for one in await book.tokens()
    ]
    told["apps"] = await AppBook(store).apps()
    told["waiting"] = [
        replace(one, version=0)
        for tenant in TENANTS
        for one in await Unfetched(store, clock).of(tenant, f"{tenant}-c1")
    ]
    told["agenda"] = {key: record.value async for key, record in store.census.records("agenda:")}
    return told


def _values(found: Any) -> dict[str, Any]:
    return {name: exact.loads(exact.dumps(dict(one.value))) for name, one in found.items()}


def _secret(book: TokenBook, token: Any, key: Any) -> str | None:
    return book.secret_of(key) if token.kind == "key" else None
