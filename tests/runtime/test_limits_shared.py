"""One limit and many who count in it: processes, stores, and clocks that run back."""

from __future__ import annotations

import asyncio
import sqlite3
import sys
import tempfile
from collections.abc import Coroutine
from contextlib import closing
from pathlib import Path
from typing import Any, TypeVar

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from engine.runtime.limits import Bucket, Permits, take
from engine.storage.sqlite import DATABASE_FILE, open_store
from tests.support import children, counting
from tests.support.counting import PER, granted
from tests.support.scene import START

T = TypeVar("T")
PROCESSES = 16


# ---------------------------------------------------------------- processes


async def _counted(folder: Path, figure: int, mode: str) -> list[int]:
    """How many calls each of the processes was granted."""
    words = (str(folder), str(PROCESSES), str(figure), mode)
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.support.counting", *words, cwd=children.ROOT, stdout=asyncio.subprocess.PIPE
    )
    said, _ = await process.communicate()
    return [int(line) for line in said.split()]


async def _has_room(folder: Path, figure: int) -> bool:
    store = open_store(data_dir=folder)
    record = await store.state.get(counting.KEY)
    await store.lifetime.close()
    assert record is not None
    return take(record.value, counting.NOW, figure, PER).value is not None


@pytest.mark.parametrize("figure", [7, 400])
async def test_sixteen_processes_use_exactly_the_figure(tmp_path: Path, figure: int) -> None:
    granted = await _counted(tmp_path, figure, "enforce")
    assert len(granted) == PROCESSES
    assert sum(granted) == figure
    assert not await _has_room(tmp_path, figure)


async def test_sixteen_processes_that_only_observe_are_all_let_through_and_counted(tmp_path: Path) -> None:
    assert await _counted(tmp_path, 400, "observe") == [100] * PROCESSES
    assert not await _has_room(tmp_path, 400)
    assert await _has_room(tmp_path, 401)


# ---------------------------------------------------------------- one process, many calls


async def test_permits_of_a_block_are_not_lost_when_calls_of_the_process_count_at_once(tmp_path: Path) -> None:
    """They wait for another process's lock; then all count, and each one's block is kept."""
    store = open_store(data_dir=tmp_path)
    permits, bucket = Permits(store.state), Bucket("b", "of the test", 300, PER)
    taken = sum([await granted(permits, bucket, START) for _ in range(25)])
    for _ in range(100):
        with closing(sqlite3.connect(tmp_path / DATABASE_FILE, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            waiting = [asyncio.create_task(granted(permits, bucket, START)) for _ in range(6)]
            await asyncio.sleep(0)
        got = sum(await asyncio.gather(*waiting))
        taken += got
        if not got:
            break
    await store.lifetime.close()
    assert taken == 300


# ---------------------------------------------------------------- clocks


@pytest.mark.parametrize("before", [34, 42, 52])
async def test_a_block_is_not_used_when_its_slice_comes_again(tmp_path: Path, before: int) -> None:
    """One process holds permits, another takes the whole figure a minute later, then the clock is set back."""
    store, passed = open_store(data_dir=tmp_path), 0.0
    busy, other = (Permits(store.state, lambda: passed) for _ in range(2))
    bucket = Bucket("b", "of the test", 100, PER)
    assert sum([await granted(busy, bucket, START) for _ in range(before)]) == before
    assert sum([await granted(other, bucket, START) for _ in range(100)]) < 100 - before  # the rest is the block
    passed += 70
    assert sum([await granted(other, bucket, START + 70) for _ in range(100)]) == 100
    assert not await granted(busy, bucket, START)  # set back by 70 s
    await store.lifetime.close()


class Counting(RuleBasedStateMachine):
    """Three stores on one file, and a clock that is set back now and then.

    `passed` is the time that really passes, the wall clock shows it less what it was set back. A clock that is set
    forward can't be told from time that passes, so the promise speaks of the wall clock there.
    """

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.loop = asyncio.new_event_loop()
        self.passed, self.set_back, self.taken = 0.0, 0.0, list[float]()
        self.stores = [open_store(data_dir=Path(self.folder.name), now=self.now) for _ in range(3)]
        self.permits = [Permits(store.state, lambda: self.passed) for store in self.stores]
        self.bucket = Bucket("b", "of the test", 1, PER)

    def now(self) -> float:
        return START + self.passed - self.set_back

    def wait(self, job: Coroutine[Any, Any, T]) -> T:
        return self.loop.run_until_complete(job)

    @initialize(figure=st.sampled_from([1, 3, 10, 50, 100]))
    def agree(self, figure: int) -> None:
        self.bucket = Bucket("b", "of the test", figure, PER)

    @rule(which=st.integers(0, 2), many=st.sampled_from([1, 5, 19, 25, 34, 60]), at_once=st.booleans())
    def call(self, which: int, many: int, at_once: bool) -> None:
        one, now = self.permits[which], self.now()

        async def calls() -> int:
            if at_once:
                return sum(await asyncio.gather(*(granted(one, self.bucket, now) for _ in range(many))))
            return sum([await granted(one, self.bucket, now) for _ in range(many)])

        self.taken += [self.passed] * self.wait(calls())

    @rule(seconds=st.sampled_from([0.1, 1.0, 30.0, 60.0, 61.0, 70.0]) | st.floats(0, 130))
    def time_passes(self, seconds: float) -> None:
        self.passed += seconds

    @rule(seconds=st.sampled_from([1.0, 30.0, 60.0, 61.0, 70.0]) | st.floats(0, 200))
    def clock_is_set_back(self, seconds: float) -> None:
        self.set_back += seconds

    @rule(which=st.integers(0, 2))
    def house_is_kept(self, which: int) -> None:
        self.wait(self.stores[which].state.expire())

    @invariant()
    def no_span_holds_more_than_the_figure(self) -> None:
        for at in set(self.taken):
            assert sum(at <= other < at + PER for other in self.taken) <= self.bucket.calls

    def teardown(self) -> None:
        for store in self.stores:
            self.wait(store.lifetime.close())
        self.wait(self.loop.shutdown_default_executor())
        self.loop.close()
        self.folder.cleanup()


TestCounting = Counting.TestCase
TestCounting.settings = settings(max_examples=30, stateful_step_count=30)
