"""The circuit breaker: after ten failed calls in a row nobody waits for the provider; one call finds it back."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.bootstrap import open_engine
from engine.errors import CODES, CallError
from engine.model import Command
from engine.runtime import breaker
from engine.runtime.breaker import FAILURES, PROBE_SECONDS, UPSTREAM_FAILURES, Circuit
from engine.settings import Settings
from engine.storage.ports import Record
from engine.storage.sqlite import open_store
from tests.support.scene import START, TENANT, Scene, Stillstand, connect, running
from tests.support.specs import CONNECTED, action, login_spec, spec
from tests.support.upstream import Fault, Reply, Seen, answer


class Weather:
    """A provider that is well or not."""

    def __init__(self, reply: Reply) -> None:
        self.reply = reply

    def __call__(self, _: Seen) -> Reply:
        return self.reply


DOWN, UP = answer({}, 503), answer({"ok": True})


async def fail(scene: Scene, times: int, action_id: str = "quote") -> list[str]:
    return [await scene.code(action_id) for _ in range(times)]


async def test_ten_failed_calls_open_the_circuit_and_nothing_more_is_sent(tmp_path: Path) -> None:
    """Calls, not attempts: each read is tried three times."""
    async with running(tmp_path, spec(), Weather(DOWN)) as scene:
        assert await fail(scene, 10) == ["PROVIDER_UNAVAILABLE"] * 10
        assert scene.seen == 30
        done = await scene.call()
        assert done.error is not None
        assert (done.error.code, done.error.retryable, scene.seen) == ("CIRCUIT_OPEN", True, 30)
        assert 29_000 <= (done.error.retry_after_ms or 0) <= 30_000


@pytest.mark.parametrize("fault", ["drop", "half"])
async def test_lost_answers_of_writes_count_too(tmp_path: Path, fault: Fault) -> None:
    async with running(tmp_path, spec(action("book", "write")), Weather(Reply(200, {}, b"{}", fault=fault))) as scene:
        assert await fail(scene, 11, "book") == ["OUTCOME_UNKNOWN"] * 10 + ["CIRCUIT_OPEN"]


async def test_one_success_in_between_begins_the_count_anew(tmp_path: Path) -> None:
    weather = Weather(DOWN)
    async with running(tmp_path, spec(action("book", "write")), weather) as scene:
        await fail(scene, 9, "book")
        weather.reply = UP
        await scene.call("book")
        weather.reply = DOWN
        assert "CIRCUIT_OPEN" not in await fail(scene, 10, "book")


@pytest.mark.parametrize("status", [400, 401, 403, 404, 409, 422, 429])
async def test_what_a_tenant_does_wrong_never_opens_it(tmp_path: Path, status: int) -> None:
    async with running(tmp_path, spec(action("book", "write")), Weather(answer({}, status))) as scene:
        assert "CIRCUIT_OPEN" not in await fail(scene, 15, "book")


async def test_what_a_tenant_does_wrong_between_failures_shows_that_the_provider_is_there(tmp_path: Path) -> None:
    weather = Weather(DOWN)
    async with running(tmp_path, spec(action("book", "write")), weather) as scene:
        await fail(scene, 9, "book")
        weather.reply = answer({}, 401)
        await fail(scene, 1, "book")
        weather.reply = DOWN
        assert "CIRCUIT_OPEN" not in await fail(scene, 9, "book")


async def test_our_own_refusals_say_nothing_about_the_provider(tmp_path: Path) -> None:
    async with running(tmp_path, spec(action("book", "write"), action(rateLimit=1)), Weather(DOWN)) as scene:
        await fail(scene, 9, "book")
        await fail(scene, 1)  # the tenth failure; its second attempt is refused by our own limit
        assert await fail(scene, 1, "book") == ["CIRCUIT_OPEN"]


async def test_a_probe_that_succeeds_closes_it(tmp_path: Path) -> None:
    clock, weather = Stillstand(), Weather(DOWN)
    async with running(tmp_path, spec(action("book", "write")), weather, clock=clock) as scene:
        await fail(scene, 10, "book")
        clock.passed += PROBE_SECONDS - 1
        assert await fail(scene, 1, "book") == ["CIRCUIT_OPEN"]
        clock.passed += 1
        weather.reply = UP
        assert [(await scene.call("book")).success for _ in range(5)] == [True] * 5


async def test_a_probe_that_fails_opens_it_again(tmp_path: Path) -> None:
    clock = Stillstand()
    async with running(tmp_path, spec(action("book", "write")), Weather(DOWN), clock=clock) as scene:
        await fail(scene, 10, "book")
        clock.passed += PROBE_SECONDS
        assert await fail(scene, 2, "book") == ["OUTCOME_UNKNOWN", "CIRCUIT_OPEN"]
        assert scene.seen == 11


async def test_a_probe_may_try_again_like_any_read(tmp_path: Path) -> None:
    clock, weather = Stillstand(), Weather(DOWN)
    async with running(tmp_path, spec(), weather, clock=clock) as scene:
        await fail(scene, 10)
        clock.passed += PROBE_SECONDS

        async def recover() -> None:
            weather.reply = UP

        clock.on_sleep = recover
        assert (await scene.call()).success


async def test_one_call_alone_probes(tmp_path: Path) -> None:
    clock, weather = Stillstand(), Weather(DOWN)
    async with running(tmp_path, spec(action("book", "write")), weather, clock=clock) as scene:
        await fail(scene, 10, "book")
        clock.passed += PROBE_SECONDS
        weather.reply = Reply(200, {}, b"", delay=0.2)
        done = await asyncio.gather(*(scene.call("book") for _ in range(10)))
        assert sum(one.success for one in done) == 1
        assert scene.seen == 11


async def test_a_caller_beyond_its_limit_does_not_use_up_the_probe(tmp_path: Path) -> None:
    clock, weather = Stillstand(), Weather(DOWN)
    async with running(tmp_path, spec(action("book", "write"), action(rateLimit=1)), weather, clock=clock) as scene:
        await fail(scene, 1)
        await fail(scene, 9, "book")
        clock.passed += PROBE_SECONDS
        assert await fail(scene, 1) == ["RATE_LIMITED"]
        weather.reply = UP
        assert (await scene.call("book")).success


async def test_the_circuit_is_one_for_all_processes_and_tenants(tmp_path: Path) -> None:
    async with running(tmp_path, spec(action("book", "write")), Weather(DOWN)) as scene:
        await fail(scene, 10, "book")
        stranger = await connect(scene.engine, tenant="tenant-b")
        assert await scene.code("book", tenant_id="tenant-b", connection_id=stranger.connection_id) == "CIRCUIT_OPEN"
        other = await open_engine(
            Settings(data_dir=tmp_path / "data"),
            catalog=scene.engine.catalog,
            clock=scene.engine.clock,
            upstreams=scene.engine.wires.upstreams,
        )
        done = await other.execute(Command(TENANT, "book", {}, connection_id=scene.connection.connection_id))
        await other.close()
        assert done.error is not None
        assert done.error.code == "CIRCUIT_OPEN"


async def test_each_host_has_its_own_circuit(tmp_path: Path) -> None:
    def by_host(seen: Seen) -> Reply:
        return DOWN if seen.headers["x-upstream-host"].startswith("api.") else UP

    other = action(request={"server": "labels", "method": "GET", "path": "/label"})
    made = spec(action("book", "write"), other)
    made["servers"]["labels"] = "https://labels.acme.example"
    made["hosts"].append("labels.acme.example")
    async with running(tmp_path, made, by_host) as scene:
        assert await fail(scene, 11, "book") == ["OUTCOME_UNKNOWN"] * 10 + ["CIRCUIT_OPEN"]
        assert (await scene.call()).success


async def test_a_login_that_is_down_opens_the_circuit_of_its_host_only(tmp_path: Path) -> None:
    made = login_spec()
    made["servers"]["login"] = "https://login.acme.example"
    made["hosts"].append("login.acme.example")
    made["auth"][0]["obtain"]["steps"][0]["request"]["server"] = "login"
    async with running(tmp_path, made, Weather(DOWN), **CONNECTED) as scene:
        assert await fail(scene, 11) == ["PROVIDER_UNAVAILABLE"] * 10 + ["CIRCUIT_OPEN"]
        assert {seen.headers["x-upstream-host"] for seen in scene.upstream.seen} == {"login.acme.example"}


# ---------------------------------------------------------------- the circuit alone


@given(st.lists(st.floats(0, 100), min_size=1, max_size=40))
def test_a_circuit_opens_at_the_tenth_failure_and_not_before(steps: list[float]) -> None:
    circuit, now = Circuit(), START
    for count, step in enumerate(steps, 1):
        now += step
        circuit = circuit.failed(now)
        assert (circuit.wait(now) > 0) is (count >= FAILURES)


@given(st.integers(0, 2**32 - 1), st.floats(0, 2e9), st.floats(0, 2e9))
def test_a_circuit_survives_its_record(failures: int, opened: float, probing: float) -> None:
    circuit = Circuit(failures, opened, probing)
    assert Circuit.read(Record(circuit.pack(), 1, 0.0)) == circuit


@pytest.mark.parametrize("record", [None, Record(b"", 1, 0.0), Record(b"something else", 1, 0.0)])
def test_a_record_that_is_none_is_a_closed_circuit(record: Record | None) -> None:
    assert Circuit.read(record) == Circuit()


MOVES = st.lists(st.tuples(st.sampled_from(["call", "tick"]), st.sampled_from(CODES) | st.none()), max_size=60)


@settings(max_examples=40, deadline=None)
@given(MOVES)
def test_a_circuit_is_open_exactly_after_ten_failures_in_a_row(moves: list[Any]) -> None:
    """Against a model: a count of failures in a row, and when the last of them was."""

    async def play() -> None:
        import tempfile

        with tempfile.TemporaryDirectory() as folder:
            store = open_store(data_dir=Path(folder))
            now, row, last = START, 0, START
            for move, code in moves:
                if move == "tick":
                    now += 10
                    continue
                try:
                    opened = await breaker.look(store.state, "c", now)
                except CallError:
                    assert row >= FAILURES
                    assert now < last + PROBE_SECONDS
                    continue
                assert (opened is not None) is (row >= FAILURES)
                await breaker.note(store.state, "c", now, code)
                row, last = (row + 1, now) if code in UPSTREAM_FAILURES else (0, last)
            await store.lifetime.close()

    asyncio.run(play())
