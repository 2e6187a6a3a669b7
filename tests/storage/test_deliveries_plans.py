"""What the SQLite adapter promises beyond the contract: looking for work costs the same however much lies there."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Any

import pytest

from engine.storage.ports import Arrival, DeliveryQuery
from engine.storage.sqlite import deliveries as adapter
from engine.storage.sqlite import open_store
from engine.storage.sqlite.deliveries import listing
from engine.storage.sqlite.schema import MIGRATIONS
from tests.storage.test_contract_deliveries import NOW, delivery, plan
from tests.storage.test_contract_events import event
from tests.storage.test_sqlite import raw, steps

QUERIES = [
    DeliveryQuery("tenant-a", of, status, number, 2, after)
    for of in (None, "s1")
    for status in (None, "dead")
    for number in (None, event(450).event_id)
    for after in (None, (event(450).received_at, "01J"))
]
LOOKS: list[tuple[str, tuple[Any, ...]]] = [
    (adapter._READY, (NOW, 1)),
    (adapter._READY, (NOW + 1e6, 10)),
    (adapter._ARRIVALS, (10,)),
    (adapter._DUE, ("tenant-a", "s1", NOW, 10)),
    (
        "SELECT min(due_at) FROM deliveries WHERE tenant_id = ? AND subscription_id = ? AND status = 'pending'",
        ("tenant-a", "s1"),
    ),
]


async def test_looking_for_work_and_lists_cost_the_same_with_twenty_times_as_much(tmp_path: Path) -> None:
    """One in ten waits, one in 500 is dead; each event goes to two subscriptions, and most lanes are idle."""
    store = open_store(data_dir=tmp_path)
    costs = []
    for first, last in ((0, 1_000), (1_000, 20_000)):
        await store.events.append([event(n) for n in range(first, last)])
        plans = []
        for n in range(first, last):
            status: Any = "dead" if n % 500 == 0 else "pending" if n % 10 == 1 else "delivered"
            came = Arrival("tenant-a", event(n).event_id, "c1", "shipment.updated", event(n).received_at)
            made = [delivery(n, of, status=status, due_at=NOW - 1) for of in ("s1", f"t{n % (last // 50)}")]
            plans.append((came, made))
        await store.deliveries.spread(plans)
        with raw(tmp_path) as database:
            found = [listing(query) for query in QUERIES] + [(sql, list(values)) for sql, values in LOOKS]
            costs.append([steps(database, sql, values) for sql, values in found])
    await store.lifetime.close()
    assert all(long <= short + 20 for short, long in zip(*costs, strict=True)), costs


@pytest.mark.parametrize("name", ["_TAKE", "_RELEASE", "_RECORD", "_BURY", "_FORGET_PENDING", "_FORGET_ALL", "_EXPIRE"])
async def test_no_change_walks_a_table(tmp_path: Path, name: str) -> None:
    store = open_store(data_dir=tmp_path)
    sql = getattr(adapter, name)
    with raw(tmp_path) as database:
        plan_ = [row[3] for row in database.execute(f"EXPLAIN QUERY PLAN {sql}", (1,) * sql.count("?"))]
    await store.lifetime.close()
    assert [step for step in plan_ if step.startswith("SCAN")] == []


async def test_a_database_of_before_gets_the_tables_and_its_old_events_are_not_told_anew(tmp_path: Path) -> None:
    store = open_store(data_dir=tmp_path)
    await store.events.append([event(1)])
    await store.lifetime.close()
    with raw(tmp_path) as database:
        for table in ("arrivals", "subscriptions", "lanes", "deliveries"):
            database.execute(f"DROP TABLE {table}")
        database.execute("DROP INDEX connections_by_route")
        database.execute("ALTER TABLE connections DROP COLUMN route")
        database.execute("DELETE FROM migrations WHERE number >= 3")
    store = open_store(data_dir=tmp_path)
    assert await store.deliveries.arrivals(10) == []
    await plan(store, delivery(2))
    assert len(await store.deliveries.find(DeliveryQuery("tenant-a"))) == 1
    await store.lifetime.close()
    assert len(MIGRATIONS) >= 3


async def test_an_event_and_its_arrival_are_written_together_or_not_at_all(tmp_path: Path) -> None:
    store = open_store(data_dir=tmp_path)
    with raw(tmp_path) as database:
        database.execute("CREATE TRIGGER full BEFORE INSERT ON arrivals BEGIN SELECT RAISE(ABORT, 'no room'); END")
        with pytest.raises(sqlite3.IntegrityError, match="no room"):
            await store.events.append([event(1)])
        database.execute("DROP TRIGGER full")
    assert await store.events.get("tenant-a", event(1).event_id) is None
    assert await store.events.append([event(1)]) == {event(1).event_id}
    assert len(await store.deliveries.arrivals(10)) == 1
    await store.lifetime.close()
