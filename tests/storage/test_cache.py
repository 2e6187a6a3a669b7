"""What a process remembers of the store is never older than what it wrote itself."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from engine.storage.ports import Record, Store
from engine.storage.sqlite import DATABASE_FILE, open_store
from engine.storage.sqlite.cache import LOOK_SECONDS, Cache, Freshness
from engine.storage.sqlite.state import SqliteState


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Another process writes meanwhile."""
    with closing(sqlite3.connect(folder / DATABASE_FILE, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        yield


async def value(store: Store) -> bytes | None:
    record = await store.state.get("key")
    return record.value if record is not None else None


@pytest.mark.parametrize("durable", [True, False])
async def test_a_record_that_was_read_while_its_change_waited_is_not_kept(tmp_path: Path, durable: bool) -> None:
    store = open_store(data_dir=tmp_path)
    for number in range(20):
        before = await store.state.put("key", b"old", expected=None, ttl_seconds=60)
        assert before is not None
        with locked(tmp_path):
            change = asyncio.create_task(
                store.state.put("key", b"%d" % number, expected=before, ttl_seconds=60, durable=durable)
            )
            await asyncio.sleep(0)
            assert await value(store) == b"old"
        while not change.done():  # up to the last moment
            await store.state.get("key")
            await asyncio.sleep(0)
        assert await change is not None
        assert await value(store) == b"%d" % number
    await store.lifetime.close()


async def test_what_others_wrote_is_not_said_to_be_lacking(tmp_path: Path) -> None:
    store, other = open_store(data_dir=tmp_path), open_store(data_dir=tmp_path)
    assert not store.state.lacks("key"), "nobody has looked yet"
    assert await store.state.get("key") is None
    assert await store.state.get("another") is None
    assert store.state.lacks("key", "another")
    await other.state.put("key", b"theirs", expected=None, ttl_seconds=60)
    await asyncio.sleep(2 * LOOK_SECONDS)
    assert not store.state.lacks("another", "key")
    assert await value(store) == b"theirs"
    assert not store.state.lacks("key")
    for one in (store, other):
        await one.lifetime.close()


async def test_a_record_that_others_changed_while_the_write_waited_is_read_again(tmp_path: Path) -> None:
    """What was written is kept only where nothing was found changed since the writing began."""
    store, other = open_store(data_dir=tmp_path), open_store(data_dir=tmp_path)
    assert isinstance(store.state, SqliteState)
    cache: Cache[Record | None] = store.state._cache
    freshness: Freshness = cache._freshness
    mark = cache.mark()
    await other.state.put("key", b"theirs", expected=None, ttl_seconds=60)
    await asyncio.sleep(2 * LOOK_SECONDS)
    freshness.look()
    cache.keep("key", Record(b"ours, written before theirs", 1, 2e9), mark)
    assert await value(store) == b"theirs"
    await store.lifetime.close()
    await other.lifetime.close()
