"""Nobody waits for a subscriber that hangs, deliverers share the work, and an end leaves nothing behind."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from engine.errors import RequestError
from engine.events.backoff import DELAYS
from engine.events.spread import spread
from engine.events.subscriptions import SubscriptionChange
from tests.events.delivering import QUICK, TENANT, Place, event, hanging, status, until
from tests.storage.test_sqlite import both
from tests.support.upstream import Reply

# --- nobody waits for anybody --------------------------------------------------------------------------------------


async def test_a_subscriber_that_hangs_holds_up_nobody(place: Place) -> None:
    """Fifty events go to both; the one that answers has them all before the other's first attempt is over."""
    hangs, answers = await place.subscriber(hanging), await place.subscriber(status(200))
    stuck = await place.subscribe(hangs)
    well = await place.subscribe(answers)
    await place.deliver(replace(QUICK, timeout=10.0, lease=30.0))
    await place.tell(*(event() for _ in range(50)))
    await place.all_are("delivered", 50, subscription_id=well.subscription.subscription_id)
    waiting = await place.deliveries(subscription_id=stuck.subscription.subscription_id)
    assert {(one.status, one.attempts) for one in waiting} == {("pending", 0)}
    assert 0 < len(hangs.seen) <= QUICK.width


async def test_as_many_that_hang_as_there_are_places_are_set_aside(place: Place) -> None:
    """Every place is taken by one that hangs; the first timeouts free them, and the good one gets all of its own."""
    pace = replace(QUICK, lanes=3, timeout=0.2)
    hangs, answers = await place.subscriber(hanging), await place.subscriber(status(200))
    for _ in range(6):
        await place.subscribe(hangs)
    well = await place.subscribe(answers)
    await place.deliver(pace)
    await place.tell(*(event() for _ in range(20)))
    await place.all_are("delivered", 20, subscription_id=well.subscription.subscription_id)


async def test_a_lane_that_brings_nothing_through_is_tried_by_one_and_paused(place: Place) -> None:
    subscriber = await place.subscriber(status(500))
    told = await place.subscribe(subscriber)
    await place.tell(*(event() for _ in range(30)))
    await place.deliver()
    await subscriber.arrived(QUICK.width + 2)  # a round of ten, then one, then one
    await asyncio.sleep(0.3)
    assert len(subscriber.seen) == QUICK.width + 2
    subscriber.handler = status(200)
    place.clock.ahead = 16
    await place.all_are("delivered", 30)
    (shown,) = await place.service.find(TENANT)
    assert (shown.subscription, shown.failing_since) == (told.subscription, None)


async def test_a_change_of_the_subscription_ends_a_pause_and_what_waits_goes_to_the_new_url(place: Place) -> None:
    before, after = await place.subscriber(status(500)), await place.subscriber(status(200))
    told = await place.subscribe(before)
    await place.tell(*(event() for _ in range(30)))
    await place.deliver()
    await before.arrived(QUICK.width + 2)
    await asyncio.sleep(0.1)
    change = SubscriptionChange(url=f"{after.origin}/new")
    changed = await place.service.update(TENANT, told.subscription.subscription_id, change)
    assert changed.url == f"{after.origin}/new"
    await after.arrived(30 - QUICK.width - 2)
    place.clock.ahead = DELAYS[0] + 1
    await place.all_are("delivered", 30)
    assert {seen.target for seen in after.seen} == {"/new"}


async def test_two_deliverers_share_the_work_and_nothing_is_sent_twice(place: Place) -> None:
    subscribers = [await place.subscriber(status(200)) for _ in range(4)]
    for one in subscribers:
        await place.subscribe(one)
    for _ in range(2):
        await place.deliver()
    ids = await place.tell(*(event() for _ in range(60)))
    await place.all_are("delivered", 240)
    for one in subscribers:
        assert sorted(seen.headers["webhook-id"] for seen in one.seen) == sorted(ids)


# --- ends ----------------------------------------------------------------------------------------------------------


