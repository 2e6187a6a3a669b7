"""Processes that are killed at the worst moments, and processes that share the work: no event is lost."""

from __future__ import annotations

import asyncio
import random
from collections import Counter

import pytest

from tests.events.children import child
from tests.events.delivering import Place, event, status
from tests.support.upstream import Reply, Seen


def ids(seen: list[Seen]) -> list[str]:
    return [one.headers["webhook-id"] for one in seen]


async def test_events_stored_by_a_process_that_was_killed_right_after_are_delivered_by_another(place: Place) -> None:
    subscribers = [await place.subscriber(status(200)) for _ in range(2)]
    for one in subscribers:
        await place.subscribe(one)
    with child("receive", place.data_dir, 3) as process:
        said, _ = await asyncio.to_thread(process.communicate, timeout=60)
    assert process.returncode == -9
    assert len(said.split()) == 3
    await place.deliver()
    await place.all_are("delivered", 6)
    assert [sorted(ids(one.seen)) for one in subscribers] == [sorted(said.split())] * 2


async def test_what_was_sent_by_a_process_that_was_killed_before_its_record_is_sent_again_with_its_id(
    place: Place,
) -> None:
    """The subscriber itself pulls the plug, with the whole message in its hands."""
    with child("deliver", place.data_dir) as process:

        def plug(_seen: Seen) -> Reply:
            process.kill()
            return Reply(200)

        subscriber = await place.subscriber(plug)
        await place.subscribe(subscriber)
        (told,) = await place.tell(event())
        await subscriber.arrived(1)
        await asyncio.to_thread(process.wait, 60)
    (unrecorded,) = await place.deliveries()
    assert (unrecorded.status, unrecorded.attempts) == ("pending", 0)
    subscriber.handler = status(200)
    await place.deliver()
    await place.all_are("delivered", 1)
    assert ids(subscriber.seen) == [told, told]
    assert subscriber.seen[0].body == subscriber.seen[1].body


async def test_two_processes_share_the_work_lose_nothing_and_double_nothing(place: Place) -> None:
    subscribers = [await place.subscriber(status(200)) for _ in range(6)]
    for one in subscribers:
        await place.subscribe(one)
    with child("deliver", place.data_dir) as first, child("deliver", place.data_dir) as second:
        for process in (first, second):
            assert process.stdout is not None
            assert await asyncio.to_thread(process.stdout.readline) == "ready\n"
        told = await place.tell(*(event() for _ in range(100)))
        await place.all_are("delivered", 600)
    for one in subscribers:
        assert Counter(ids(one.seen)) == Counter(told)


@pytest.mark.parametrize("seed", [1, pytest.param(2, marks=pytest.mark.slow), pytest.param(3, marks=pytest.mark.slow)])
async def test_five_kills_while_events_come_lose_none_of_them(place: Place, seed: int) -> None:
    """A subscriber that fails now and then and one that answers; each event arrives at both, most of them once."""
    chance = random.Random(seed)
    flaky = await place.subscriber(lambda _seen: Reply(500 if chance.random() < 0.1 else 200))
    well = await place.subscriber(status(200))
    for one in (flaky, well):
        await place.subscribe(one)
    told: list[str] = []
    for _ in range(5):
        with child("deliver", place.data_dir) as process:
            assert process.stdout is not None
            assert await asyncio.to_thread(process.stdout.readline) == "ready\n"
            told += await place.tell(*(event() for _ in range(30)))
            await asyncio.sleep(chance.random() * 0.3)
    flaky.handler = status(200)
    place.clock.ahead = 400.0  # leases are over, and the waits after a first and a second failure
    await place.deliver()
    await place.all_are("delivered", 300)
    for one in (flaky, well):
        assert set(ids(one.seen)) == set(told)
    assert len(well.seen) <= len(told) + 5 * 10  # a round of ten for each kill
