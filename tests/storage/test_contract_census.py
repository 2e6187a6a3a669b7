"""What a store tells of all tenants, to who moves it: everything, and each of it once."""

from __future__ import annotations

from dataclasses import replace

from engine.model import Event, Subscription
from engine.storage.ports import Arrival, Store
from tests.storage.samples import Clock, connection, execution


async def test_every_tenant_with_anything_stored_is_told_once(store: Store) -> None:
    await store.connections.create(connection(1))
    await store.connections.create(connection(2))
    await store.executions.append(replace(execution(1), tenant_id="tenant-log"))
    await store.events.append([Event("e1", "tenant-event", "c1", "i1", "t", b"{}", 1_800_000_000.0)])
    one = Subscription("s1", "tenant-sub", ("*",), b"x", "active", 1_800_000_000.0, 1_800_000_000.0)
    assert await store.subscriptions.create(one, 5)
    assert await store.census.tenants() == ["tenant-a", "tenant-event", "tenant-log", "tenant-sub"]


async def test_an_empty_store_has_no_tenants_records_or_arrivals(store: Store) -> None:
    assert await store.census.tenants() == []
    assert [one async for one in store.census.records("idempotency:")] == []
    assert [one async for one in store.census.arrivals()] == []


async def test_all_live_records_of_a_kind_come_by_key_however_many(store: Store, clock: Clock) -> None:
    keys = [f"kind:{number:05d}" for number in range(130)]
    for key in keys:
        await store.state.put(key, key.encode(), expected=0, ttl_seconds=60)
    await store.state.put("kind:gone", b"", expected=0, ttl_seconds=1)
    await store.state.put("kinds:other", b"", expected=0, ttl_seconds=60)
    clock.time += 2
    assert [(key, one.value.decode()) async for key, one in store.census.records("kind:")] == [(k, k) for k in keys]


async def test_all_arrivals_come_and_one_that_is_spread_does_not(store: Store) -> None:
    events = [Event(f"e{number}", "tenant-a", "c1", "i1", "t", b"{}", 1_800_000_000.0) for number in range(9)]
    await store.events.append(events)
    await store.deliveries.spread([(Arrival("tenant-a", "e4", "c1", "t", 1_800_000_000.0), [])])
    found = sorted([one async for one in store.census.arrivals()], key=lambda one: one.event_id)
    assert found == [
        Arrival("tenant-a", one.event_id, "c1", "t", 1_800_000_000.0) for one in events if one.event_id != "e4"
    ]


async def test_all_names_of_a_connections_secret_are_found_together(store: Store) -> None:
    for name in ("credentials", "token"):
        await store.secrets.put("tenant-a", "c1", name, {"of": name})
    await store.secrets.put("tenant-a", "c1", "token", {"of": "a newer one"})
    await store.secrets.put("tenant-a", "c2", "credentials", {"of": "another"})
    found = await store.secrets.find("tenant-a", "c1")
    assert {name: (dict(one.value), one.version) for name, one in found.items()} == {
        "credentials": ({"of": "credentials"}, 1),
        "token": ({"of": "a newer one"}, 2),
    }
    assert await store.secrets.find("tenant-b", "c1") == {}
