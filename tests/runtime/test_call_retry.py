"""What is sent again follows the declared effect, never the HTTP method; what can't be known is said."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.errors import CallError
from engine.model import Response
from engine.runtime import response, retry
from engine.runtime.clock import SystemClock
from tests.support.scene import START, Scene, Stillstand, replies, running
from tests.support.specs import action, fields, spec, text
from tests.support.upstream import Fault, Handler, Reply, Seen, answer

READ = action(request={"method": "POST", "path": "/quote"})  # a read by its effect, whatever the method says
WRITE = action("book", "write", request={"method": "PUT", "path": "/book"})
KEYED = action(
    "pay",
    "write",
    idempotency="key",
    request={"method": "POST", "path": "/pay", "headers": {"Idempotency-Key": "{{ call.idempotencyKey }}"}},
)
SPEC = spec(READ, WRITE, KEYED)


def in_turn(*given: Reply) -> Handler:
    """These answers one after another, the last one for ever."""
    rest = list(given)
    return lambda _: rest.pop(0) if len(rest) > 1 else rest[0]


OK = answer({"ok": True})
LOST: tuple[Fault, ...] = ("drop", "half", "bad chunk", "garbage")


def lost(fault: Fault) -> Reply:
    return Reply(200, {"content-type": "application/json"}, b'{"ok": true}', fault=fault)


@pytest.mark.parametrize(
    "first", [answer({}, 503), answer({}, 500), answer({}, 408), answer({}, 429), *map(lost, LOST)]
)
async def test_a_read_is_made_again_until_it_succeeds(tmp_path: Path, first: Reply) -> None:
    async with running(tmp_path, SPEC, in_turn(first, first, OK)) as scene:
        assert (await scene.call()).success
        assert scene.seen == 3


async def test_a_read_is_made_three_times_at_most(tmp_path: Path) -> None:
    async with running(tmp_path, SPEC, replies({}, 503)) as scene:
        done = await scene.call()
        assert done.error is not None
        assert (done.error.code, done.error.retryable) == ("PROVIDER_UNAVAILABLE", True)
        assert scene.seen == 3


@pytest.mark.parametrize("status", [400, 401, 403, 404, 409, 422])
async def test_a_refusal_is_never_asked_again(tmp_path: Path, status: int) -> None:
    async with running(tmp_path, SPEC, replies({}, status)) as scene:
        await scene.code()
        assert scene.seen == 1


async def test_a_read_whose_connection_is_closed_unread_is_made_again(tmp_path: Path) -> None:
    async with running(tmp_path, SPEC, replies()) as scene:
        scene.upstream.refusals = 2
        assert (await scene.call()).success
        assert scene.upstream.connections == 3


@pytest.mark.parametrize("fault", LOST)
async def test_a_write_whose_answer_was_lost_is_never_sent_again(tmp_path: Path, fault: Fault) -> None:
    async with running(tmp_path, SPEC, lambda _: lost(fault)) as scene:
        done = await scene.call("book")
        assert done.error is not None
        assert (done.error.code, done.error.retryable) == ("OUTCOME_UNKNOWN", False)
        assert done.error.details["cause"] == "PROVIDER_UNAVAILABLE"
        assert scene.seen == 1


async def test_a_write_on_a_kept_connection_that_breaks_is_never_sent_again(tmp_path: Path) -> None:
    """HTTP clients like to resend on a reused connection that was dropped."""
    async with running(tmp_path, SPEC, in_turn(OK, lost("drop"), OK)) as scene:
        assert (await scene.call("book")).success
        assert await scene.code("book") == "OUTCOME_UNKNOWN"
        assert (scene.seen, scene.upstream.connections) == (2, 1)


@pytest.mark.parametrize("status", [408, 500, 502, 503, 504])
async def test_a_write_that_the_provider_failed_at_is_never_sent_again(tmp_path: Path, status: int) -> None:
    async with running(tmp_path, SPEC, replies({}, status)) as scene:
        assert await scene.code("book") == "OUTCOME_UNKNOWN"
        assert scene.seen == 1


async def test_a_write_that_nobody_accepted_is_sent_again(tmp_path: Path) -> None:
    clock = Stillstand()
    async with running(tmp_path, SPEC, replies(), clock=clock) as scene:
        await scene.upstream.hang_up()
        clock.on_sleep = scene.upstream.listen
        assert (await scene.call("book")).success
        assert (scene.seen, len(clock.slept)) == (1, 1)


async def test_a_provider_that_nobody_answers_for_is_unavailable_and_nothing_was_done(tmp_path: Path) -> None:
    clock = Stillstand()
    async with running(tmp_path, SPEC, replies(), clock=clock) as scene:
        await scene.upstream.hang_up()
        done = await scene.call("book")
        assert done.error is not None
        assert (done.error.code, done.error.retryable) == ("PROVIDER_UNAVAILABLE", True)
        assert "127.0.0.1" not in done.error.message
        assert len(clock.slept) == 2


async def test_a_write_that_came_too_fast_is_sent_again(tmp_path: Path) -> None:
    async with running(tmp_path, SPEC, in_turn(answer({}, 429), OK)) as scene:
        assert (await scene.call("book")).success
        assert scene.seen == 2


async def test_a_rule_alone_may_say_that_a_write_was_not_processed(tmp_path: Path) -> None:
    rules = [
        {"status": 503, "when": "body.busy", "code": "PROVIDER_UNAVAILABLE", "notProcessed": True},
        {"status": 429, "when": "body.late", "code": "RATE_LIMITED", "retryable": True},
    ]
    made = spec(WRITE, errors=rules)
    async with running(tmp_path / "a", made, in_turn(answer({"busy": True}, 503), OK)) as scene:
        assert (await scene.call("book")).success
    async with running(tmp_path / "b", made, replies({"late": True}, 429)) as scene:
        assert await scene.code("book") == "RATE_LIMITED"
        assert scene.seen == 1


@pytest.mark.parametrize("first", [lost("drop"), answer({}, 503), answer({}, 429)])
async def test_a_write_with_a_key_for_the_provider_is_sent_again_with_the_same_key(
    tmp_path: Path, first: Reply
) -> None:
    async with running(tmp_path, SPEC, in_turn(first, OK)) as scene:
        assert (await scene.call("pay", idempotency_key="order-1")).success
        assert [seen.headers["idempotency-key"] for seen in scene.upstream.seen] == ["order-1", "order-1"]


async def test_a_write_with_a_key_that_stays_lost_is_unknown_too(tmp_path: Path) -> None:
    """The caller's next try would carry another key."""
    async with running(tmp_path, SPEC, lambda _: lost("drop")) as scene:
        done = await scene.call("pay")
        assert done.error is not None
        assert (done.error.code, done.error.retryable) == ("OUTCOME_UNKNOWN", False)
        assert scene.seen == 3


