"""Sizes and time: no answer fills the memory, and none takes longer than the call may."""

from __future__ import annotations

import asyncio
import gzip
import resource
import time
from pathlib import Path

import pytest

from engine.library import exact
from engine.runtime.clock import SystemClock
from tests.support.scene import running
from tests.support.specs import action, fields, spec, text
from tests.support.upstream import Reply, answer

JSON = {"content-type": "application/json"}
SMALL = {"max_answer_bytes": 100_000}
MEGABYTE = b"x" * 1_000_000


async def test_an_answer_of_exactly_the_largest_size_is_taken(tmp_path: Path) -> None:
    body = b'"' + b"x" * 99_998 + b'"'
    async with running(tmp_path, spec(), lambda _: Reply(200, JSON, body), settings=SMALL) as scene:
        assert (await scene.call()).data == {"got": "x" * 99_998}


@pytest.mark.parametrize(
    "reply",
    [
        Reply(200, JSON, b'"' + b"x" * 99_999 + b'"'),
        Reply(200, JSON, stream=[b"x" * 50_000] * 3),
        Reply(200, {**JSON, "content-encoding": "gzip"}, gzip.compress(b"x" * 100_001)),
    ],
    ids=["announced", "streamed", "compressed"],
)
async def test_a_larger_answer_is_refused(tmp_path: Path, reply: Reply) -> None:
    async with running(tmp_path, spec(action(), action("book", "write")), lambda _: reply, settings=SMALL) as scene:
        read = (await scene.call()).error
        assert read is not None
        assert (read.code, read.retryable, read.details, scene.seen) == ("PAYLOAD_TOO_LARGE", False, {}, 1)
        write = (await scene.call("book")).error
        assert write is not None
        assert (write.code, write.details) == ("PAYLOAD_TOO_LARGE", {"outcome": "unknown"})


async def test_a_call_works_again_after_an_answer_that_was_too_large(tmp_path: Path) -> None:
    replies = [Reply(200, JSON, stream=[MEGABYTE] * 3), answer({"ok": True})]
    async with running(tmp_path, spec(), lambda _: replies.pop(0), settings=SMALL) as scene:
        assert await scene.code() == "PAYLOAD_TOO_LARGE"
        assert (await scene.call()).success


def peak_megabytes() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


async def test_a_bomb_of_compressed_zeros_does_not_fill_the_memory(tmp_path: Path) -> None:
    bomb = gzip.compress(bytes(10_000_000), 9) * 40  # 400 MB in 400 kB
    reply = Reply(200, {**JSON, "content-encoding": "gzip"}, bomb)
    async with running(tmp_path, spec(), lambda _: reply) as scene:
        await scene.code()
        before = peak_megabytes()
        assert await scene.code() == "PAYLOAD_TOO_LARGE"
        assert peak_megabytes() - before < 50


async def test_an_answer_without_end_does_not_fill_the_memory(tmp_path: Path) -> None:
    reply = Reply(200, JSON, stream=[MEGABYTE] * 200)
    async with running(tmp_path, spec(), lambda _: reply) as scene:
        before = peak_megabytes()
        assert await scene.code() == "PAYLOAD_TOO_LARGE"
        assert peak_megabytes() - before < 50


async def test_many_headers_without_end_are_a_lost_answer(tmp_path: Path) -> None:
    reply = Reply(200, {**JSON, "x-long": "x" * 1_000_000}, b"{}")
    async with running(tmp_path, spec(), lambda _: reply) as scene:
        assert await scene.code() == "PROVIDER_UNAVAILABLE"


@pytest.mark.parametrize(
    "reply",
    [Reply(200, JSON, b"{}", delay=20), Reply(200, JSON, b'"' + b"x" * 2000 + b'"', fault="trickle")],
    ids=["silent", "a byte now and then"],
)
async def test_a_slow_answer_ends_within_the_actions_own_time(tmp_path: Path, reply: Reply) -> None:
    made = spec(action(timeoutSeconds=0.4), action("book", "write", timeoutSeconds=0.4))
    async with running(tmp_path, made, lambda _: reply, clock=SystemClock()) as scene:
        started = time.monotonic()
        read = (await scene.call()).error
        assert time.monotonic() - started < 15
        assert read is not None
        assert (read.code, read.retryable) == ("TIMEOUT", True)
        assert (await scene.log())[0].status == "timeout"
        write = (await scene.call("book")).error
        assert write is not None
        assert (write.code, write.retryable, write.details["cause"]) == ("OUTCOME_UNKNOWN", False, "TIMEOUT")
        assert scene.seen == 2


async def test_the_integrations_time_holds_where_the_action_names_none(tmp_path: Path) -> None:
    reply = Reply(200, JSON, b"{}", delay=20)
    made = spec(http={"timeoutSeconds": 0.3})
    async with running(tmp_path, made, lambda _: reply, clock=SystemClock()) as scene:
        assert await scene.code() == "TIMEOUT"


async def test_no_action_may_take_longer_than_the_operator_allows(tmp_path: Path) -> None:
    reply = Reply(200, JSON, b"{}", delay=20)
    made, operators = spec(action(timeoutSeconds=20)), {"time_budget_seconds": 0.3}
    async with running(tmp_path, made, lambda _: reply, clock=SystemClock(), settings=operators) as scene:
        assert await scene.code() == "TIMEOUT"


async def test_a_call_that_is_cut_off_does_not_hold_up_the_others(tmp_path: Path) -> None:
    def handler(seen: object) -> Reply:
        return Reply(200, JSON, b"{}", delay=20 if "slow" in repr(seen) else 0)

    made = spec(action(), action("slow", timeoutSeconds=0.5))
    async with running(tmp_path, made, handler, clock=SystemClock()) as scene:
        slow = [asyncio.create_task(scene.code("slow")) for _ in range(20)]
        assert all([(await scene.call()).success for _ in range(5)])
        assert set(await asyncio.gather(*slow)) <= {"TIMEOUT", "CIRCUIT_OPEN"}


async def test_an_output_beyond_its_size_is_refused(tmp_path: Path) -> None:
    made = spec(action(), action("book", "write"))
    handler = lambda _: answer("x" * 2000)  # noqa: E731
    async with running(tmp_path, made, handler, settings={"max_output_bytes": 1500}) as scene:
        assert await scene.code() == "PAYLOAD_TOO_LARGE"
        write = (await scene.call("book")).error
        assert write is not None
        assert (write.code, write.details) == ("PAYLOAD_TOO_LARGE", {"outcome": "unknown"})


async def test_an_input_too_large_for_the_log_is_left_out_of_it(tmp_path: Path) -> None:
    one = action(inputSchema=fields(note=text()))
    async with running(tmp_path, spec(one)) as scene:
        assert (await scene.call("quote", {"note": "x" * 70_000})).success
        assert exact.loads((await scene.log())[0].input) == {"$omitted": "larger than 64 kB"}
