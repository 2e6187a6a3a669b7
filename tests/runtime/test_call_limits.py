"""Limits: no span ever holds more calls than the figure, whoever makes them."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.errors import CallError
from engine.runtime.limits import Bucket, Permits, take
from engine.storage.sqlite import open_store
from tests.support import children
from tests.support.scene import START, TENANT, Stillstand, connect, replies, running
from tests.support.specs import action, spec
from tests.support.upstream import Reply, Seen, answer


async def test_a_call_beyond_the_figure_is_refused_and_nothing_is_sent(tmp_path: Path) -> None:
    clock = Stillstand()
    async with running(tmp_path, spec(action(rateLimit=3)), clock=clock) as scene:
        assert [(await scene.call()).success for _ in range(3)] == [True] * 3
        done = await scene.call()
        assert done.error is not None
        assert (done.error.code, done.error.retryable) == ("RATE_LIMITED", True)
        assert 60_000 <= (done.error.retry_after_ms or 0) <= 61_000
        assert scene.seen == 3
        assert clock.slept == []
        clock.passed += (done.error.retry_after_ms or 0) / 1000
        assert (await scene.call()).success


async def test_an_actions_figure_is_per_connection_and_action(tmp_path: Path) -> None:
    async with running(tmp_path, spec(action(rateLimit=1), action("other", rateLimit=1))) as scene:
        second = await connect(scene.engine)
        assert (await scene.call()).success
        assert (await scene.call("other")).success
        assert (await scene.call(connection_id=second.connection_id)).success
        assert await scene.code() == "RATE_LIMITED"


async def test_a_tenants_figure_counts_all_its_calls_and_no_one_elses(tmp_path: Path) -> None:
    two = spec(action(), integration_id="acme-second")
    limit = {"tenant_calls_per_minute": 2}
    async with running(tmp_path, spec(action()), replies(), two, settings=limit) as scene:
        second = await connect(scene.engine, "acme-second")
        stranger = await connect(scene.engine, tenant="tenant-b")
        assert (await scene.call()).success
        assert (await scene.call(connection_id=second.connection_id)).success
        assert await scene.code() == "RATE_LIMITED"
        assert (await scene.call(connection_id=stranger.connection_id, tenant_id="tenant-b")).success


@pytest.mark.parametrize(
    ("scope", "second", "third"), [("integration", False, False), ("tenant", False, True), ("connection", True, True)]
)
async def test_a_limit_of_the_spec_holds_for_its_scope(tmp_path: Path, scope: str, second: bool, third: bool) -> None:
    made = spec(limits=[{"scope": scope, "calls": 1, "per": 10}])
    async with running(tmp_path, made) as scene:
        mine = await connect(scene.engine)
        stranger = await connect(scene.engine, tenant="tenant-b")
        assert (await scene.call()).success
        assert (await scene.call(connection_id=mine.connection_id)).success is second
        assert (await scene.call(connection_id=stranger.connection_id, tenant_id="tenant-b")).success is third


async def test_a_limit_that_observes_refuses_nobody(tmp_path: Path) -> None:
    made = spec(limits=[{"scope": "connection", "calls": 1, "per": 10, "mode": "observe"}])
    async with running(tmp_path, made) as scene:
        assert [(await scene.call()).success for _ in range(3)] == [True] * 3


async def test_a_retry_counts_as_a_call(tmp_path: Path) -> None:
    failing = [answer({}, 503), answer({"ok": True}), answer({"ok": True})]
    async with running(tmp_path, spec(action(rateLimit=2)), lambda _: failing.pop(0)) as scene:
        assert (await scene.call()).success
        assert await scene.code() == "RATE_LIMITED"
        assert scene.seen == 2


async def test_a_providers_429_blocks_every_call_of_the_connection_until_then(tmp_path: Path) -> None:
    clock = Stillstand()

    def handler(seen: Seen) -> Reply:
        return answer({}, 429, retry_after="60") if seen.path == "/quote" else answer({})

    async with running(tmp_path, spec(action(), action("other")), handler, clock=clock) as scene:
        second = await connect(scene.engine)
        assert await scene.code() == "RATE_LIMITED"
        blocked = (await scene.call("other")).error
        assert blocked is not None
        assert (blocked.code, blocked.retry_after_ms) == ("RATE_LIMITED", 60_000)
        assert scene.seen == 1
        assert (await scene.call("other", connection_id=second.connection_id)).success
        clock.passed += 60
        assert (await scene.call("other")).success


async def test_a_longer_block_is_not_shortened_by_a_later_one(tmp_path: Path) -> None:
    clock, waits = Stillstand(), ["60", "2"]
    both_there = asyncio.Event()

    def handler(_: Seen) -> Reply:
        return Reply(429, {"retry-after": waits.pop(0)}, delay=0.1)

    async with running(tmp_path, spec(action(timeoutSeconds=1)), handler, clock=clock) as scene:
        both_there.set()
        await asyncio.gather(scene.call(), scene.call())
        assert scene.seen == 2
        clock.passed += 5
        assert await scene.code() == "RATE_LIMITED"
        assert scene.seen == 2


async def test_calls_at_once_never_pass_the_figure(tmp_path: Path) -> None:
    async with running(tmp_path, spec(action(rateLimit=10))) as scene:
        done = await asyncio.gather(*(scene.call() for _ in range(40)))
        assert sum(one.success for one in done) == 10
        assert scene.seen == 10


async def test_two_processes_together_never_pass_the_figure(tmp_path: Path) -> None:
    async with running(tmp_path, spec(action(rateLimit=20))) as scene:
        words = (tmp_path, scene.upstream.origin, TENANT, scene.connection.connection_id, "quote", "", 30)
        with children.child("once", *words) as one, children.child("once", *words) as two:
            await asyncio.gather(children.ready(one), children.ready(two))
            await asyncio.gather(children.go(one), children.go(two))
            said = await asyncio.gather(children.lines(one), children.lines(two))
        codes = [json.loads(line)["code"] for lines in said for line in lines]
        assert len(codes) == 60
        assert set(codes) == {None, "RATE_LIMITED"}
        assert codes.count(None) == scene.seen == 20


STEPS = st.lists(
    st.one_of(st.floats(0, 0.5), st.floats(0, 70), st.just(0.0), st.sampled_from([1.0, 59.0, 60.0, 61.0])), max_size=60
)


@given(steps=STEPS, calls=st.integers(1, 8), per=st.sampled_from([1.0, 7.0, 60.0]), start=st.floats(0, 2e9))
def test_no_span_ever_holds_more_than_the_figure(steps: list[float], calls: int, per: float, start: float) -> None:
    now, record, taken = start, None, []
    for step in steps:
        now += step * per / 60
        made = take(record, now, calls, per)
        if made.value is not None:
            record = made.value
            taken.append(now)
    for at in taken:
        assert sum(at <= other < at + per for other in taken) <= calls


@given(steps=STEPS, calls=st.integers(1, 5), start=st.floats(0, 2e9))
def test_who_waits_as_long_as_told_gets_through(steps: list[float], calls: int, start: float) -> None:
    now, record = start, None
    for step in steps:
        now += step
        made = take(record, now, calls, 60)
        if made.value is None:
            assert 0 < made.wait <= 61.1
            now += made.wait + 1e-3
            made = take(record, now, calls, 60)
            assert made.value is not None
        record = made.value


@given(steps=STEPS, back=st.floats(0, 100), calls=st.integers(1, 5))
def test_a_clock_that_runs_back_never_makes_room(steps: list[float], back: float, calls: int) -> None:
    record, now = None, START
    for _ in range(calls):
        record = take(record, now, calls, 60).value
    assert take(record, now - back, calls, 60).value is None


async def _take(permits: Permits, bucket: Bucket, now: float) -> bool:
    """As a call does it."""
    try:
        if not permits.spend([bucket], now):
            await permits.take_all([bucket], now)
    except CallError:
        return False
    return True


MOVES = st.lists(
    st.tuples(st.integers(0, 1), st.integers(1, 6), st.floats(0, 0.6) | st.floats(0, 30)), min_size=1, max_size=60
)


@settings(max_examples=40, deadline=None)
@given(moves=MOVES, calls=st.integers(1, 60))
def test_permits_taken_in_blocks_by_two_processes_never_pass_the_figure(moves: list[Any], calls: int) -> None:
    """Each move: one of the processes makes several calls at once, after some time."""

    async def play() -> list[float]:
        import tempfile

        with tempfile.TemporaryDirectory() as folder:
            stores = [open_store(data_dir=Path(folder)) for _ in range(2)]
            permits = [Permits(store.state) for store in stores]
            bucket, now, taken = Bucket("b", "of the test", calls, 60), START, list[float]()
            for which, many, step in moves:
                now += step
                got = await asyncio.gather(*(_take(permits[which], bucket, now) for _ in range(many)))
                taken += [now] * sum(got)
            for store in stores:
                await store.lifetime.close()
            return taken

    taken = asyncio.run(play())
    for at in taken:
        assert sum(at <= other < at + 60 for other in taken) <= calls


@pytest.mark.parametrize("first", [60, 65, 70, 75])
async def test_what_is_left_of_a_block_is_given_back_once(tmp_path: Path, first: int) -> None:
    """However many calls find the block's slice over at the same moment."""
    store = open_store(data_dir=tmp_path)
    permits, bucket = Permits(store.state), Bucket("b", "of the test", 200, 60)
    taken = sum([await _take(permits, bucket, START) for _ in range(first)])
    taken += sum(await asyncio.gather(*(_take(permits, bucket, START + 1.5) for _ in range(40))))
    taken += sum([await _take(permits, bucket, START + 3) for _ in range(200)])
    await store.lifetime.close()
    assert taken == 200


async def test_two_limits_of_one_span_are_both_counted(tmp_path: Path) -> None:
    """They share a record, and so its block of permits: one that counts and one that only observes."""
    store = open_store(data_dir=tmp_path)
    permits, buckets = Permits(store.state), [Bucket("b", "of the test", 100, 60)] * 2
    taken = 0
    for _ in range(300):
        try:
            if not permits.spend(buckets, START):
                await permits.take_all(buckets, START)
        except CallError:
            continue
        taken += 1
    await store.lifetime.close()
    assert taken == 50
