"""The log under load: callers share commits, reading costs the same in a long log, retention lets writers through."""

from __future__ import annotations

import asyncio
import sqlite3
import time
from collections.abc import Coroutine, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest

from engine.errors import StorageUnavailable
from engine.storage.ports import ExecutionQuery, Store
from engine.storage.sqlite import DATABASE_FILE, open_store
from engine.storage.sqlite.database import Database
from engine.storage.sqlite.executions import SqliteExecutions, _values, listing
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


def is_done_at_once(append: Coroutine[Any, Any, None]) -> bool:
    """Without a turn of the event loop? Ends it either way."""
    try:
        append.send(None)
    except StopIteration:
        return True
    with pytest.raises(StopIteration):
        append.send(None)
    return False


async def test_a_sole_caller_waits_for_company_once_in_sixteen_rows(tmp_path: Path):
    """Each row is in the file when `append` returns, also for another process."""
    store = open_store(data_dir=tmp_path)
    at_once = []
    with raw(tmp_path) as database:
        for number in range(64):
            at_once.append(is_done_at_once(store.executions.append(execution(number))))
            assert database.execute("SELECT count(*) FROM intake").fetchone() == (number + 1,)
    assert at_once == ([False] + 15 * [True]) * 4
    await store.lifetime.close()


async def test_callers_that_find_each_other_share_commits_from_then_on(tmp_path: Path):
    """Up to fifteen rows are still written one by one where there was a sole caller before; what meets the lock of the
    worker goes to the worker, all of a turn together."""
    store = open_store(data_dir=tmp_path)
    await store.executions.append(execution(0))
    inline = Statements(database_of(store)._inline)
    for turn in range(1, 11):
        rows = (execution(turn * 100 + number) for number in range(100))
        await asyncio.gather(*map(store.executions.append, rows))
    assert inline.count("COMMIT") > 0
    assert inline.count("INSERT INTO intake") == 100 * inline.count("COMMIT")
    await store.lifetime.close()


async def test_a_row_that_can_not_be_stored_fails_alone_also_where_there_is_one_caller(tmp_path: Path):
    store = open_store(data_dir=tmp_path)
    for number in range(40):
        if number % 3:
            await store.executions.append(execution(number))
        else:
            with pytest.raises(UnicodeEncodeError):
                await store.executions.append(execution(number, error_message="half a pair \ud800"))
    kept = [execution(number) for number in range(40) if number % 3]
    assert await store.executions.find(ExecutionQuery("tenant-a")) == kept[::-1]
    await store.lifetime.close()


async def test_rows_that_wait_for_a_lock_together_end_each_for_itself(tmp_path: Path):
    """One caller has given up, and one row can't be stored; the row of the first is in the log all the same."""
    store = open_store(data_dir=tmp_path)
    rows = [execution(0), execution(1), execution(2, error_message="half a pair \ud800"), execution(3)]
    with raw(tmp_path) as other:
        other.execute("BEGIN IMMEDIATE")
        appends = [asyncio.create_task(store.executions.append(row)) for row in rows]
        await asyncio.sleep(0.02)
        appends[0].cancel()
        await asyncio.sleep(0)
        assert [append.done() for append in appends] == [True, False, False, False]
        other.execute("ROLLBACK")
    ends = await asyncio.gather(*appends, return_exceptions=True)
    assert [type(end) for end in ends] == [asyncio.CancelledError, type(None), UnicodeEncodeError, type(None)]
    assert await store.executions.find(ExecutionQuery("tenant-a")) == [rows[3], rows[1], rows[0]]
    await store.lifetime.close()


async def test_a_store_whose_last_row_failed_lets_go_of_its_file_all_the_same(tmp_path: Path):
    """The last to close it moves the write-ahead log into it, so that a copy of the one file is whole."""
    store = open_store(data_dir=tmp_path)
    await store.executions.append(execution(1))
    with pytest.raises(UnicodeEncodeError):
        await store.executions.append(execution(2, error_message="half a pair \ud800"))
    await store.lifetime.close()
    assert not (tmp_path / f"{DATABASE_FILE}-wal").exists()
    with pytest.raises(StorageUnavailable, match="closed"):
        await store.executions.append(execution(3))


OPTIONAL = ["connection_id", "integration_id", "output", "error_code", "error_message"]
OPTIONAL += ["caller_service", "caller_ref", "provider_code", "http_status", "error_details"]


async def test_what_is_empty_and_what_is_not_there_stay_apart(tmp_path: Path):
    """Each value that a row may lack, once absent and once empty, as it comes in and after it was moved."""
    store = open_store(data_dir=tmp_path)
    empty = {name: b"" if name in {"output", "error_details"} else "" for name in OPTIONAL} | {"http_status": 0}
    rows = [execution(n, **empty | {name: None}) for n, name in enumerate(OPTIONAL)]
    rows += [execution(20, **empty), execution(21, **dict.fromkeys(OPTIONAL))]
    for row in rows:
        await store.executions.append(row)
    for _ in range(2):
        found = await store.executions.find(ExecutionQuery("tenant-a"))
        assert found == rows[::-1]
        assert all(type(row.input) is bytes for row in found)
        await store.executions.expire(0.0)  # moves what has come in
    await store.lifetime.close()


def test_a_row_holds_only_what_sqlite3_binds_without_looking_for_an_adapter():
    """That search, for None and for bytes, was most of the cost of a row."""
    rows = [execution(1, **dict.fromkeys(OPTIONAL)), execution(2, error_details=b"{}", http_status=200)]
    assert {type(value) for row in rows for value in _values(row)} == {str, int, float, bytearray}


async def test_the_log_is_checkpointed_by_what_it_writes_and_not_by_the_row(tmp_path: Path):
    """The header of the WAL counts how often it started anew: three thousand small rows are some 18 MB."""
    store = open_store(data_dir=tmp_path)
    for number in range(3_000):
        await store.executions.append(execution(number))
    with (tmp_path / f"{DATABASE_FILE}-wal").open("rb") as wal:
        started_anew = int.from_bytes(wal.read(16)[12:], "big")
    assert started_anew <= 6
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
