"""What an observer of a running engine is told, and what the log answers to "why did this call fail"."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from engine.runtime.circuits import OpenCircuit, open_circuits, waiting_connections
from engine.telemetry.events import AttemptEvent, CallEvent
from tests.runtime.test_call_token import Provider
from tests.support.scene import START, Scene, Stillstand, replies, running
from tests.support.specs import HOST, PASSWORD, action, fields, login_spec, spec, whole
from tests.support.upstream import Reply, Seen, answer
from tests.telemetry.samples import Diary


def in_turn(*replies: Reply) -> Any:
    """A provider that gives these answers one after the other, the last one ever after."""
    left = list(replies)
    return lambda _seen: left.pop(0) if len(left) > 1 else left[0]


async def test_a_call_that_succeeds_is_one_attempt_and_one_call(tmp_path: Path) -> None:
    diary = Diary()
    async with running(tmp_path, spec(), observer=diary) as scene:
        done = await scene.call()
    (one,), (call,) = diary.attempts, diary.calls
    assert (one.execution_id, one.tenant_id, one.action_id) == (done.execution_id, "tenant-a", "quote")
    assert (one.number, one.step_id, one.method, one.host) == (1, "request", "GET", HOST)
    assert (one.http_status, one.error_code, one.received_bytes) == (200, None, len(b'{"ok": true}'))
    assert call.attempts == (one,)
    assert (call.status, call.error_code, call.http_status, call.is_test) == ("success", None, 200, False)
    assert (call.at, call.latency_ms) == (START, done.latency_ms)


async def test_each_field_of_an_event_holds_what_its_name_says(tmp_path: Path) -> None:
    diary, clock = Diary(), Stillstand()
    made = spec(action("book", "write"), answer={"code": "body.code"})
    async with running(tmp_path, made, replies({"code": "E17"}, 422), clock=clock, observer=diary) as scene:
        failed = await scene.call("book")
    (one,), (call,) = diary.attempts, diary.calls
    ids = {
        "execution_id": failed.execution_id,
        "tenant_id": scene.connection.tenant_id,
        "integration_id": "acme-shipping",
        "action_id": "book",
        "connection_id": scene.connection.connection_id,
    }
    said = {"http_status": 422, "error_code": "INVALID_INPUT", "provider_code": "E17", "at": START, "latency_ms": 0}
    figures = {"number": 1, "signs_in": False, "waited_ms": 0, "sent_bytes": one.sent_bytes, "received_bytes": 15}
    assert one._asdict() == ids | said | figures | {"step_id": "request", "method": one.method, "host": HOST}
    assert call._asdict() == ids | said | {"status": "error", "attempts": (one,), "is_test": False, "trace_id": None}
    assert (type(one), type(call)) == (AttemptEvent, CallEvent)


async def test_each_retry_is_an_attempt_that_says_how_long_it_waited(tmp_path: Path) -> None:
    diary, clock = Diary(), Stillstand(jitter=0.5)
    handler = in_turn(answer({}, 503), answer({}, 429, retry_after="2"), answer({"ok": True}))
    async with running(tmp_path, spec(), handler, clock=clock, observer=diary) as scene:
        assert (await scene.call()).success
    told = [(one.number, one.http_status, one.error_code, round(one.waited_ms)) for one in diary.attempts]
    assert told == [(1, 503, "PROVIDER_UNAVAILABLE", 0), (2, 429, "RATE_LIMITED", 100), (3, 200, None, 2200)]
    assert [round(seconds * 1000) for seconds in clock.slept] == [100, 2200]


async def test_an_attempt_without_an_answer_has_no_status(tmp_path: Path) -> None:
    diary = Diary()
    async with running(tmp_path, spec(action("book", "write")), in_turn(Reply(fault="drop")), observer=diary) as scene:
        await scene.call("book")
    (one,), (call,) = diary.attempts, diary.calls
    assert (one.http_status, one.error_code) == (None, "PROVIDER_UNAVAILABLE")
    assert (call.error_code, call.http_status) == ("OUTCOME_UNKNOWN", None)


async def test_a_login_is_told_as_such_and_counts_among_the_attempts(tmp_path: Path) -> None:
    diary = Diary()
    given: dict[str, Any] = {"config": {"user": "me"}, "credentials": {"password": PASSWORD}}
    async with running(tmp_path, login_spec(), Provider(), observer=diary, **given) as scene:
        await scene.call()
        (row,) = await scene.log()
    assert [(one.number, one.step_id, one.signs_in) for one in diary.attempts] == [
        (1, "login", True),
        (2, "request", False),
    ]
    assert (row.attempts, row.http_status) == (2, 200)


async def test_a_login_that_fails_leaves_its_status_in_the_log(tmp_path: Path) -> None:
    given: dict[str, Any] = {"config": {"user": "me"}, "credentials": {"password": "not-the-password"}}
    async with running(tmp_path, login_spec(), Provider(), **given) as scene:
        await scene.call()
        (row,) = await scene.log()
    assert (row.error_code, row.attempts, row.http_status) == ("AUTH_FAILED", 1, 400)


async def test_what_our_limit_refuses_is_no_attempt(tmp_path: Path) -> None:
    diary = Diary()
    async with running(tmp_path, spec(action(rateLimit=1)), observer=diary) as scene:
        for _ in range(2):
            await scene.call()
    assert len(diary.attempts) == 1
    assert [one.refused_by_limit for one in diary.calls] == [False, True]


async def test_a_limit_that_refuses_a_retry_is_not_taken_for_the_providers(tmp_path: Path) -> None:
    diary = Diary()
    async with running(tmp_path, spec(action(rateLimit=1)), replies({}, 503), observer=diary) as scene:
        await scene.call()
        (row,) = await scene.log()
    (call,) = diary.calls
    assert (call.error_code, call.refused_by_limit, len(call.attempts)) == ("RATE_LIMITED", True, 1)
    assert (row.attempts, row.http_status) == (1, None)


async def test_a_providers_429_is_not_taken_for_our_limit(tmp_path: Path) -> None:
    diary = Diary()
    async with running(tmp_path, spec(action("book", "write")), replies({}, 429), observer=diary) as scene:
        await scene.call("book")
    (call,) = diary.calls
    assert (call.error_code, call.http_status, call.refused_by_limit) == ("RATE_LIMITED", 429, False)


async def test_an_action_that_does_not_exist_is_not_named(tmp_path: Path) -> None:
    """Its name is the caller's text; the row in the log has it."""
    diary = Diary()
    async with running(tmp_path, spec(), observer=diary) as scene:
        await scene.call("quote my-card-4111")
        (row,) = await scene.log()
    (call,) = diary.calls
    assert (call.action_id, call.error_code, call.attempts) == (None, "ACTION_NOT_FOUND", ())
    assert row.action_id == "quote my-card-4111"


