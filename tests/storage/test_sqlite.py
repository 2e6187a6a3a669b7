"""What only the SQLite adapter promises: locks, failures, plans, migrations, checkpoints."""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
from collections.abc import Iterator
from itertools import product
from pathlib import Path
from typing import Any

import pytest

from engine.errors import SettingsError, StorageCorrupt, StorageUnavailable
from engine.storage.ports import ExecutionQuery, Store
from engine.storage.sqlite import DATABASE_FILE, open_store
from engine.storage.sqlite.checkpoint import LARGEST_WAL
from engine.storage.sqlite.database import Database
from engine.storage.sqlite.executions import SqliteExecutions, listing
from engine.storage.sqlite.schema import MIGRATIONS
from tests.storage.samples import connection, execution


@contextlib.contextmanager
def raw(folder: Path) -> Iterator[sqlite3.Connection]:
    """The file as another program sees it, each statement its own transaction."""
    database = sqlite3.connect(folder / DATABASE_FILE, isolation_level=None)
    try:
        yield database
    finally:
        database.close()


async def both(store: Store, pragma: str) -> None:
    """Set a pragma on the connection of the loop and on that of the worker."""
    assert isinstance(store.executions, SqliteExecutions)
    database: Database = store.executions._database
    await database.read(pragma, ())
    idle = database._worker._connection  # a job would already be inside a transaction
    assert idle is not None
    idle.execute(pragma).fetchall()


async def writes(store: Store, number: int) -> list[Any]:
    """One write of each kind; returns what each raised."""
    jobs = (
        store.executions.append(execution(number, output=b"x" * 20_000)),
        store.state.put(f"key {number}", b"x" * 20_000, expected=None, ttl_seconds=60),
        store.state.put(f"durable {number}", b"x" * 20_000, expected=None, ttl_seconds=60, durable=True),
        store.connections.create(connection(number, name="x" * 20_000)),
        store.secrets.put("tenant-a", f"c{number}", "credentials", {"key": "x" * 20_000}),
    )
    return list(await asyncio.gather(*jobs, return_exceptions=True))


@pytest.mark.parametrize(
    ("broken", "mended", "message"),
    [
        ("PRAGMA max_page_count = 1", "PRAGMA max_page_count = 1000000", "disk is full"),
        ("PRAGMA query_only = ON", "PRAGMA query_only = OFF", "can't be written"),
    ],
    ids=["full", "read-only"],
)
async def test_a_disk_that_refuses_is_unavailable_until_it_works_again(
    tmp_path: Path, broken: str, mended: str, message: str
):
    store = open_store(data_dir=tmp_path)
    assert [error for error in await writes(store, 1) if isinstance(error, BaseException)] == []
    with raw(tmp_path) as database:
        before = [
            database.execute(f"SELECT count(*) FROM {table}").fetchone() for table in ("executions", "intake", "state")
        ]
    await both(store, broken)
    failed = await writes(store, 2)
    assert [type(error) for error in failed] == [StorageUnavailable] * 5
    assert all(message in str(error) for error in failed)
    with pytest.raises(StorageUnavailable):
        await store.executions.append(execution(3, output=b"x" * 20_000))
    assert await store.executions.get("tenant-a", execution(1).execution_id) is not None
    with raw(tmp_path) as database:
        after = [
            database.execute(f"SELECT count(*) FROM {table}").fetchone() for table in ("executions", "intake", "state")
        ]
    await both(store, mended)
    assert before == after
    assert [error for error in await writes(store, 4) if isinstance(error, BaseException)] == []
    await store.lifetime.check()
    await store.lifetime.close()


async def test_a_lock_of_another_process_never_stops_the_event_loop(tmp_path: Path):
    """Writes wait beside the loop, reads and other tasks go on, and all is written when the lock goes."""
    store = open_store(data_dir=tmp_path)
    await store.state.put("known", b"1", expected=0, ttl_seconds=600)
    with raw(tmp_path) as other:
        other.execute("BEGIN IMMEDIATE")
        put = asyncio.create_task(store.state.put("key", b"1", expected=0, ttl_seconds=600))
        rows = [asyncio.create_task(store.executions.append(execution(number))) for number in range(5)]
        for _ in range(20):
            await asyncio.sleep(0.005)
            assert await store.state.get("known") is not None
        assert not put.done()
        assert not any(row.done() for row in rows)
        other.execute("ROLLBACK")
    assert await put is not None
    await asyncio.gather(*rows)
    assert len(await store.executions.find(ExecutionQuery("tenant-a"))) == 5
    await store.lifetime.close()