async def test_a_lost_write_stays_unknown_when_its_repetition_is_not_even_accepted(tmp_path: Path) -> None:
    clock = Stillstand()
    async with running(tmp_path, SPEC, lambda _: lost("drop"), clock=clock) as scene:
        clock.on_sleep = scene.upstream.hang_up
        assert await scene.code("pay") == "OUTCOME_UNKNOWN"
        assert scene.seen == 1


async def test_there_is_one_already_may_speak_of_the_attempt_that_was_lost(tmp_path: Path) -> None:
    """Told as a conflict, the caller would make another one. Without a lost answer it is somebody else's."""
    async with running(tmp_path, SPEC, in_turn(lost("drop"), answer({}, 409))) as scene:
        done = await scene.call("pay")
        assert done.error is not None
        assert (done.error.code, done.error.details["cause"]) == ("OUTCOME_UNKNOWN", "CONFLICT")
    async with running(tmp_path / "other", SPEC, in_turn(answer({}, 409))) as scene:
        assert await scene.code("pay") == "CONFLICT"


async def test_a_lost_write_is_settled_by_what_its_repetition_says(tmp_path: Path) -> None:
    async with running(tmp_path, SPEC, in_turn(lost("drop"), answer({}, 422))) as scene:
        assert await scene.code("pay") == "INVALID_INPUT"