async def test_a_test_of_a_connection_is_a_call_that_says_so(tmp_path: Path) -> None:
    diary = Diary()
    async with running(tmp_path, spec(test={"action": "quote"}), observer=diary) as scene:
        await scene.engine.test(scene.connection)
    assert [(one.is_test, one.action_id) for one in diary.calls] == [(True, "quote")]


async def test_a_providers_code_is_masked_in_both_events(tmp_path: Path) -> None:
    """A provider may echo the key that it refuses, also as its code."""
    diary = Diary()
    made = spec(answer={"code": "body.code"})
    echo = lambda seen: answer({"code": f"bad {seen.headers['x-api-key']}"}, 422)  # noqa: E731
    async with running(tmp_path, made, echo, observer=diary) as scene:
        await scene.call()
    assert diary.attempts[0].provider_code == diary.calls[0].provider_code == "bad ***"


# ---------------------------------------------------------------- why did this call fail


async def test_the_log_tells_how_the_provider_refused(tmp_path: Path) -> None:
    made = spec(answer={"code": "body.code", "message": "body.why"})
    async with running(tmp_path, made, replies({"code": "E17", "why": "no such ward"}, 422)) as scene:
        await scene.call()
        (row,) = await scene.log()
    assert (row.error_code, row.error_message) == ("INVALID_INPUT", "no such ward")
    assert (row.provider_code, row.http_status, row.attempts) == ("E17", 422, 1)


async def test_the_log_tells_which_field_of_an_input_was_wrong_and_that_nothing_was_sent(tmp_path: Path) -> None:
    made = spec(action(inputSchema=fields(("weight",), weight=whole())))
    async with running(tmp_path, made) as scene:
        await scene.call(given={"weight": "heavy"})
        (row,) = await scene.log()
    assert row.error_details is not None
    assert [issue["path"] for issue in json.loads(row.error_details)["issues"]] == [["weight"]]
    assert (row.attempts, row.http_status, row.provider_code) == (0, None, None)


async def test_details_are_masked_by_name_and_by_value(tmp_path: Path) -> None:
    rule = {"status": 422, "code": "REJECTED", "details": {"receiverPhone": "body.phone", "said": "body.said"}}
    echo = lambda seen: answer({"phone": "0900000001", "said": seen.headers["x-api-key"]}, 422)  # noqa: E731
    async with running(tmp_path, spec(errors=[rule]), echo) as scene:
        await scene.call()
        (row,) = await scene.log()
    assert row.error_details is not None
    details = json.loads(row.error_details)
    assert (details["receiverPhone"], details["said"]) == ("•••", "***")


# ---------------------------------------------------------------- circuits


async def fail(scene: Scene, times: int) -> None:
    for _ in range(times):
        await scene.call("book")


async def test_an_open_circuit_is_listed_until_a_call_succeeds(tmp_path: Path) -> None:
    clock, weather = Stillstand(), [answer({}, 503)]

    def handler(_: Seen) -> Reply:
        return weather[0]

    async with running(tmp_path, spec(action("book", "write")), handler, clock=clock) as scene:
        state = scene.engine.store.state
        await fail(scene, 9)
        assert await open_circuits(state, clock.now()) == []
        await fail(scene, 1)
        clock.passed += 10
        assert await open_circuits(state, clock.now()) == [OpenCircuit("acme-shipping", HOST, START, 20.0)]
        clock.passed += 30
        assert [one.retry_in for one in await open_circuits(state, clock.now())] == [0.0]
        weather[0] = answer({"ok": True})
        await fail(scene, 1)
        assert await open_circuits(state, clock.now()) == []


async def test_connections_that_a_provider_asked_to_wait_are_counted(tmp_path: Path) -> None:
    async with running(tmp_path, spec(action("book", "write")), replies({}, 429, retry_after="60")) as scene:
        assert await waiting_connections(scene.engine.store.state) == 0
        await scene.call("book")
        assert await waiting_connections(scene.engine.store.state) == 1