@pytest.mark.slow
async def test_a_lock_that_stays_is_unavailable(tmp_path: Path):
    store = open_store(data_dir=tmp_path)
    with raw(tmp_path) as other:
        other.execute("BEGIN IMMEDIATE")
        assert [type(error) for error in await writes(store, 1)] == [StorageUnavailable] * 5
        other.execute("ROLLBACK")
    assert [error for error in await writes(store, 1) if isinstance(error, BaseException)] == []
    await store.lifetime.close()


FILTERS = [
    dict(zip(("connection_id", "integration_id", "status", "start"), values, strict=True))
    for values in product((None, "c1"), (None, "i1"), (None, "error"), (None, 5.0))
]


@pytest.mark.parametrize("filters", FILTERS, ids=lambda given: "+".join(k for k, v in given.items() if v) or "none")
@pytest.mark.parametrize("after", [None, (1_800_000_000.0, "01J")], ids=["first page", "later page"])
async def test_every_list_follows_an_index_in_its_order(
    tmp_path: Path, filters: dict[str, Any], after: tuple[float, str] | None
):
    store = open_store(data_dir=tmp_path)
    sql, values = listing(ExecutionQuery("tenant-a", after=after, **filters))
    with raw(tmp_path) as database:
        plan = [row[3] for row in database.execute(f"EXPLAIN QUERY PLAN {sql}", values)]
    await store.lifetime.close()
    assert any("USING INDEX executions_by_" in step for step in plan)
    # The intake alone is scanned and sorted: it never holds more than a batch.
    assert [step for step in plan if step.startswith("SCAN")] == ["SCAN intake"]
    assert len([step for step in plan if "TEMP B-TREE" in step]) == 1


def steps(database: sqlite3.Connection, sql: str, values: list[Any]) -> int:
    """How much work SQLite's machine does for a query, in its own instructions."""
    count = 0

    def tick() -> int:
        nonlocal count
        count += 1
        return 0

    database.set_progress_handler(tick, 1)
    database.execute(sql, values).fetchall()
    database.set_progress_handler(None, 1)
    return count


async def test_lists_cost_the_same_in_a_log_twenty_times_as_long(tmp_path: Path):
    """Also where the wanted status is rare: one row in 500 is an error."""
    store = open_store(data_dir=tmp_path)
    filtered: list[dict[str, Any]] = [
        {},
        {"connection_id": "c1"},
        {"integration_id": "i1"},
        {"status": "error"},
        {"end": 1.8e9 + 20},
    ]
    queries = [
        ExecutionQuery("tenant-a", limit=2, after=after, **filters)
        for filters in filtered
        for after in (None, (execution(450).created_at, "01J"))
    ]
    costs = []
    for first, last in ((0, 1_000), (1_000, 20_000)):
        rows = (execution(n, status="success" if n % 500 else "error") for n in range(first, last))
        await asyncio.gather(*map(store.executions.append, rows))
        await store.executions.expire(0.0)  # moves what has come in
        with raw(tmp_path) as database:
            costs.append([steps(database, *listing(query)) for query in queries])
    await store.lifetime.close()
    assert all(long <= short + 20 for short, long in zip(*costs, strict=True)), costs


async def test_expiring_reads_an_index_only(tmp_path: Path):
    store = open_store(data_dir=tmp_path)
    with raw(tmp_path) as database:
        for table, condition in (("executions", "created_at < 1"), ("state", "expires_at <= 1")):
            plan = database.execute(
                f"EXPLAIN QUERY PLAN DELETE FROM {table} WHERE rowid IN"
                f" (SELECT rowid FROM {table} WHERE {condition} LIMIT 9)"
            ).fetchall()
            assert any(f"USING COVERING INDEX {table}_by_" in row[3] for row in plan)
            assert not any(row[3].startswith("SCAN") for row in plan)
    await store.lifetime.close()


async def test_a_database_of_a_newer_release_is_left_alone(tmp_path: Path):
    await open_store(data_dir=tmp_path).lifetime.close()
    with raw(tmp_path) as database:
        database.execute("INSERT INTO migrations VALUES (?, 0)", (len(MIGRATIONS) + 1,))
    before = (tmp_path / DATABASE_FILE).read_bytes()
    with pytest.raises(SettingsError, match="newer release"):
        open_store(data_dir=tmp_path)
    assert (tmp_path / DATABASE_FILE).read_bytes() == before