@pytest.mark.parametrize(("after", "ms"), [("3", 3000), ("0", 1), ("12", 12_000)])
async def test_a_wait_that_the_provider_asks_for_is_honoured(tmp_path: Path, after: str, ms: int) -> None:
    clock = Stillstand()
    handler = in_turn(answer({}, 429, retry_after=after), OK)
    async with running(tmp_path, SPEC, handler, clock=clock) as scene:
        assert (await scene.call("book")).success
        assert clock.slept == [ms / 1000]


async def test_a_date_in_retry_after_is_measured_by_the_providers_own_clock(tmp_path: Path) -> None:
    clock = Stillstand()
    headers = {"retry_after": "Fri, 01 May 2020 00:00:09 GMT", "date": "Fri, 01 May 2020 00:00:02 GMT"}
    async with running(tmp_path, SPEC, in_turn(answer({}, 503, **headers), OK), clock=clock) as scene:
        assert (await scene.call()).success
        assert clock.slept == [7.0]


async def test_a_wait_longer_than_the_budget_ends_at_once_and_tells_how_long(tmp_path: Path) -> None:
    clock = Stillstand()
    async with running(tmp_path, SPEC, replies({}, 429, retry_after="60"), clock=clock) as scene:
        done = await scene.call()
        assert done.error is not None
        assert (done.error.code, done.error.retryable, done.error.retry_after_ms) == ("RATE_LIMITED", True, 60_000)
        assert (scene.seen, clock.slept) == (1, [])


async def test_waits_are_drawn_from_a_growing_span(tmp_path: Path) -> None:
    clock = Stillstand(jitter=0.5)
    async with running(tmp_path, SPEC, replies({}, 503), clock=clock) as scene:
        await scene.call()
        assert clock.slept == [0.1, 0.2]


async def test_waits_count_against_the_calls_own_time(tmp_path: Path) -> None:
    clock = Stillstand()
    made = spec(action(timeoutSeconds=5))
    async with running(tmp_path, made, replies({}, 503, retry_after="3"), clock=clock) as scene:
        assert await scene.code() == "PROVIDER_UNAVAILABLE"
        assert (scene.seen, clock.slept) == (2, [3.0])


@given(st.text(max_size=40), st.text(max_size=40))
def test_no_header_of_a_provider_breaks_the_reading_of_a_wait(after: str, date: str) -> None:
    made = Response(429, {"retry-after": after, "date": date}, b"")
    wait = response.retry_after_ms(None, made, "RATE_LIMITED", lambda: START)
    assert wait is None or 1 <= wait <= 86_400_000


@given(st.integers() | st.decimals(allow_nan=False, allow_infinity=False) | st.sampled_from([10**400, -(10**400)]))
def test_no_wait_that_a_rule_reads_in_a_body_breaks_it(asked: Any) -> None:
    wait = response.retry_after_ms(asked, Response(429, {}, b""), "RATE_LIMITED", lambda: START)
    assert wait is None or 1 <= wait <= 86_400_000


@pytest.mark.parametrize("after", ["Fri, 99 May 2020 00:00:09 GMT", "²", "1e3", "-5"])
def test_a_retry_after_that_is_none_is_ignored(after: str) -> None:
    made = Response(429, {"retry-after": after, "date": "Fri, 01 May 2020 00:00:02 GMT"}, b"")
    assert response.retry_after_ms(None, made, "RATE_LIMITED", lambda: START) is None


@given(
    attempt=st.integers(1, 5),
    effect=st.sampled_from(["read", "write"]),
    has_key=st.booleans(),
    not_processed=st.booleans(),
    retryable=st.booleans(),
    after=st.none() | st.integers(1, 10**8),
    remaining=st.floats(0, 30),
    fraction=st.floats(0, 0.999),
)
def test_the_decision_keeps_to_its_bounds(
    attempt: int,
    effect: Any,
    has_key: bool,
    not_processed: bool,
    retryable: bool,
    after: int | None,
    remaining: float,
    fraction: float,
) -> None:
    error = CallError(
        "PROVIDER_UNAVAILABLE", "m", retryable=retryable, retry_after_ms=after, not_processed=not_processed
    )
    again = retry.decide(retry.Policy(), attempt, effect, has_key, error, remaining, fraction)
    if again is None:
        return
    assert attempt < 3
    assert (after or 0) / 1000 <= again.wait < remaining
    assert again.wait <= (after or 0) / 1000 + 5
    assert not_processed or (retryable and (effect == "read" or has_key))