async def test_a_deleted_connection_takes_what_is_pending_of_it_along(place: Place) -> None:
    subscriber = await place.subscriber(status(500))
    await place.subscribe(subscriber)
    await place.tell(event(connection_id="c1"), event(connection_id="c2"))
    await place.deliver()
    await until(lambda: _attempts_are(place, [1, 1]))
    await place.store.deliveries.forget_connection(TENANT, "c1")
    subscriber.handler = status(200)
    place.clock.ahead = DELAYS[0]
    (kept,) = await place.all_are("delivered", 1)
    assert kept.connection_id == "c2"
    assert len(subscriber.seen) == 3


async def _attempts_are(place: Place, wanted: list[int]) -> bool:
    return [one.attempts for one in await place.deliveries()] == wanted


async def test_a_deleted_subscription_gets_nothing_any_more(place: Place) -> None:
    subscriber = await place.subscriber(status(500))
    told = await place.subscribe(subscriber)
    await place.tell(event())
    await place.deliver()
    await place.tried(1)
    with pytest.raises(RequestError, match="no such subscription"):
        await place.service.delete("tenant-b", told.subscription.subscription_id)
    await place.service.delete(TENANT, told.subscription.subscription_id)
    place.clock.ahead = DELAYS[0]
    await place.tell(event())
    await asyncio.sleep(0.2)
    assert len(subscriber.seen) == 1
    assert await place.deliveries() == []
    assert await place.store.deliveries.lanes(TENANT) == []


async def test_a_subscription_that_is_deleted_while_an_event_is_spread_leaves_nothing_behind(place: Place) -> None:
    subscriber = await place.subscriber(status(200))
    told = await place.subscribe(subscriber)
    await place.tell(event())
    await spread(place.store, place.clock.now())
    await place.store.subscriptions.delete(TENANT, told.subscription.subscription_id)  # and no more than that
    await place.deliver()
    await until(lambda: _is_empty(place))
    assert subscriber.seen == []


async def _is_empty(place: Place) -> bool:
    return [*await place.deliveries(), *await place.store.deliveries.lanes(TENANT)] == []


async def test_a_deliverer_that_ends_lets_go_of_its_lanes_for_the_next_one(place: Place) -> None:
    """What hangs is given up after a moment; it was not recorded, so the next one sends it again."""
    subscriber = await place.subscriber(hanging)
    await place.subscribe(subscriber)
    await place.tell(event())
    await place.deliver(replace(QUICK, timeout=10.0, lease=3600.0))
    await subscriber.arrived(1)
    await place.stop()
    (one,) = await place.deliveries()
    assert (one.status, one.attempts) == ("pending", 0)
    subscriber.handler = status(200)
    await place.deliver()
    await place.all_are("delivered", 1)
    assert len(subscriber.seen) == 2


async def test_a_store_that_can_not_be_written_for_a_while_holds_up_but_loses_nothing(place: Place) -> None:
    subscriber = await place.subscriber(status(200))
    await place.subscribe(subscriber)
    await place.tell(event())
    await both(place.store, "PRAGMA query_only = ON")
    await place.deliver()
    await asyncio.sleep(0.2)
    assert subscriber.seen == []
    await both(place.store, "PRAGMA query_only = OFF")
    await place.all_are("delivered", 1)


async def test_an_attempt_that_can_not_be_recorded_is_made_again(place: Place) -> None:
    subscriber = await place.subscriber(lambda _seen: Reply(200, delay=0.3))
    await place.subscribe(subscriber)
    await place.tell(event())
    await place.deliver(replace(QUICK, lease=0.8))
    await subscriber.arrived(1)
    await both(place.store, "PRAGMA query_only = ON")
    await asyncio.sleep(0.5)
    await both(place.store, "PRAGMA query_only = OFF")
    await place.all_are("delivered", 1)
    assert len(subscriber.seen) >= 2
    assert len({seen.headers["webhook-id"] for seen in subscriber.seen}) == 1
