"""Which answers hold a key, and which set it free: free is what surely did nothing and asks to come again."""

from __future__ import annotations

import asyncio
import json
import sqlite3
from collections.abc import AsyncIterator
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import pytest

from engine.errors import StorageUnavailable
from engine.runtime.call import derived_key
from engine.storage.sqlite import DATABASE_FILE
from tests.support import children
from tests.support.scene import TENANT, Scene, replies, running
from tests.support.specs import action, spec
from tests.support.upstream import Fault, Reply, Seen, answer

KEY = "order-4711-of-lan"
BUSY, UP = answer({}, 429), answer({"ok": True})
BOOK = action("book", "write")


def step(step_id: str, effect: str, **more: Any) -> dict[str, Any]:
    request = {"method": "GET" if effect == "read" else "POST", "path": f"/{step_id}"}
    return {"stepId": step_id, "effect": effect, "request": request, **more}


class Provider:
    """Answers by path; `UP` where nothing else is said."""

    def __init__(self, **replies: Reply) -> None:
        self.replies = replies
        self.paths: list[str] = []

    def __call__(self, seen: Seen) -> Reply:
        self.paths.append(seen.path)
        return self.replies.get(seen.path.removeprefix("/"), UP)


async def replayed(scene: Scene, provider: Provider) -> bool:
    """Whether a second request with the key, when the provider is well again, gets the first answer."""
    first = await scene.call("book", idempotency_key=KEY)
    assert first.error is not None, "the first one must fail"
    provider.replies.clear()
    again = await scene.call("book", idempotency_key=KEY)
    if again.replayed:
        assert (again.execution_id, again.error) == (first.execution_id, first.error)
    else:
        assert again.success
    return again.replayed


@pytest.mark.parametrize(
    ("rule", "held"),
    [
        ({}, False),
        ({"code": "RATE_LIMITED", "retryable": True}, True),
        ({"code": "RATE_LIMITED", "retryable": True, "notProcessed": True}, False),
        ({"code": "RATE_LIMITED", "retryable": False, "notProcessed": True}, True),
        ({"code": "REJECTED", "notProcessed": True}, True),
    ],
    ids=["plain 429", "received", "not processed", "quota gone", "refused"],
)
async def test_a_refusal_that_says_try_again_and_did_nothing_sets_the_key_free(
    tmp_path: Path, rule: dict[str, Any], held: bool
) -> None:
    provider = Provider(book=BUSY)
    made = {**spec(BOOK), **({"errors": [{"status": 429, **rule}]} if rule else {})}
    async with running(tmp_path, made, provider) as scene:
        assert await replayed(scene, provider) is held


@pytest.mark.parametrize(
    ("first", "reply", "held"),
    [
        (step("look", "read"), UP, False),
        (step("reserve", "write"), UP, True),
        (step("reserve", "write", onError="continue"), answer({}, 400), True),
        (step("reserve", "write", onError="continue"), Reply(200, {}, b"", fault="drop"), True),
        (step("reserve", "write", onError="continue"), BUSY, False),
    ],
    ids=["a read", "a write", "a refused write", "a write whose answer was lost", "a write that was not processed"],
)
async def test_what_an_earlier_step_may_have_done_holds_the_key(
    tmp_path: Path, first: dict[str, Any], reply: Reply, held: bool
) -> None:
    """The last step is refused by a plain 429 each time."""
    made = action("book", "write", steps=[first, step("book", "write")], output={"done": "`true`"})
    provider = Provider(**{first["stepId"]: reply, "book": BUSY})
    async with running(tmp_path, spec(made), provider) as scene:
        assert await replayed(scene, provider) is held


@pytest.mark.parametrize("fault", ["drop", "half", "garbage"])
async def test_a_lost_answer_before_the_refusal_holds_the_key(tmp_path: Path, fault: Fault) -> None:
    """The upstream knows keys, so the write is sent again; what became of the first sending nobody knows."""
    made = action("book", "write", idempotency="key")
    made["request"]["headers"] = {"Idempotency-Key": "{{ call.idempotencyKey }}"}
    answers = [Reply(200, {}, b"{}", fault=fault), *[BUSY] * 2, UP]
    async with running(tmp_path, spec(made), lambda _: answers.pop(0)) as scene:
        assert await scene.code("book", idempotency_key=KEY) == "OUTCOME_UNKNOWN"
        assert (await scene.call("book", idempotency_key=KEY)).replayed


async def test_the_upstreams_key_is_derived_from_the_callers_and_the_same_for_a_repeat(tmp_path: Path) -> None:
    made = action("book", "write")
    made["request"]["headers"] = {"X-Request-Key": "{{ call.key }}"}
    answers = [BUSY] * 3 + [UP]
    async with running(tmp_path, spec(made), lambda _: answers.pop(0)) as scene:
        assert await scene.code("book", idempotency_key=KEY) == "RATE_LIMITED"
        assert (await scene.call("book", idempotency_key=KEY)).success
        assert {seen.headers["x-request-key"] for seen in scene.upstream.seen} == {derived_key(KEY)}


async def test_a_store_that_fails_before_anything_was_sent_sets_the_key_free(tmp_path: Path) -> None:
    """Nothing was done and the caller is told to try again: the repeat must not be an unknown outcome."""
    async with running(tmp_path, spec(action("book", "write", rateLimit=5)), replies()) as scene:
        with closing(sqlite3.connect(scene.data_dir / DATABASE_FILE, isolation_level=None)) as other:
            # Counting a call fails, and nothing else does: SQLite refuses a value of 3 GB.
            other.execute(
                "CREATE TRIGGER refuse BEFORE INSERT ON state WHEN NEW.key LIKE 'limit:%'"
                " BEGIN SELECT randomblob(3000000000); END"
            )
            with pytest.raises(StorageUnavailable):
                await scene.call("book", idempotency_key=KEY)
            other.execute("DROP TRIGGER refuse")
        assert scene.seen == 0
        assert (await scene.call("book", idempotency_key=KEY)).success


@pytest.fixture
async def slow(tmp_path: Path) -> AsyncIterator[Scene]:
    reply = Reply(200, {"content-type": "application/json"}, b"{}", delay=0.3)
    async with running(tmp_path, spec(BOOK), lambda _: reply) as scene:
        yield scene


async def test_fifty_calls_at_once_in_four_processes_with_one_key_are_one_write(slow: Scene, tmp_path: Path) -> None:
    words = (tmp_path, slow.upstream.origin, TENANT, slow.connection.connection_id, "book", KEY, 50)
    with ExitStack() as stack:
        processes = [stack.enter_context(children.child("at_once", *words)) for _ in range(4)]
        await asyncio.gather(*map(children.ready, processes))
        await asyncio.gather(*map(children.go, processes))
        said = await asyncio.gather(*map(children.lines, processes))
    told = [json.loads(line) for lines in said for line in lines]
    assert len(told) == 200
    assert slow.seen == 1
    assert {one["conflict"] for one in told if "conflict" in one} <= {"CONFLICT"}
    answered = [one for one in told if "id" in one]
    assert len({one["id"] for one in answered}) == 1
    assert sum(not one["replayed"] for one in answered) == 1
    assert {one["code"] for one in answered} == {None}