FIND = action(
    "find",
    inputSchema=fields(ref=text()),
    outputSchema=fields(id=text(), status=text()),
    request={"method": "GET", "path": "/find", "query": {"ref": "{{ input.ref }}"}},
    output={"id": "body.id", "status": "body.status"},
)


def confirmed(**confirm: Any) -> dict[str, Any]:
    """A booking whose lost answer is settled by a look."""
    how = {"action": "find", "input": {"ref": "input.ref"}, "found": "data.id", **confirm}
    return spec(
        FIND,
        action(
            "book",
            "write",
            inputSchema=fields(ref=text()),
            outputSchema=fields(("id",), id=text()),
            output={"id": "body.id"},
            idempotency={"by": "natural", "confirm": how},
        ),
    )


def losing(look: Reply) -> Handler:
    return lambda seen: look if seen.path == "/find" else lost("drop")


async def booked(scene: Scene) -> tuple[Any, Mapping[str, Any]]:
    done = await scene.call("book", {"ref": "r1"})
    assert [seen.path for seen in scene.upstream.seen].count("/book") == 1
    return done, done.error.details if done.error else {}


async def test_a_lost_write_that_is_found_with_its_output_is_a_success(tmp_path: Path) -> None:
    made = confirmed(output={"id": "data.id"})
    async with running(tmp_path, made, losing(answer({"id": "o1"}))) as scene:
        done, _ = await booked(scene)
        assert (done.success, done.data) == (True, {"id": "o1"})
        assert scene.upstream.seen[-1].query == "ref=r1"


async def test_a_lost_write_that_is_found_without_an_output_is_unknown_and_says_where_to_look(tmp_path: Path) -> None:
    async with running(tmp_path, confirmed(), losing(answer({"id": "o1"}))) as scene:
        done, details = await booked(scene)
        assert done.error.code == "OUTCOME_UNKNOWN"
        assert details["found"] is True
        assert details["next"] == {"actionId": "find", "input": {"ref": "r1"}}


@pytest.mark.parametrize("look", [answer({"status": "none"}), answer({}, 404)])
async def test_a_lost_write_that_is_not_found_is_unknown_and_not_sent_again(tmp_path: Path, look: Reply) -> None:
    async with running(tmp_path, confirmed(output={"id": "data.id"}), losing(look)) as scene:
        done, details = await booked(scene)
        assert (done.error.code, done.error.retryable) == ("OUTCOME_UNKNOWN", False)
        assert details["found"] is False
        assert details["next"] == {"actionId": "find", "input": {"ref": "r1"}}


async def test_a_look_that_fails_leaves_the_outcome_unknown(tmp_path: Path) -> None:
    async with running(tmp_path, confirmed(output={"id": "data.id"}), losing(answer({}, 503))) as scene:
        done, details = await booked(scene)
        assert done.error.code == "OUTCOME_UNKNOWN"
        assert "found" not in details


async def test_nobody_looks_after_a_write_that_was_refused(tmp_path: Path) -> None:
    async with running(tmp_path, confirmed(), replies({}, 409)) as scene:
        assert await scene.code("book", {"ref": "r1"}) == "CONFLICT"
        assert scene.seen == 1


async def test_a_write_that_took_all_its_time_can_still_be_looked_for(tmp_path: Path) -> None:
    """The action's own time is over, the call's is not."""

    def handler(seen: Seen) -> Reply:
        return answer({"id": "o1"}) if seen.path == "/find" else Reply(200, {}, b"{}", delay=2)

    made = confirmed(output={"id": "data.id"})
    made["actions"][1]["timeoutSeconds"] = 0.3
    async with running(tmp_path, made, handler, clock=SystemClock()) as scene:
        done, _ = await booked(scene)
        assert (done.success, done.data) == (True, {"id": "o1"})
