"""What every adapter promises about events."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from itertools import product

import pytest

from engine.errors import VersionConflict
from engine.model import Event
from engine.storage.ports import EventQuery, Store
from tests.storage.conftest import sweeps
from tests.storage.samples import connection


def event(number: int, **fields: object) -> Event:
    made = Event(
        event_id=f"01JEVENT{number:018d}",
        tenant_id="tenant-a",
        connection_id="c1",
        integration_id="i1",
        type="shipment.updated",
        data=b"\x00sealed\xff",
        received_at=1_800_000_000.0 + number / 8,
    )
    return replace(made, **fields)  # type: ignore[arg-type]


async def test_an_event_comes_back_as_it_was_stored_and_only_for_its_tenant(store: Store) -> None:
    assert await store.events.append([event(1)]) == {event(1).event_id}
    assert await store.events.get("tenant-a", event(1).event_id) == event(1)
    assert await store.events.get("tenant-b", event(1).event_id) is None
    assert await store.events.find(EventQuery("tenant-b")) == []


async def test_of_two_with_one_id_the_first_is_kept(store: Store) -> None:
    """Whether they come together or one after the other; another tenant's id is another one."""
    other = event(1, type="shipment.lost")
    assert await store.events.append([event(1), other]) == {event(1).event_id}
    assert await store.events.append([other, event(2)]) == {event(2).event_id}
    assert await store.events.append([other]) == frozenset()
    assert await store.events.get("tenant-a", event(1).event_id) == event(1)
    assert await store.events.append([event(1, tenant_id="tenant-b")]) == {event(1).event_id}


async def test_of_many_at_once_with_one_id_one_is_new(store: Store) -> None:
    new = await asyncio.gather(*(store.events.append([event(1, connection_id=f"c{i}")]) for i in range(40)))
    assert [len(ids) for ids in new].count(1) == 1
    assert len(await store.events.find(EventQuery("tenant-a"))) == 1


async def test_a_list_is_newest_first_and_pages_hold_each_event_once(store: Store) -> None:
    """Also where several came in the same moment: the id decides then."""
    rows = [event(number, received_at=1_800_000_000.0 + number // 3) for number in range(1, 12)]
    await store.events.append(rows[::2])
    await store.events.append(rows[1::2])
    whole = sorted(rows, key=lambda row: (row.received_at, row.event_id), reverse=True)
    assert await store.events.find(EventQuery("tenant-a")) == whole
    found: list[Event] = []
    after = None
    for _ in range(10):
        page = await store.events.find(EventQuery("tenant-a", limit=4, after=after))
        found += page
        if len(page) < 4:
            break
        after = (page[-1].received_at, page[-1].event_id)
    assert found == whole


async def test_filters_are_connection_and_type(store: Store) -> None:
    kinds = list(product(("c1", "c2"), ("shipment.updated", "payment.paid")))
    rows = [event(number, connection_id=of, type=kind) for number, (of, kind) in enumerate(kinds)]
    await store.events.append(rows)
    for of, kind in product((None, "c1", "c3"), (None, "payment.paid", "nothing.known")):
        found = await store.events.find(EventQuery("tenant-a", of, kind))
        assert found == [row for row in rows[::-1] if of in (None, row.connection_id) and kind in (None, row.type)]


@sweeps
async def test_old_events_are_removed_and_no_others(store: Store) -> None:
    await store.events.append([event(number) for number in range(8)])
    assert await store.events.expire(event(5).received_at, batch=3) == 3
    assert await store.events.expire(event(5).received_at, batch=3) == 2
    assert await store.events.expire(event(5).received_at) == 0
    assert await store.events.find(EventQuery("tenant-a")) == [event(7), event(6), event(5)]


async def test_a_connection_is_located_by_its_id_alone(store: Store) -> None:
    """By who knows no tenant. Where two tenants have one with this id, it is nobody's."""
    await store.connections.create(connection(1))
    assert await store.connections.locate("c1") == connection(1)
    assert await store.connections.locate("c2") is None
    changed = await store.connections.update(replace(connection(1), name="Renamed"))
    assert await store.connections.locate("c1") == changed
    await store.connections.create(connection(1, tenant_id="tenant-b"))
    assert await store.connections.locate("c1") is None
    with pytest.raises(VersionConflict):
        await store.connections.create(connection(1))
    await store.connections.delete("tenant-a", "c1")
    found = await store.connections.locate("c1")
    assert found is not None
    assert found.tenant_id == "tenant-b"
