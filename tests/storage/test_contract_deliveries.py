"""What every adapter promises about arrivals, deliveries and the lanes that they wait in."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from itertools import product
from typing import Any

import pytest

from engine.model import Delivery
from engine.storage.ports import Arrival, DeliveryQuery, Lane, Store
from tests.storage.conftest import sweeps
from tests.storage.test_contract_events import event

NOW = 1_800_000_000.0


def delivery(number: int = 1, of: str = "s1", **fields: Any) -> Delivery:
    """Of event `number` to the subscription `of`, due at once."""
    made = Delivery(
        delivery_id=f"01JDELIV{number:016d}{of}",
        tenant_id="tenant-a",
        subscription_id=of,
        event_id=event(number).event_id,
        connection_id="c1",
        event_type="shipment.updated",
        created_at=event(number).received_at,
        queued_at=NOW,
        due_at=NOW,
    )
    return replace(made, **fields)


async def plan(store: Store, *deliveries: Delivery) -> None:
    """Stores the event of each delivery, and spreads it."""
    await store.events.append(
        [event(int(one.event_id[8:]), tenant_id=one.tenant_id, connection_id=one.connection_id) for one in deliveries]
    )
    arrivals = await store.deliveries.arrivals(1000)
    await store.deliveries.spread(
        [
            (came, [one for one in deliveries if (one.tenant_id, one.event_id) == (came.tenant_id, came.event_id)])
            for came in arrivals
        ]
    )


async def taken(store: Store, now: float = NOW, until: float = NOW + 30, limit: int = 10) -> list[str]:
    return sorted(lane.subscription_id for lane in await store.deliveries.take(now, until, limit))


async def lane_of(store: Store, now: float = NOW) -> Lane:
    (lane,) = await store.deliveries.take(now, now + 30, 1)
    return lane


async def statuses(store: Store, tenant: str = "tenant-a") -> dict[str, str]:
    return {one.delivery_id: one.status for one in await store.deliveries.find(DeliveryQuery(tenant, limit=1000))}


# --- arrivals ------------------------------------------------------------------------------------------------------


async def test_every_new_event_is_an_arrival_the_oldest_first_until_it_is_spread(store: Store) -> None:
    await store.events.append([event(1), event(2)])
    await store.events.append([event(2), event(3), event(4, tenant_id="tenant-b")])
    found = await store.deliveries.arrivals(10)
    first = Arrival("tenant-a", event(1).event_id, "c1", "shipment.updated", event(1).received_at)
    assert found[0] == first
    assert [(one.tenant_id, one.event_id) for one in found] == [
        ("tenant-a", event(1).event_id),
        ("tenant-a", event(2).event_id),
        ("tenant-a", event(3).event_id),
        ("tenant-b", event(4).event_id),
    ]
    assert await store.deliveries.arrivals(2) == found[:2]
    await store.deliveries.spread([(found[1], []), (found[3], [])])
    assert await store.deliveries.arrivals(10) == [found[0], found[2]]


async def test_spreading_again_makes_nothing_twice_and_undoes_nothing(store: Store) -> None:
    """Two processes found the same arrival; by the time of the second, the delivery of the first is over."""
    await store.events.append([event(1)])
    (arrival,) = await store.deliveries.arrivals(10)
    await store.deliveries.spread([(arrival, [delivery(), delivery(of="s2")])])
    await store.deliveries.record(delivery(status="delivered", attempts=1))
    await store.deliveries.spread([(arrival, [delivery(), delivery(of="s3")])])
    assert await statuses(store) == {delivery().delivery_id: "delivered", delivery(of="s2").delivery_id: "pending"}


async def test_a_delivery_comes_back_as_it_was_stored_and_only_for_its_tenant(store: Store) -> None:
    await plan(store, delivery())
    assert await store.deliveries.get("tenant-a", delivery().delivery_id) == delivery()
    assert await store.deliveries.get("tenant-b", delivery().delivery_id) is None
    assert await store.deliveries.find(DeliveryQuery("tenant-b")) == []
    assert await store.deliveries.lanes("tenant-b") == []
    assert await store.deliveries.requeue("tenant-b", delivery().delivery_id, NOW) is None


# --- lanes ---------------------------------------------------------------------------------------------------------


async def test_a_lane_is_one_deliverers_until_it_is_released_or_its_time_is_over(store: Store) -> None:
    await plan(store, delivery(), delivery(2), delivery(3, of="s2"))
    assert await taken(store) == ["s1", "s2"]
    assert await taken(store, NOW + 29) == []
    assert await taken(store, NOW + 30, NOW + 60) == ["s1", "s2"]
    lane = await lane_of(store, NOW + 60)
    await store.deliveries.release(lane)
    assert await taken(store, NOW + 60) == ["s1", "s2"]


async def test_many_who_take_at_once_get_each_lane_once(store: Store) -> None:
    await plan(store, *(delivery(n, of=f"s{n}") for n in range(12)))
    got = await asyncio.gather(*(store.deliveries.take(NOW, NOW + 30, 3) for _ in range(10)))
    lanes = [lane.subscription_id for one in got for lane in one]
    assert sorted(lanes) == sorted(f"s{n}" for n in range(12))
    assert max(map(len, got)) <= 3


async def test_who_waits_longest_comes_first(store: Store) -> None:
    await plan(store, *(delivery(n, of=f"s{n}", due_at=NOW - n) for n in range(6)))
    assert await taken(store, limit=2) == ["s4", "s5"]
    assert await taken(store, limit=3) == ["s1", "s2", "s3"]


async def test_a_lane_without_anything_due_is_nobodys(store: Store) -> None:
    await plan(store, delivery(due_at=NOW + 10))
    assert await taken(store) == []
    lane = await lane_of(store, NOW + 10)
    assert await store.deliveries.due(lane, NOW + 9, 10) == []
    (one,) = await store.deliveries.due(lane, NOW + 10, 10)
    await store.deliveries.record(replace(one, status="delivered"))
    await store.deliveries.release(lane)
    assert await taken(store, NOW + 9_999, NOW + 10_000) == []


async def test_a_released_lane_is_due_when_the_first_of_its_deliveries_is(store: Store) -> None:
    await plan(store, delivery(), delivery(2))
    lane = await lane_of(store)
    first, second = await store.deliveries.due(lane, NOW, 10)
    await store.deliveries.record(replace(first, due_at=NOW + 50, attempts=1))
    await store.deliveries.record(replace(second, due_at=NOW + 70, attempts=1))
    await store.deliveries.release(lane)
    assert await taken(store, NOW + 49) == []
    assert await taken(store, NOW + 50) == ["s1"]


async def test_what_comes_in_while_a_lane_is_held_is_found_after_its_release_and_not_before(store: Store) -> None:
    await plan(store, delivery())
    lane = await lane_of(store)
    (one,) = await store.deliveries.due(lane, NOW, 10)
    await store.deliveries.record(replace(one, status="delivered"))
    await plan(store, delivery(2))
    assert await taken(store) == []
    await store.deliveries.release(lane)
    assert await taken(store) == ["s1"]


async def test_a_pause_keeps_a_lane_and_what_is_said_of_it_is_kept(store: Store) -> None:
    await plan(store, delivery())
    lane = await lane_of(store)
    await store.deliveries.release(replace(lane, strikes=3, failing_since=NOW, paused_until=NOW + 15))
    assert await taken(store, NOW + 14) == []
    (seen,) = await store.deliveries.lanes("tenant-a")
    assert (seen.strikes, seen.failing_since, seen.paused_until) == (3, NOW, NOW + 15)
    again = await lane_of(store, NOW + 15)
    assert (again.strikes, again.failing_since) == (3, NOW)
    await store.deliveries.release(replace(again, paused_until=NOW + 99))
    await store.deliveries.resume("tenant-a", "s1")
    resumed = await lane_of(store, NOW + 16)
    assert (resumed.strikes, resumed.failing_since, resumed.paused_until) == (0, None, 0)


async def test_who_lost_a_lane_can_not_release_it(store: Store) -> None:
    """Its time was over, and another has it now."""
    await plan(store, delivery())
    lost = await lane_of(store)
    await lane_of(store, NOW + 30)
    await store.deliveries.release(replace(lost, strikes=9))
    assert await taken(store, NOW + 59) == []
    (seen,) = await store.deliveries.lanes("tenant-a")
    assert seen.strikes == 0


# --- deliveries ----------------------------------------------------------------------------------------------------


async def test_what_is_due_comes_in_the_order_of_its_time_and_only_of_its_lane(store: Store) -> None:
    rows = [delivery(n, due_at=NOW - 10 + n) for n in (4, 2, 9, 11)]
    await plan(store, *rows, delivery(5, of="s2"), delivery(6, tenant_id="tenant-b"))
    lanes = await store.deliveries.take(NOW, NOW + 30, 10)
    lane = next(one for one in lanes if (one.tenant_id, one.subscription_id) == ("tenant-a", "s1"))
    assert await store.deliveries.due(lane, NOW, 10) == [rows[1], rows[0], rows[2]]
    assert await store.deliveries.due(lane, NOW, 2) == [rows[1], rows[0]]


async def test_a_record_needs_the_version_that_was_read(store: Store) -> None:
    await plan(store, delivery())
    tried = delivery(attempts=1, last_attempt_at=NOW, http_status=503, error="it answered 503", due_at=NOW + 5)
    assert await store.deliveries.record(tried)
    stored = await store.deliveries.get("tenant-a", tried.delivery_id)
    assert stored == replace(tried, version=tried.version + 1)
    assert not await store.deliveries.record(delivery(status="dead"))
    assert not await store.deliveries.record(delivery(2))
    assert await store.deliveries.get("tenant-a", tried.delivery_id) == stored


@pytest.mark.parametrize("status", ["dead", "delivered", "pending"])
async def test_what_is_put_in_again_is_as_if_new_and_ends_a_pause(store: Store, status: Any) -> None:
    await plan(store, delivery())
    lane = await lane_of(store)
    tried = delivery(status=status, attempts=10, last_attempt_at=NOW, http_status=500, error="no", due_at=NOW + 99)
    await store.deliveries.record(tried)
    await store.deliveries.release(replace(lane, strikes=4, paused_until=NOW + 99))
    again = await store.deliveries.requeue("tenant-a", tried.delivery_id, NOW + 7)
    assert again is not None
    assert again == replace(delivery(), queued_at=NOW + 7, due_at=NOW + 7, last_attempt_at=NOW, version=again.version)
    assert await store.deliveries.get("tenant-a", tried.delivery_id) == again
    assert not await store.deliveries.record(replace(tried, version=2))
    assert await taken(store, NOW + 7) == ["s1"]


async def test_what_is_put_in_again_gets_a_lane_also_where_none_is_left(store: Store) -> None:
    assert await store.deliveries.requeue("tenant-a", "nobody", NOW) is None
    await plan(store, delivery(status="dead"))
    await store.deliveries.requeue("tenant-a", delivery().delivery_id, NOW)
    assert await taken(store) == ["s1"]


async def test_burying_makes_the_pending_of_one_lane_dead(store: Store, is_on_aws: bool) -> None:
    count, old = (120, 80) if is_on_aws else (600, 400)
    rows = [delivery(n, queued_at=NOW + n) for n in range(count)]
    await plan(store, *rows, delivery(700, of="s2"), delivery(701, tenant_id="tenant-b"))
    await store.deliveries.record(replace(rows[0], status="delivered"))
    assert await store.deliveries.bury("tenant-a", "s1", "too old", NOW + old) == old - 1
    assert await store.deliveries.bury("tenant-a", "s1", "off") == count - old
    assert await store.deliveries.bury("tenant-a", "s1", "off") == 0
    found = await statuses(store)
    assert found.pop(rows[0].delivery_id) == "delivered"
    assert found.pop(delivery(700, of="s2").delivery_id) == "pending"
    assert set(found.values()) == {"dead"}
    dead = await store.deliveries.get("tenant-a", rows[1].delivery_id)
    assert dead is not None
    assert dead.error == "too old"
    assert not await store.deliveries.record(replace(rows[1], status="delivered"))


async def test_forgetting_a_connection_takes_what_is_pending_of_it_and_no_more(store: Store, is_on_aws: bool) -> None:
    kept = [delivery(3, connection_id="c2"), delivery(4, tenant_id="tenant-b"), delivery(5, status="dead")]
    await plan(store, *(delivery(n) for n in range(300, 370 if is_on_aws else 600)), *kept)
    await store.events.append([event(8), event(9, connection_id="c2"), event(10, tenant_id="tenant-b")])
    await store.deliveries.forget_connection("tenant-a", "c1")
    assert await statuses(store) == {kept[0].delivery_id: "pending", kept[2].delivery_id: "dead"}
    assert await statuses(store, "tenant-b") == {kept[1].delivery_id: "pending"}
    left = [(one.tenant_id, one.connection_id) for one in await store.deliveries.arrivals(10)]
    assert left == [("tenant-a", "c2"), ("tenant-b", "c1")]


async def test_an_arrival_that_was_forgotten_is_not_spread_any_more(store: Store) -> None:
    """The connection was deleted between finding its event and spreading it."""
    await store.events.append([event(1)])
    (arrival,) = await store.deliveries.arrivals(10)
    await store.deliveries.forget_connection("tenant-a", "c1")
    await store.deliveries.spread([(arrival, [delivery()])])
    assert await statuses(store) == {}
    assert await taken(store) == []


async def test_forgetting_a_subscription_takes_all_of_it_and_no_more(store: Store, is_on_aws: bool) -> None:
    kept = [delivery(3, of="s2"), delivery(4, tenant_id="tenant-b")]
    await plan(store, *(delivery(n) for n in range(300, 370 if is_on_aws else 600)), delivery(5, status="dead"), *kept)
    await store.deliveries.forget_subscription("tenant-a", "s1")
    assert await statuses(store) == {kept[0].delivery_id: "pending"}
    assert await statuses(store, "tenant-b") == {kept[1].delivery_id: "pending"}
    assert [lane.subscription_id for lane in await store.deliveries.lanes("tenant-a")] == ["s2"]


async def test_a_list_is_newest_first_filtered_and_pages_hold_each_once(store: Store) -> None:
    kinds: list[tuple[str, Any, int]] = list(product(("s1", "s2"), ("pending", "dead", "delivered"), range(3)))
    rows = [
        delivery(number // 2, of, delivery_id=f"01J{number:03d}", status=status)
        for number, (of, status, _) in enumerate(kinds)
    ]
    await plan(store, *rows)
    whole = sorted(rows, key=lambda row: (row.created_at, row.delivery_id), reverse=True)
    for of, status, number in product((None, "s1", "s3"), (None, "dead"), (None, 3)):
        event_id = None if number is None else event(number).event_id
        query = DeliveryQuery("tenant-a", of, status, event_id)
        fit = [
            row
            for row in whole
            if of in (None, row.subscription_id) and status in (None, row.status) and event_id in (None, row.event_id)
        ]
        assert await store.deliveries.find(query) == fit
        paged: list[Delivery] = []
        for _ in range(10):
            after = (paged[-1].created_at, paged[-1].delivery_id) if paged else None
            page = await store.deliveries.find(replace(query, limit=4, after=after))
            paged += page
            if len(page) < 4:
                break
        assert paged == fit


@sweeps
async def test_old_deliveries_and_arrivals_are_removed_and_no_others(store: Store) -> None:
    await plan(store, *(delivery(n, status="dead") for n in range(8)))
    await store.events.append([event(20), event(21)])
    before = event(5).received_at
    assert await store.deliveries.expire(before, batch=3) == 3
    assert await store.deliveries.expire(before, batch=3) == 2
    assert await store.deliveries.expire(before) == 0
    assert await statuses(store) == {delivery(n).delivery_id: "dead" for n in (5, 6, 7)}
    assert len(await store.deliveries.arrivals(10)) == 2
    assert await store.deliveries.expire(event(21).received_at) == 3
    assert [one.event_id for one in await store.deliveries.arrivals(10)] == [event(21).event_id]
