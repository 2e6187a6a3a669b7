"""What stands in the tables: where, for how long, and how many requests it takes."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from typing import Any

import pytest

from engine.errors import StorageUnavailable
from engine.model import Delivery
from engine.storage.aws.tables import DELIVERIES, EVENTS, EXECUTIONS, EXPIRES, STATE, TABLES
from engine.storage.ports import DeliveryQuery, ExecutionQuery, Store
from tests.storage.samples import ROOT, Clock, connection, execution
from tests.storage.test_contract_deliveries import NOW, delivery, lane_of, plan, statuses, taken
from tests.storage.test_contract_events import event
from tests.storage.test_contract_subscriptions import subscription
from tests.support.aws import Servers, client, open_empty, reopen
from tests.support.aws_faults import AwsFaults

DAY = 86_400


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def line(aws_servers: Servers) -> Iterator[AwsFaults]:
    """Counts what is asked."""
    with AwsFaults(aws_servers.dynamodb["dynoxide"]).serving() as proxy:
        yield proxy


@pytest.fixture
async def store(aws_servers: Servers, aws_user: None, line: AwsFaults, clock: Clock) -> AsyncIterator[Store]:
    await open_empty(aws_servers, "dynoxide", clock, retention_days=30).lifetime.close()
    opened = reopen(replace(aws_servers, dynamodb={"line": line.endpoint}), "line", clock, retention_days=30)
    yield opened
    await opened.lifetime.close()


def items(servers: Servers, table: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = client("dynamodb", servers.dynamodb["dynoxide"]).scan(TableName=table)["Items"]
    return found


async def asked(line: AwsFaults, work: Any) -> dict[str, int]:
    """The requests that `work` makes, by operation."""
    before = dict(line.asked)
    await work
    return {name: count - before.get(name, 0) for name, count in line.asked.items() if count > before.get(name, 0)}


# --- for how long --------------------------------------------------------------------------------------------------


async def test_everything_but_accounts_carries_the_time_at_which_dynamodb_removes_it(
    store: Store, aws_servers: Servers, clock: Clock
) -> None:
    await store.connections.create(connection())
    await store.subscriptions.create(subscription(), 50)
    await store.executions.append(execution(1, created_at=NOW + 0.5))
    await plan(store, delivery(created_at=event(1).received_at))
    await store.events.append([event(8)])
    await store.state.put("key", b"", expected=0, ttl_seconds=60)
    found = {table.name: items(aws_servers, table.name) for table in TABLES}
    ends = {name: {item["SK"]["S"].partition("#")[0]: item.get(EXPIRES) for item in of} for name, of in found.items()}
    kept = {"N": str(int(NOW) + 30 * DAY)}
    later = {"N": str(int(event(8).received_at) + 30 * DAY)}
    assert ends[EXECUTIONS.name] == {"EXEC": kept}
    assert set(ends[EVENTS.name]) == {"EVENT", "EVENTID"}
    assert all(one in (kept, later) for one in ends[EVENTS.name].values())
    assert ends[STATE.name] == {"STATE": {"N": str(int(clock.time) + 61)}}
    stays = {name for name, until in ends[DELIVERIES.name].items() if until is None}
    assert stays == {"SUBSCRIPTION", "SUBSCRIPTIONS", "LANE"}
    assert set(ends["Integrations-Connections"].values()) == {None}


async def test_what_dynamodb_has_not_removed_yet_is_not_sent_any_more(store: Store, clock: Clock) -> None:
    await plan(store, delivery())
    clock.time = NOW + 31 * DAY
    lane = await lane_of(store, clock.time)
    assert await store.deliveries.due(lane, clock.time, 10) == []
    await store.deliveries.release(lane)
    assert await taken(store, clock.time + 99, clock.time + 199) == [], "and its lane is at rest"


# --- deliveries of many subscriptions ------------------------------------------------------------------------------


def fifty() -> list[Delivery]:
    return [delivery(1, of=f"s{number:02d}") for number in range(50)]


async def test_an_event_for_fifty_subscriptions_is_spread_in_transactions_of_a_hundred_writes(store: Store) -> None:
    await plan(store, *fifty())
    assert len(await store.deliveries.find(DeliveryQuery("tenant-a", limit=200))) == 50
    assert len(await store.deliveries.take(NOW, NOW + 30, 100)) == 50
    assert await store.deliveries.arrivals(10) == []


async def test_a_process_that_dies_between_them_loses_nothing_and_sends_nothing_twice(
    store: Store, line: AwsFaults
) -> None:
    await store.events.append([event(1)])
    (arrival,) = await store.deliveries.arrivals(10)
    line.choose = lambda one: "broken" if one.body.get("TransactItems", []) and "Delete" in str(one.body) else None
    with pytest.raises(StorageUnavailable):
        await store.deliveries.spread([(arrival, fifty())])
    line.choose = lambda _one: None
    some = await store.deliveries.find(DeliveryQuery("tenant-a", limit=200))
    assert 0 < len(some) < 50
    assert await store.deliveries.arrivals(10) == [arrival]
    await store.deliveries.record(replace(some[0], status="delivered"))
    await store.deliveries.spread([(arrival, fifty())])
    assert await store.deliveries.arrivals(10) == []
    found = await statuses(store)
    assert len(found) == 50
    assert [one for one, status in found.items() if status == "delivered"] == [some[0].delivery_id]


# --- how many requests ---------------------------------------------------------------------------------------------


async def test_the_requests_of_each_step_are_as_few_as_they_are_said_to_be(store: Store, line: AwsFaults) -> None:
    on, deliveries = store, store.deliveries
    await on.connections.create(connection())
    assert await asked(line, on.connections.get("tenant-a", "c1")) == {"GetItem": 1}
    assert await asked(line, on.executions.append(execution(1))) == {"PutItem": 1}
    many = asyncio.gather(*(on.executions.append(execution(number)) for number in range(2, 52)))
    assert await asked(line, many) == {"BatchWriteItem": 2}
    assert await asked(line, on.executions.get("tenant-a", execution(1).execution_id)) == {"Query": 1}
    assert await asked(line, on.executions.find(ExecutionQuery("tenant-a"))) == {"Query": 1}
    assert await asked(line, on.state.put("key", b"", expected=0, ttl_seconds=60)) == {"PutItem": 1}
    assert await asked(line, on.events.append([event(n) for n in range(30)])) == {"TransactWriteItems": 1}
    assert await asked(line, on.events.get("tenant-a", event(1).event_id)) == {"GetItem": 2}
    assert await asked(line, deliveries.take(NOW, NOW + 30, 10)) == {"Query": 4}, "of a process that has nothing to do"
    assert await asked(line, deliveries.arrivals(50)) == {"Query": 4}
    arrivals = await deliveries.arrivals(50)
    plans = [(one, [delivery(int(one.event_id[8:]))]) for one in arrivals]
    assert await asked(line, deliveries.spread(plans)) == {"Query": 1, "TransactWriteItems": 2}, "24 in one"
    assert await asked(line, lane_of(store)) == {"Query": 4, "PutItem": 1}
    lane = await lane_of(store, NOW + 30)
    one, *_ = await deliveries.due(lane, NOW, 10)
    assert await asked(line, deliveries.due(lane, NOW, 10)) == {"Query": 1}
    recorded = deliveries.record(replace(one, status="delivered"))
    assert await asked(line, recorded) == {"GetItem": 1, "TransactWriteItems": 1}
    assert await asked(line, deliveries.release(lane)) == {"GetItem": 1, "Query": 1, "PutItem": 1}


# --- who does not use it, does not pay -----------------------------------------------------------------------------


def test_a_service_with_sqlite_never_imports_boto3(tmp_path: Any) -> None:
    scene = (
        "import asyncio, pathlib, sys\n"
        "from engine.bootstrap import open_storage\n"
        "from engine.settings import Settings\n"
        "store = open_storage(Settings(data_dir=pathlib.Path(sys.argv[1])))\n"
        "asyncio.run(store.lifetime.check())\n"
        "asyncio.run(store.lifetime.close())\n"
        "assert not {'boto3', 'botocore'} & set(sys.modules)\n"
    )
    done = subprocess.run([sys.executable, "-c", scene, str(tmp_path)], cwd=ROOT, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr
