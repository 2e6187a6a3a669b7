"""What a case can say: sequences, several calls over one connection, a clock that moves, faults, keys, tokens."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from engine.cases.read import read_cases
from engine.cases.replay import replay
from tests.cases.written import Folder, case, chain, exchange, lost, turn
from tests.support.specs import CONNECTED, action, fields, login_spec, spec, text

NOW = "2026-05-01T03:04:05Z"
DATED = {"method": "GET", "path": "/quote", "headers": {"X-Now": "{{ call.now }}", "X-Random": "{{ call.random }}"}}
UNKNOWN = {"code": "OUTCOME_UNKNOWN", "retryable": False}


async def problems(home: Path, one: Mapping[str, Any], only: Mapping[str, Any]) -> list[str]:
    return await Folder(home, one, only).problems()


def at(moment: str, random: str | None = None, status: int = 200, **answer: Any) -> dict[str, Any]:
    """A request that tells the time (and the randomness) of its call."""
    headers = {"X-Now": f"2026-05-01T{moment}"} | ({"X-Random": random} if random else {})
    made = exchange("quote", status, headers=headers)
    return {**made, "answer": {**made["answer"], **answer}}


def quoted(*exchanges: Mapping[str, Any], **parts: Any) -> dict[str, Any]:
    return turn("quote", *exchanges, **({"result": {"got": {}}} | parts))


# --- sequences and the clock ----------------------------------------------------------------------------------


async def test_a_sequence_is_played_in_order_and_its_waits_are_counted(tmp_path: Path) -> None:
    busy = exchange("quote", 429)
    busy["answer"]["headers"] = {"Retry-After": "2"}
    only = case(
        "busy, then well", busy, exchange("quote", 200, {"n": 1}), result={"got": {"n": 1}}, waitedMs=2000, sent=2
    )
    assert await problems(tmp_path / "1", spec(), only) == []
    assert await problems(tmp_path / "2", spec(), {**only, "waitedMs": 1000}) == [
        "expected to wait 1000 ms, waited 2000"
    ]
    assert await problems(tmp_path / "3", spec(), {**only, "exchanges": only["exchanges"][::-1]}) != []


async def test_the_clock_goes_on_from_call_to_call_with_what_was_waited_and_delayed(tmp_path: Path) -> None:
    one = spec(action(request=DATED))
    only = chain(
        "three calls",
        quoted(at("03:04:05Z", status=429, headers={"Retry-After": "2"}), at("03:04:05Z"), waitedMs=2000),
        quoted(at("03:04:07Z", delayMs=1500)),
        quoted(at("03:04:08.500Z")),
        now=NOW,
    )
    assert await problems(tmp_path, one, only) == []


async def test_a_call_may_set_the_clock_and_the_calls_after_it_go_on_from_there(tmp_path: Path) -> None:
    one = spec(action(request=DATED))
    later = {"now": "2026-05-01T09:00:00Z"}
    only = chain(
        "later", quoted(at("03:04:05Z")), quoted(at("09:00:00Z", delayMs=1000), given=later), quoted(at("09:00:01Z")),
        now=NOW,
    )  # fmt: skip
    assert await problems(tmp_path, one, only) == []


async def test_randomness_goes_on_and_a_call_may_set_it_anew(tmp_path: Path) -> None:
    one = spec(action(request=DATED))
    only = chain(
        "random",
        quoted(at("03:04:05Z", "r1")),
        quoted(at("03:04:05Z", "r2")),
        quoted(at("03:04:05Z", "s1"), given={"random": ["s1"]}),
        now=NOW,
        random=["r1", "r2", "r3"],
    )
    assert await problems(tmp_path, one, only) == []


async def test_steps_may_come_in_any_order_and_a_wrong_one_is_held_to_its_nearest(tmp_path: Path) -> None:
    steps = [
        {"stepId": name, "effect": "read", "request": {"method": "GET", "path": f"/{name}"}, "outputs": {"n": "body.n"}}
        for name in ("a", "b")
    ]
    one = spec(action(steps=steps, output={"a": "steps.a.outputs.n", "b": "steps.b.outputs.n"}))
    other = [exchange("b", 200, {"n": 2}), exchange("a", 200, {"n": 1})]
    only = case("both", *other, result={"a": 1, "b": 2}, anyOrder=True)
    assert await problems(tmp_path / "1", one, only) == []
    assert await problems(tmp_path / "2", one, {**only, "anyOrder": False}) != []
    other[1]["expect"]["headers"] = {"X-Trace": "t"}
    assert await problems(tmp_path / "3", one, {**only, "exchanges": other}) == [
        "request 1: header X-Trace: expected t, got nothing"
    ]


# --- faults ---------------------------------------------------------------------------------------------------

WRITE = action("book", "write")


@pytest.mark.parametrize(
    ("fault", "action_id", "sent", "ends"),
    [
        ({"drop": "before"}, "quote", 2, {"result": {"got": {"n": 1}}}),
        ({"drop": "after"}, "quote", 2, {"result": {"got": {"n": 1}}}),
        ({"drop": "before"}, "book", 2, {"result": {"got": {"n": 1}}}),
        ({"drop": "after"}, "book", 1, {"error": UNKNOWN}),
        ({"status": 200, "delayMs": 60_000}, "quote", 1, {"error": {"code": "TIMEOUT"}}),
        ({"status": 200, "delayMs": 60_000}, "book", 1, {"error": UNKNOWN}),
    ],
)
async def test_a_fault_is_played_as_the_wire_would(
    tmp_path: Path, fault: Mapping[str, Any], action_id: str, sent: int, ends: Any
) -> None:
    """A connection that breaks before the request was read proves that nothing was done, so also a write goes again."""
    method = "GET" if action_id == "quote" else "POST"
    again = [exchange(action_id, 200, {"n": 1}, method)] if sent > 1 else []
    only = case("fault", lost(action_id, fault, method), *again, action=action_id, sent=sent, **ends)
    assert await problems(tmp_path, spec(action(), WRITE), only) == []


@pytest.mark.parametrize("more", [{"delayMs": 27_000}, {"chunked": True}])
async def test_a_late_or_a_chunked_answer_is_an_answer(tmp_path: Path, more: Mapping[str, Any]) -> None:
    made = exchange("quote", 200, {"n": 1})
    only = case("slow", {**made, "answer": {**made["answer"], **more}}, result={"got": {"n": 1}})
    assert await problems(tmp_path, spec(), only) == []


async def test_what_fails_in_one_case_does_not_open_the_circuit_for_the_next(tmp_path: Path) -> None:
    """Ten calls that fail in a row would, and each of these fails three times."""
    refused = [
        case(f"down {n}", *[exchange("quote", 503)] * 3, error={"code": "PROVIDER_UNAVAILABLE"}) for n in range(9)
    ]
    folder = Folder(tmp_path, spec(), *refused)
    assert [await replay(one, folder.catalog) for one in folder.cases] == [[]] * 9


# --- calls over one connection --------------------------------------------------------------------------------


def login(token: str) -> dict[str, Any]:
    sent = {"user": CONNECTED["config"]["user"], "password": CONNECTED["credentials"]["password"]}
    return exchange("login", 200, {"token": token, "expires": 3600}, "POST", json=sent)


async def test_calls_share_the_connection_and_its_token_until_it_ends(tmp_path: Path) -> None:
    """The first call logs in, the second has the token, the third comes after its end."""
    first = exchange("quote", headers={"Authorization": "Bearer t-1"})
    only = chain(
        "a day",
        quoted(login("t-1"), first),
        quoted(first),
        quoted(
            login("t-2"),
            exchange("quote", headers={"Authorization": "Bearer t-2"}),
            given={"now": "2026-05-01T09:00:00Z"},
        ),
        now=NOW,
        **CONNECTED,
    )
    assert await problems(tmp_path, login_spec(), only) == []


async def test_a_given_token_is_used_and_a_stale_one_is_not(tmp_path: Path) -> None:
    held = exchange("quote", headers={"Authorization": "Bearer t-0"})
    token = {"access": "t-0", "expiresAt": "2026-05-01T04:00:00Z"}
    only = case("held", held, given={**CONNECTED, "now": NOW, "token": token}, result={"got": {}})
    assert await problems(tmp_path / "1", login_spec(), only) == []
    renewed = [login("t-1"), exchange("quote", headers={"Authorization": "Bearer t-1"})]
    stale = {**only, "given": {**only["given"], "now": "2026-05-01T05:00:00Z"}, "exchanges": renewed}
    assert await problems(tmp_path / "2", login_spec(), stale) == []


async def test_the_same_key_twice_is_one_write_and_the_same_answer(tmp_path: Path) -> None:
    booked = turn("book", exchange("book", 200, {"id": "1"}, "POST"), result={"got": {"id": "1"}})
    replayed = {**booked, "exchanges": [], "sent": 0}
    only = chain("twice", booked, replayed, idempotencyKey="k1")
    assert await problems(tmp_path / "1", spec(WRITE), only) == []
    wrong = chain("twice", booked, booked, idempotencyKey="k1")
    assert await problems(tmp_path / "2", spec(WRITE), wrong) == ["call 2: 1 expected request was not sent"]


async def test_a_key_is_free_again_after_a_day(tmp_path: Path) -> None:
    booked = turn("book", exchange("book", 200, {"id": "1"}, "POST"), result={"got": {"id": "1"}})
    again = turn("book", exchange("book", 200, {"id": "2"}, "POST"), result={"got": {"id": "2"}})
    only = chain("days", booked, {**again, "given": {"now": "2026-05-02T04:00:00Z"}}, idempotencyKey="k1", now=NOW)
    assert await problems(tmp_path, spec(WRITE), only) == []


async def test_a_key_that_was_used_for_another_request_is_a_conflict(tmp_path: Path) -> None:
    one = spec(action("book", "write", inputSchema=fields(n=text())))
    booked = turn("book", exchange("book", 200, {}, "POST"), result={"got": {}})
    other = turn("book", given={"input": {"n": "2"}}, error={"code": "CONFLICT"}, sent=0)
    assert await problems(tmp_path, one, chain("misused", booked, other, idempotencyKey="k1")) == []


async def test_the_third_of_three_calls_is_named_when_it_differs(tmp_path: Path) -> None:
    right = quoted(exchange("quote"))
    wrong = quoted(exchange("quote", 200, {"n": 1}))
    assert await problems(tmp_path, spec(), chain("three", right, right, wrong)) == [
        "call 3: result.got.n: expected nothing, got 1"
    ]


async def test_a_connection_that_no_auth_method_fits_is_a_problem_of_the_case(tmp_path: Path) -> None:
    only = case("no key", given={"credentials": {}, "token": {"access": "t"}}, error={"code": "AUTH_FAILED"})
    (problem,) = await problems(tmp_path, spec(), only)
    assert problem.startswith("the connection can't be made: AUTH_FAILED: ")


@pytest.mark.parametrize("part", ["config", "credentials", "token", "app", "webhook"])
def test_a_later_call_can_not_give_the_account_anew(tmp_path: Path, part: str) -> None:
    given = {part: {"access": "a"} if part == "token" else {}}
    only = chain("two", turn("quote", given=given), turn("quote", given=given))
    (tmp_path / "cases").mkdir()
    (tmp_path / "cases" / "all.yaml").write_text(json.dumps([only]))
    cases, wrong = read_cases(tmp_path)
    assert cases == []
    assert [(found.code, part in found.message) for found in wrong] == [("CASE002", True)]
