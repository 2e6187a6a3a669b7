"""The log under load: callers share commits, reading costs the same in a long log, retention lets writers through."""

from __future__ import annotations

import asyncio
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from engine.storage.ports import ExecutionQuery, Store
from engine.storage.sqlite import DATABASE_FILE, open_store
from engine.storage.sqlite.database import Database
from engine.storage.sqlite.executions import SqliteExecutions, listing
from tests.storage.samples import execution
from tests.support.scene import Scene, running
from tests.support.specs import action, spec
from tests.support.upstream import Reply

CALLS = 1_000
DAY = 86_400.0


class Statements:
    """The statements that a connection ran, as SQLite tells them. `disk`: seconds that a commit takes at least."""

    def __init__(self, connection: sqlite3.Connection, disk: float = 0.0) -> None:
        self.seen: list[str] = []
        self._disk = disk
        connection.set_trace_callback(self._told)

    def _told(self, statement: str) -> None:
        self.seen.append(statement)
        if statement == "COMMIT":
            time.sleep(self._disk)

    def count(self, *beginnings: str) -> int:
        return sum(one.startswith(beginnings) for one in self.seen)


def database_of(store: Store) -> Database:
    assert isinstance(store.executions, SqliteExecutions)
    return store.executions._database


async def worker_of(store: Store) -> sqlite3.Connection:
    """The connection of the thread that waits for the disk."""
    await store.state.put("first", b"", expected=None, ttl_seconds=60, durable=True)
    connection = database_of(store)._worker._connection
    assert connection is not None
    return connection


@contextmanager
def raw(folder: Path) -> Iterator[sqlite3.Connection]:
    with closing(sqlite3.connect(folder / DATABASE_FILE, isolation_level=None)) as database:
        yield database


async def test_a_thousand_rows_that_come_together_are_one_commit(tmp_path: Path):
    store = open_store(data_dir=tmp_path)
    inline = Statements(database_of(store)._inline)
    await asyncio.gather(*(store.executions.append(execution(number)) for number in range(CALLS)))
    assert inline.count("INSERT INTO intake") == CALLS
    assert inline.count("COMMIT") == 1
    await store.lifetime.close()


async def test_a_thousand_durable_changes_that_come_together_share_their_fsyncs(tmp_path: Path):
    store = open_store(data_dir=tmp_path)
    worker = Statements(await worker_of(store))
    changes = (store.state.put(f"key {n}", b"", expected=0, ttl_seconds=60, durable=True) for n in range(CALLS))
    assert None not in await asyncio.gather(*changes)
    assert worker.count("COMMIT") <= CALLS / 16
    await store.lifetime.close()


def _after_a_moment(_seen: object) -> Reply:
    return Reply(200, {"content-type": "application/json"}, b"{}", delay=0.2)


@pytest.fixture
async def scene(tmp_path: Path):
    operators = {"tenant_calls_per_minute": 100_000}
    async with running(tmp_path, spec(action("book", "write")), _after_a_moment, settings=operators) as made:
        yield made


async def test_a_thousand_calls_with_keys_wait_for_far_fewer_fsyncs_than_calls(scene: Scene):
    """Each stores its intent before it is sent, and its answer after: 2,000 durable changes."""
    worker = Statements(await worker_of(scene.engine.store), disk=0.002)
    inline = Statements(database_of(scene.engine.store)._inline)
    calls = (scene.call("book", idempotency_key=f"order-{number}") for number in range(CALLS))
    assert all(done.success for done in await asyncio.gather(*calls))
    assert worker.count("COMMIT") <= 2 * CALLS / 4
    assert inline.count("COMMIT") <= CALLS / 2
    with raw(scene.data_dir) as database:  # not the statements: one that meets a lock is handed on and begins twice
        counts = "SELECT (SELECT count(*) FROM intake) + (SELECT count(*) FROM executions)"
        assert database.execute(counts).fetchone() == (CALLS,)
    assert scene.seen == CALLS


def steps(database: sqlite3.Connection, query: ExecutionQuery) -> int:
    """How much work SQLite's machine does for a list, in its own instructions."""
    count = 0

    def tick() -> int:
        nonlocal count
        count += 1
        return 0

    database.set_progress_handler(tick, 1)
    database.execute(*listing(query)).fetchall()
    database.set_progress_handler(None, 1)
    return count


async def test_reading_costs_the_same_in_a_log_a_hundred_times_as_long(tmp_path: Path):
    """The first page, a page from the middle, a tenant among others, a day's rows, and one row by its id."""
    store = open_store(data_dir=tmp_path)
    costs, totals = [], (300, 30_000)
    for first, last in zip((0, totals[0]), totals, strict=True):
        for start in range(first, last, 1_000):
            numbers = range(start, min(start + 1_000, last))
            rows = (
                execution(
                    n, tenant_id="tenant-a" if n % 3 else "tenant-b", status="timeout" if n % 10 == 1 else "success"
                )
                for n in numbers
            )
            await asyncio.gather(*map(store.executions.append, rows))
        await store.executions.expire(0.0)  # moves what has come in
        middle = execution(last // 2)
        after = (middle.created_at, middle.execution_id)
        with raw(tmp_path) as database:
            costs.append(
                [
                    steps(database, ExecutionQuery(tenant, limit=2, after=place, **filters))
                    for tenant in ("tenant-a", "tenant-b")
                    for place in (None, after)
                    for filters in ({}, {"status": "timeout"}, {"connection_id": "c1"}, {"end": middle.created_at})
                ]
            )
    await store.lifetime.close()
    assert all(long <= short * 1.2 + 20 for short, long in zip(*costs, strict=True)), costs


async def test_retention_removes_in_small_steps_and_callers_write_between_them(tmp_path: Path):
    """Ten thousand rows fall away while others come, by this process and by another one that has no patience."""
    store = open_store(data_dir=tmp_path)
    for start in range(0, 10_000, 1_000):
        await asyncio.gather(*(store.executions.append(execution(start + n)) for n in range(1_000)))
    await store.executions.expire(0.0)
    worker = Statements(await worker_of(store))
    removing = asyncio.create_task(_remove_all(store, 1.8e9 + DAY))
    between = 0
    while not removing.done():
        await store.executions.append(execution(50_000 + between, created_at=1.8e9 + 2 * DAY))
        between += 1
        await asyncio.sleep(0)
    assert await removing == 10_000
    assert between >= 40, "nobody could write while rows were removed"
    assert worker.count("DELETE FROM executions") >= 40
    assert worker.count("COMMIT") >= worker.count("DELETE FROM executions")
    left = await store.executions.find(ExecutionQuery("tenant-a", limit=100_000))
    assert len(left) == between
    await store.lifetime.close()


async def _remove_all(store: Store, before: float) -> int:
    removed = 0
    while count := await store.executions.expire(before):
        removed += count
    return removed