async def test_a_file_of_another_program_is_left_alone(tmp_path: Path):
    with raw(tmp_path) as database:
        database.execute("CREATE TABLE theirs (x)")
    before = (tmp_path / DATABASE_FILE).read_bytes()
    with pytest.raises(SettingsError, match="another program"):
        open_store(data_dir=tmp_path)
    assert (tmp_path / DATABASE_FILE).read_bytes() == before
    assert not (tmp_path / "master.key").exists()


def test_a_file_that_is_no_database_is_corrupt(tmp_path: Path):
    (tmp_path / DATABASE_FILE).write_bytes(b"not a database, but long enough to be looked at" * 100)
    with pytest.raises(StorageCorrupt, match="backup"):
        open_store(data_dir=tmp_path)


async def test_damaged_pages_are_corrupt_and_never_wrong_answers(tmp_path: Path):
    store = open_store(data_dir=tmp_path)
    await asyncio.gather(*(store.executions.append(execution(number)) for number in range(500)))
    await store.lifetime.close()
    path = tmp_path / DATABASE_FILE
    content = path.read_bytes()
    store = open_store(data_dir=tmp_path)
    first = execution(0).execution_id.encode()
    path.write_bytes(b"".join(b"\xff" * 4096 if first in page else page for page in pages(content)))
    with pytest.raises(StorageCorrupt):
        await store.executions.find(ExecutionQuery("tenant-a", limit=500))
    await store.lifetime.close()


def pages(content: bytes) -> list[bytes]:
    return [content[start : start + 4096] for start in range(0, len(content), 4096)]


def test_a_data_directory_that_is_a_file_is_named(tmp_path: Path):
    (tmp_path / "file").touch()
    with pytest.raises(SettingsError, match="data directory"):
        open_store(data_dir=tmp_path / "file")


async def test_only_the_owner_can_read_the_files(tmp_path: Path):
    store = open_store(data_dir=tmp_path / "data")
    await store.executions.append(execution(1))
    files = list((tmp_path / "data").iterdir())
    assert {file.suffix for file in files} >= {".db", ".key", ".db-wal"}
    assert {file.stat().st_mode & 0o077 for file in [tmp_path / "data", *files]} == {0}
    await store.lifetime.close()


async def test_the_write_ahead_log_is_emptied_while_writing(tmp_path: Path):
    """Some sixteen times its threshold is written; the file stays far below that."""
    store = open_store(data_dir=tmp_path)
    row = b"x" * 16_000
    largest = 0
    for number in range(6 * LARGEST_WAL // len(row)):
        await store.executions.append(execution(number, output=row))
        await asyncio.sleep(0.0005)
        largest = max(largest, (tmp_path / f"{DATABASE_FILE}-wal").stat().st_size)
    await store.lifetime.close()
    assert LARGEST_WAL / 2 < largest < 8 * LARGEST_WAL


async def test_durable_changes_wait_for_the_disk_and_others_do_not(tmp_path: Path):
    """2 is FULL: the commit is on the disk; 1 is NORMAL: it is in the page cache and survives the process."""
    store = open_store(data_dir=tmp_path)
    assert isinstance(store.executions, SqliteExecutions)
    database: Database = store.executions._database

    def level(db: sqlite3.Connection) -> Any:
        return db.execute("PRAGMA synchronous").fetchone()

    assert [await database.write_durable(level), await database.write(level)] == [(2,), (1,)]
    mixed = [database.submit(level, durable=durable) for durable in (False, True, False)]
    assert await asyncio.wrap_future(mixed[1]) == (2,)
    await store.lifetime.close()


async def test_a_failing_change_spoils_none_that_share_its_transaction(tmp_path: Path):
    store = open_store(data_dir=tmp_path)
    await store.connections.create(connection(0))
    results = await asyncio.gather(
        *(store.connections.create(connection(number % 10)) for number in range(20)), return_exceptions=True
    )
    assert sum(result is None for result in results) == 9
    assert len(await store.connections.find("tenant-a")) == 10
    await store.lifetime.close()


async def test_a_closed_store_says_so(tmp_path: Path):
    store = open_store(data_dir=tmp_path)
    row = asyncio.create_task(store.executions.append(execution(1)))
    await asyncio.sleep(0)
    await store.lifetime.close()
    await row
    assert [type(error) for error in await writes(store, 2)] == [StorageUnavailable] * 5
    with pytest.raises(StorageUnavailable, match="closed"):
        await store.lifetime.check()
    again = open_store(data_dir=tmp_path)
    assert await again.executions.get("tenant-a", execution(1).execution_id) == execution(1)
    await again.lifetime.close()
