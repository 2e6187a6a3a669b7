"""DynamoDB that throttles, conflicts, lags behind and loses answers: each port keeps its promises or says so."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import pytest

from engine.errors import CallError, StorageUnavailable
from engine.runtime.limits import Bucket, Permits
from engine.storage.aws import client as aws_client
from engine.storage.aws.tables import TABLES
from engine.storage.ports import DeliveryQuery, EventQuery, ExecutionQuery, Lane, Store
from tests.storage.samples import Clock, connection, execution
from tests.storage.test_contract_deliveries import NOW, delivery, plan, statuses
from tests.storage.test_contract_events import event
from tests.storage.test_contract_subscriptions import subscription
from tests.support.aws import Servers, client, open_empty, reopen
from tests.support.aws_faults import Asked, AwsFaults, Fault, always, once

Call = Callable[[Store], Awaitable[Any]]

CALLS: Mapping[str, Call] = {
    "connections.create": lambda on: on.connections.create(connection(2)),
    "connections.get": lambda on: on.connections.get("tenant-a", "c1"),
    "connections.locate": lambda on: on.connections.locate("c1"),
    "connections.find": lambda on: on.connections.find("tenant-a"),
    "connections.update": lambda on: on.connections.update(connection(name="other")),
    "connections.delete": lambda on: on.connections.delete("tenant-a", "c1"),
    "secrets.put": lambda on: on.secrets.put("tenant-a", "c1", "token", {"a": "b"}),
    "executions.append": lambda on: on.executions.append(execution(2)),
    "executions.get": lambda on: on.executions.get("tenant-a", execution(1).execution_id),
    "executions.find": lambda on: on.executions.find(ExecutionQuery("tenant-a")),
    "events.append": lambda on: on.events.append([event(5)]),
    "events.get": lambda on: on.events.get("tenant-a", event(1).event_id),
    "events.find": lambda on: on.events.find(EventQuery("tenant-a")),
    "subscriptions.create": lambda on: on.subscriptions.create(subscription(2), 50),
    "subscriptions.get": lambda on: on.subscriptions.get("tenant-a", "s1"),
    "subscriptions.find": lambda on: on.subscriptions.find("tenant-a"),
    "subscriptions.update": lambda on: on.subscriptions.update(subscription(reason="other")),
    "subscriptions.delete": lambda on: on.subscriptions.delete("tenant-a", "s1"),
    "deliveries.arrivals": lambda on: on.deliveries.arrivals(10),
    "deliveries.take": lambda on: on.deliveries.take(NOW, NOW + 30, 10),
    "deliveries.release": lambda on: on.deliveries.release(Lane("tenant-a", "s1")),
    "deliveries.resume": lambda on: on.deliveries.resume("tenant-a", "s1"),
    "deliveries.lanes": lambda on: on.deliveries.lanes("tenant-a"),
    "deliveries.due": lambda on: on.deliveries.due(Lane("tenant-a", "s1"), NOW, 10),
    "deliveries.record": lambda on: on.deliveries.record(delivery(status="delivered")),
    "deliveries.requeue": lambda on: on.deliveries.requeue("tenant-a", delivery().delivery_id, NOW),
    "deliveries.bury": lambda on: on.deliveries.bury("tenant-a", "s1", "off"),
    "deliveries.get": lambda on: on.deliveries.get("tenant-a", delivery().delivery_id),
    "deliveries.find": lambda on: on.deliveries.find(DeliveryQuery("tenant-a", event_id=event(1).event_id)),
    "deliveries.forget_connection": lambda on: on.deliveries.forget_connection("tenant-a", "c1"),
    "deliveries.forget_subscription": lambda on: on.deliveries.forget_subscription("tenant-a", "s1"),
    "state.get": lambda on: on.state.get("key"),
    "state.put": lambda on: on.state.put("key", b"2", expected=None, ttl_seconds=60),
    "state.delete": lambda on: on.state.delete("key"),
    "state.find": lambda on: on.state.find("key"),
    "lifetime.check": lambda on: on.lifetime.check(),
}

FAULTS: tuple[Fault, ...] = ("lost", "lost", "broken", "broken", "conflict")
READS = {"get", "locate", "find", "arrivals", "lanes", "due"}
WRITES = ("PutItem", "UpdateItem", "DeleteItem", "TransactWriteItems", "BatchWriteItem")
MET: Mapping[str, tuple[str, ...]] = {"conflict": WRITES, "throttled": ("PutItem",)}
"""Operations that a fault is for, where it is not for all."""


@dataclass
class Faulty:
    """`store` reaches DynamoDB through the proxy; `beside` is another process with a good line."""

    store: Store
    beside: Store
    faults: AwsFaults
    tables: str

    def rows(self) -> list[str]:
        """Everything that is stored."""
        dynamodb = client("dynamodb", self.tables)
        found = [dynamodb.scan(TableName=table.name, ConsistentRead=True)["Items"] for table in TABLES]
        return sorted(repr(sorted(item.items())) for items in found for item in items)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def faults(aws_servers: Servers) -> Iterator[AwsFaults]:
    with AwsFaults(aws_servers.dynamodb["dynoxide"]).serving() as proxy:
        yield proxy


@pytest.fixture
async def faulty(aws_servers: Servers, aws_user: None, faults: AwsFaults, clock: Clock) -> AsyncIterator[Faulty]:
    beside = open_empty(aws_servers, "dynoxide", clock)
    store = reopen(replace(aws_servers, dynamodb={"proxy": faults.endpoint}), "proxy", clock)
    yield Faulty(store, beside, faults, aws_servers.dynamodb["dynoxide"])
    await store.lifetime.close()
    await beside.lifetime.close()


async def fill(store: Store) -> None:
    """Something for each of the calls."""
    await store.connections.create(connection())
    await store.executions.append(execution(1))
    await store.subscriptions.create(subscription(), 50)
    await plan(store, delivery())
    await store.events.append([event(2)])
    await store.state.put("key", b"1", expected=0, ttl_seconds=60)


async def outcome(call: Call, store: Store) -> BaseException | None:
    try:
        await call(store)
    except Exception as error:  # noqa: BLE001 - judged by the test
        return error
    return None


# --- nothing goes --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("fault", ["denied", "broken", "throttled", "conflict"])
async def test_what_aws_refuses_is_storage_unavailable_and_nothing_was_written(faulty: Faulty, fault: Fault) -> None:
    """Conflicts meet writes only: what only reads is done."""
    await fill(faulty.beside)
    before = faulty.rows()
    faulty.faults.choose = always(fault, *(WRITES if fault == "conflict" else ()))
    ended = dict(
        zip(CALLS, await asyncio.gather(*(outcome(call, faulty.store) for call in CALLS.values())), strict=True)
    )
    expected = {name for name in CALLS if fault != "conflict" or name.rpartition(".")[2] not in READS}
    assert {name for name, error in ended.items() if error is not None} == expected
    assert {type(ended[name]) for name in expected} == {StorageUnavailable}
    assert not any("canary" in str(error) for error in ended.values())
    assert faulty.rows() == before
    if fault == "denied":
        assert all("role's policy" in str(error) for error in ended.values())


async def test_a_missing_table_says_what_to_do(faulty: Faulty) -> None:
    client("dynamodb", faulty.tables).delete_table(TableName=TABLES[0].name)
    with pytest.raises(StorageUnavailable, match="deploy the template"):
        await faulty.store.connections.get("tenant-a", "c1")


async def test_a_connection_that_hangs_ends_in_storage_unavailable(
    aws_servers: Servers, faulty: Faulty, faults: AwsFaults, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(aws_client, "_READ_SECONDS", 0.1)
    impatient = reopen(replace(aws_servers, dynamodb={"proxy": faults.endpoint}), "proxy", clock)
    await fill(faulty.beside)
    faults.choose = always("hangs")
    ended = await asyncio.gather(*(outcome(call, impatient) for call in CALLS.values()))
    await impatient.lifetime.close()
    assert {type(error) for error in ended} == {StorageUnavailable}


# --- once, and then it goes ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("fault", ["lost", "broken", "throttled", "conflict"])
async def test_a_fault_that_passes_changes_no_answer(faulty: Faulty, fault: Fault) -> None:
    """An answer that is lost makes botocore send again what is done already: each knows its own write."""
    on, deliveries = faulty.store, faulty.store.deliveries
    faulty.faults.choose = once(fault, *MET.get(fault, ()))
    await on.connections.create(connection())
    changed = await on.connections.update(connection(name="other"))
    assert await on.connections.get("tenant-a", "c1") == changed
    assert await on.subscriptions.create(subscription(), 1)
    assert not await on.subscriptions.create(subscription(2), 1)
    other = await on.subscriptions.update(subscription(reason="other"))
    assert await on.subscriptions.find("tenant-a") == [other]
    assert await on.events.append([event(1), event(2)]) == {event(1).event_id, event(2).event_id}
    arrivals = await deliveries.arrivals(10)
    await deliveries.spread([(one, [delivery(int(one.event_id[8:]))]) for one in arrivals])
    (lane,) = await deliveries.take(NOW, NOW + 30, 10)
    assert await deliveries.take(NOW, NOW + 30, 10) == []
    first, second = await deliveries.due(lane, NOW, 10)
    assert await deliveries.record(replace(first, status="delivered"))
    assert not await deliveries.record(first)
    await deliveries.release(replace(lane, strikes=1))
    (again,) = await deliveries.take(NOW, NOW + 30, 10)
    assert (again.strikes, again.claim) == (1, lane.claim + 1)
    assert await deliveries.bury("tenant-a", "s1", "off") == 1
    assert await statuses(on) == {first.delivery_id: "delivered", second.delivery_id: "dead"}
    requeued = await deliveries.requeue("tenant-a", second.delivery_id, NOW)
    assert requeued is not None
    assert requeued.status == "pending"
    version = await on.state.put("lease", b"mine", expected=0, ttl_seconds=60)
    assert version is not None
    assert await on.state.put("lease", b"theirs", expected=0, ttl_seconds=60) is None
    assert await on.state.put("lease", b"mine still", expected=version, ttl_seconds=60) == version + 1
    await asyncio.gather(*(on.executions.append(execution(number)) for number in range(5)))
    assert len(await on.executions.find(ExecutionQuery("tenant-a"))) == 5
    assert await on.connections.delete("tenant-a", "c1")
    assert await on.subscriptions.delete("tenant-a", "s1")
    assert faulty.faults.played[fault] >= 6


async def test_of_a_batch_half_of_which_is_left_undone_no_row_is_lost(faulty: Faulty) -> None:
    faulty.faults.choose = always("half")
    rows = [execution(number) for number in range(60)]
    await asyncio.gather(*map(faulty.store.executions.append, rows))
    assert await faulty.beside.executions.find(ExecutionQuery("tenant-a", limit=200)) == rows[::-1]
    assert faulty.faults.played["half"] > 3


async def test_a_row_that_is_never_taken_is_not_said_to_be_there(faulty: Faulty) -> None:
    """Each caller is told; none waits for ever."""
    faulty.faults.choose = lambda asked: "broken" if asked.operation == "BatchWriteItem" else None
    ended = await asyncio.gather(
        *(faulty.store.executions.append(execution(number)) for number in range(30)), return_exceptions=True
    )
    assert {type(one) for one in ended} == {StorageUnavailable}
    assert await faulty.beside.executions.find(ExecutionQuery("tenant-a")) == []


# --- several at once -----------------------------------------------------------------------------------------------


async def test_of_many_who_want_a_lease_one_has_it_whatever_is_lost(faulty: Faulty) -> None:
    faulty.faults.choose = once("lost")
    for number in range(5):
        puts = [
            on.state.put(f"lease:{number}", b"", expected=0, ttl_seconds=60) for on in (faulty.store, faulty.beside)
        ]
        puts += [faulty.store.state.put(f"lease:{number}", b"", expected=0, ttl_seconds=60) for _ in range(6)]
        versions = await asyncio.gather(*puts)
        assert sum(version is not None for version in versions) == 1


async def test_no_limit_grants_more_than_its_figure_whatever_fails(faulty: Faulty) -> None:
    drawn = random.Random(4711)
    chances: tuple[Fault | None, ...] = ("lost", "broken", None, None)
    faulty.faults.choose = lambda _asked: drawn.choice(chances)
    bucket = Bucket("limit:x", "of the test", 20, 60.0)
    takers = [Permits(on.state) for on in (faulty.store, faulty.beside, faulty.store)]

    async def granted(permits: Permits) -> int:
        try:
            await permits.take_all([bucket], NOW)
        except (CallError, StorageUnavailable):
            return 0
        return 1

    total = sum(await asyncio.gather(*(granted(takers[number % 3]) for number in range(45))))
    assert 0 < total <= 20


async def test_an_index_that_lags_behind_gives_no_lane_twice_and_hides_none_for_ever(faulty: Faulty) -> None:
    await plan(faulty.beside, delivery(), delivery(2, of="s2"))
    faulty.faults.choose = lambda asked: "stale" if asked.is_of_an_index else None
    take = faulty.store.deliveries.take
    assert await take(NOW, NOW + 30, 10) == [], "it shows what was there before"
    assert len(await faulty.beside.deliveries.take(NOW, NOW + 30, 1)) == 1
    assert len(await take(NOW, NOW + 30, 10)) == 1, "of the two it shows, one is somebody's"
    assert await take(NOW, NOW + 30, 10) == []
    assert await faulty.beside.deliveries.take(NOW, NOW + 30, 10) == []


async def test_what_becomes_pending_while_a_lane_is_released_is_never_forgotten(faulty: Faulty) -> None:
    """Over and over: the one that comes between the look at what is due and the release finds the lane awake."""
    await plan(faulty.beside, delivery(0))
    for number in range(1, 12):
        (lane,) = await faulty.store.deliveries.take(NOW, NOW + 30, 1)
        for one in await faulty.store.deliveries.due(lane, NOW, 10):
            await faulty.store.deliveries.record(replace(one, status="delivered"))
        await asyncio.gather(faulty.store.deliveries.release(lane), plan(faulty.beside, delivery(number)))
    assert len(await faulty.store.deliveries.take(NOW, NOW + 30, 10)) == 1


@pytest.mark.parametrize("seed", [1, pytest.param(2, marks=pytest.mark.slow), pytest.param(3, marks=pytest.mark.slow)])
async def test_every_event_is_delivered_though_aws_fails_at_random(faulty: Faulty, clock: Clock, seed: int) -> None:
    """Three deliverers; who meets a failure lets go of everything, and his leases run out."""
    drawn = random.Random(seed)

    def choose(asked: Asked) -> Fault | None:
        if asked.is_of_an_index:
            return drawn.choice(("stale", None))
        return drawn.choice(FAULTS) if drawn.random() < 0.3 else None

    faulty.faults.choose = choose
    story = Story(faulty.store, clock)
    for number in range(30):
        await story.comes(number)
    for _ in range(40):
        await asyncio.gather(*(story.deliverer() for _ in range(3)))
        clock.time += 31  # a lease is over
        story.held.clear()
        if len(story.recorded) == 60:
            break
    stored = await faulty.beside.deliveries.find(DeliveryQuery("tenant-a", limit=200))
    assert len(stored) == 60, "each event once for each of two subscriptions"
    assert {one.status for one in stored} == {"delivered"}
    assert await faulty.beside.deliveries.arrivals(100) == []


@dataclass
class Story:
    """What the deliverers of one store do at a clock that stands."""

    store: Store
    clock: Clock

    def __post_init__(self) -> None:
        self.held: set[str] = set()
        self.recorded: set[str] = set()

    async def comes(self, number: int) -> None:
        """A provider sends again what was not taken."""
        for _ in range(20):
            try:
                await self.store.events.append([event(number)])
            except StorageUnavailable:
                continue
            return
        pytest.fail("no event is ever taken")

    async def deliverer(self) -> None:
        try:
            arrivals = await self.store.deliveries.arrivals(20)
            plans = [(one, [delivery(int(one.event_id[8:]), of) for of in ("s1", "s2")]) for one in arrivals]
            await self.store.deliveries.spread(plans)
            for lane in await self.store.deliveries.take(self.clock.time, self.clock.time + 30, 2):
                assert lane.subscription_id not in self.held, "one lane in two hands"
                self.held.add(lane.subscription_id)
                await self.turn(lane)
        except StorageUnavailable:
            pass  # as when a process dies: its lanes are free when their time is over

    async def turn(self, lane: Lane) -> None:
        for one in await self.store.deliveries.due(lane, self.clock.time, 8):
            if await self.store.deliveries.record(replace(one, status="delivered", attempts=1)):
                assert one.delivery_id not in self.recorded, "delivered twice"
                self.recorded.add(one.delivery_id)
        self.held.discard(lane.subscription_id)
        await self.store.deliveries.release(lane)
