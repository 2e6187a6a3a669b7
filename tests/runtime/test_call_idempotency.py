"""Idempotency-Key: the first answer is the answer, and a crash is never a second order."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.errors import RequestError
from engine.model import Command
from engine.runtime.clock import SystemClock
from engine.runtime.idempotency import fingerprint
from tests.support import children
from tests.support.scene import TENANT, Scene, Stillstand, connect, replies, running
from tests.support.specs import action, fields, spec, text, whole
from tests.support.upstream import Reply, answer

BOOK = action(
    "book",
    "write",
    inputSchema=fields(note=text(), weight=whole()),
    request={
        "method": "POST",
        "path": "/book",
        "json": {"note": "{{ input.note }}", "w": "{{ input.weight }}", "k": 1},
    },
)
SPEC = spec(BOOK, action())
KEY = "order-4711-of-lan"


@pytest.fixture
async def scene(tmp_path: Path) -> AsyncIterator[Scene]:
    count = iter(range(1, 1000))
    async with running(tmp_path, SPEC, lambda _: answer({"number": next(count)})) as made:
        yield made


async def test_the_same_key_gives_the_first_answer_with_its_execution(scene: Scene) -> None:
    first = await scene.call("book", {"note": "x"}, idempotency_key=KEY)
    again = await scene.call("book", {"note": "x"}, idempotency_key=KEY)
    assert (again.execution_id, again.data, again.latency_ms) == (first.execution_id, first.data, first.latency_ms)
    assert (first.replayed, again.replayed) == (False, True)
    assert scene.seen == 1
    assert [row.execution_id for row in await scene.log()] == [first.execution_id]


async def test_the_order_of_an_inputs_keys_does_not_matter(scene: Scene) -> None:
    await scene.call("book", {"note": "x", "weight": 1}, idempotency_key=KEY)
    assert (await scene.call("book", {"weight": 1, "note": "x"}, idempotency_key=KEY)).replayed


@pytest.mark.parametrize(("action_id", "given_input"), [("book", {"note": "y"}), ("quote", {})])
async def test_the_same_key_for_another_request_is_a_conflict(
    scene: Scene, action_id: str, given_input: dict[str, str]
) -> None:
    await scene.call("book", {"note": "x"}, idempotency_key=KEY)
    with pytest.raises(RequestError, match="another request") as caught:
        await scene.call(action_id, given_input, idempotency_key=KEY)
    assert caught.value.code == "CONFLICT"
    assert scene.seen == 1


async def test_a_key_belongs_to_its_tenant(scene: Scene) -> None:
    other = await connect(scene.engine, tenant="tenant-b")
    first = await scene.call("book", idempotency_key=KEY)
    second = await scene.call("book", idempotency_key=KEY, tenant_id="tenant-b", connection_id=other.connection_id)
    assert first.execution_id != second.execution_id
    assert scene.seen == 2


async def test_a_failure_of_the_provider_is_replayed_like_a_success(tmp_path: Path) -> None:
    reply = answer({"message": "gone", "sub": "E1"}, 503)
    said = {"message": "body.message", "code": "body.sub"}
    async with running(tmp_path, spec(BOOK, answer=said), lambda _: reply) as scene:
        first = await scene.call("book", idempotency_key=KEY)
        again = await scene.call("book", idempotency_key=KEY)
        assert first.error is not None
        assert first.error.code == "OUTCOME_UNKNOWN"
        assert again.error == first.error
        assert (again.execution_id, scene.seen) == (first.execution_id, 1)


async def test_an_answer_for_which_nothing_was_sent_sets_the_key_free(tmp_path: Path) -> None:
    async with running(tmp_path, spec({**BOOK, "rateLimit": 1}, action()), replies()) as scene:
        assert await scene.code("book", {"weight": "heavy"}, idempotency_key=KEY) == "INVALID_INPUT"
        assert (await scene.call("book", {"weight": 1}, idempotency_key=KEY)).success
        assert await scene.code("book", idempotency_key="second") == "RATE_LIMITED"
        scene.engine.clock.passed += 62  # type: ignore[attr-defined]
        assert (await scene.call("book", idempotency_key="second")).success


async def test_a_provider_that_could_not_be_reached_sets_the_key_free(tmp_path: Path) -> None:
    async with running(tmp_path, SPEC, replies()) as scene:
        await scene.upstream.hang_up()
        assert await scene.code("book", idempotency_key=KEY) == "PROVIDER_UNAVAILABLE"
        await scene.upstream.listen()
        assert (await scene.call("book", idempotency_key=KEY)).success


async def test_a_key_while_its_request_runs_is_a_conflict(tmp_path: Path) -> None:
    reply = Reply(200, {"content-type": "application/json"}, b"{}", delay=0.3)
    async with running(tmp_path, SPEC, lambda _: reply, clock=SystemClock()) as scene:
        first = asyncio.create_task(scene.call("book", idempotency_key=KEY))
        await scene.upstream.arrived()
        with pytest.raises(RequestError, match="still running"):
            await scene.call("book", idempotency_key=KEY)
        assert (await first).success
        assert (await scene.call("book", idempotency_key=KEY)).replayed


async def test_fifty_calls_at_once_with_one_key_are_one_write(scene: Scene) -> None:
    done = await asyncio.gather(*(scene.call("book", idempotency_key=KEY) for _ in range(50)), return_exceptions=True)
    conflicts = [one for one in done if isinstance(one, RequestError)]
    answers = [one for one in done if not isinstance(one, BaseException)]
    assert {one.code for one in conflicts} <= {"CONFLICT"}
    assert len(conflicts) + len(answers) == 50
    assert len({one.execution_id for one in answers}) == 1
    assert scene.seen == 1


async def test_two_processes_with_one_key_are_one_write(scene: Scene, tmp_path: Path) -> None:
    words = (tmp_path, scene.upstream.origin, TENANT, scene.connection.connection_id, "book", KEY, 1)
    with children.child("once", *words) as one, children.child("once", *words) as two:
        await asyncio.gather(children.ready(one), children.ready(two))
        await asyncio.gather(children.go(one), children.go(two))
        said = await asyncio.gather(children.lines(one), children.lines(two))
    found = {json.loads(line)["id"] for lines in said for line in lines}
    assert len(found) == 1
    assert scene.seen == 1


async def test_a_process_that_dies_before_its_answer_leaves_an_unknown_outcome(tmp_path: Path) -> None:
    """Killed between intent and answer; the same key later says so and sends nothing."""
    clock = Stillstand()
    clock.now = SystemClock.now  # type: ignore[method-assign]
    reply = Reply(200, {"content-type": "application/json"}, b"{}", delay=30)
    async with running(tmp_path, SPEC, lambda _: reply, clock=clock) as scene:
        words = (tmp_path, scene.upstream.origin, TENANT, scene.connection.connection_id, "book", KEY, 1)
        with children.child("once", *words) as process:
            await children.ready(process)
            await children.go(process)
            await scene.upstream.arrived()
            process.kill()
        with pytest.raises(RequestError, match="still running"):
            await scene.call("book", idempotency_key=KEY)
        clock.now = lambda: SystemClock.now() + 40  # type: ignore[method-assign]
        done = await scene.call("book", idempotency_key=KEY)
        assert done.error is not None
        assert (done.error.code, done.error.retryable, done.replayed) == ("OUTCOME_UNKNOWN", False, True)
        again = await scene.call("book", idempotency_key=KEY)
        assert again.execution_id == done.execution_id
        assert scene.seen == 1


async def test_keys_are_stored_hashed_and_answers_sealed(tmp_path: Path) -> None:
    async with running(tmp_path, SPEC, replies({"recipient": "canary-of-the-answer"})) as scene:
        done = await scene.call("book", idempotency_key=KEY)
        assert done.data == {"got": {"recipient": "canary-of-the-answer"}}
        again = await scene.call("book", idempotency_key=KEY)
        assert again.data == done.data
    stored = b"".join(path.read_bytes() for path in (tmp_path / "data").iterdir() if path.is_file())
    assert KEY.encode() not in stored
    assert b"idempotency" in stored
    assert b'"state":"done"' in stored
    sealed = stored.partition(b'"state":"done"')[2][:2000]
    assert b"canary-of-the-answer" not in sealed


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**12), 10**12) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(st.text(max_size=3), _JSON, max_size=4), st.dictionaries(st.text(max_size=3), _JSON, max_size=4))
def test_requests_have_the_same_print_exactly_when_they_are_the_same(
    one: dict[str, object], two: dict[str, object]
) -> None:
    def written(value: object) -> str:
        return json.dumps(value, sort_keys=True)

    prints = [fingerprint(Command("t", "a", value, connection_id="c")) for value in (one, two)]
    assert (prints[0] == prints[1]) == (written(one) == written(two))


async def test_a_fraction_that_is_integral_is_the_same_request(scene: Scene) -> None:
    await scene.call("book", {"weight": 5}, idempotency_key=KEY)
    assert (await scene.call("book", {"weight": Decimal("5.0")}, idempotency_key=KEY)).replayed


async def test_an_input_that_is_no_json_is_a_bad_request_under_a_key(scene: Scene) -> None:
    with pytest.raises(RequestError, match="not a JSON value") as caught:
        await scene.call("book", {"note": "\ud800"}, idempotency_key=KEY)
    assert caught.value.code == "BAD_REQUEST"
