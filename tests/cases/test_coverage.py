"""The coverage of cases: what they have to reach is known, what they reach is seen, and what raised is told."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from engine.cases.coverage import Coverage, label
from tests.cases.written import Folder, case, exchange
from tests.support.specs import action, fields, secret, spec, text, whole

ERROR = {"code": "REJECTED"}


async def coverage(home: Path, one: Mapping[str, Any], *cases: Mapping[str, Any]) -> Coverage:
    found = await Folder(home, one, *cases).coverage()
    assert found.failed == (), found.failed
    return found


def gaps(found: Coverage, *kinds: str) -> set[tuple[str, str]]:
    return {(gap.kind, gap.label) for gap in found.missing if not kinds or gap.kind in kinds}


async def test_each_action_has_to_succeed_and_to_fail(tmp_path: Path) -> None:
    one = spec(action("quote"), action("track"))
    cases = (
        case("quoted", exchange("quote"), result={"got": {}}),
        case("refused", exchange("track", 404), action="track", error={"code": "NOT_FOUND"}),
    )
    found = await coverage(tmp_path, one, *cases)
    assert gaps(found) == {("failure", "quote"), ("success", "track")}
    assert found.declared == 5  # with the auth method
    assert {gap.path for gap in found.missing} == {("actions", 0), ("actions", 1)}


RULES = [
    {"messageContains": ["no such"], "code": "NOT_FOUND"},
    {"by": "body.code", "codes": {"A": "REJECTED", "B": {"code": "CONFLICT"}}, "other": "FORBIDDEN"},
    {"status": 418, "ok": True},
    {"when": "body.late", "code": "RATE_LIMITED"},
]
ALL_RULES = {"errors[0]", "errors[1].codes.A", "errors[1].codes.B", "errors[1].other", "errors[2]", "errors[3]"}


@pytest.mark.parametrize(
    ("status", "body", "hit", "ends"),
    [
        (404, {"message": "There is NO  SUCH thing"}, "errors[0]", {"error": {"code": "NOT_FOUND"}}),
        (400, {"code": "A"}, "errors[1].codes.A", {"error": {"code": "REJECTED"}}),
        (400, {"code": "B"}, "errors[1].codes.B", {"error": {"code": "CONFLICT"}}),
        (400, {"code": "C"}, "errors[1].other", {"error": {"code": "FORBIDDEN"}}),
        (418, {"a": 1}, "errors[2]", {"result": {"got": {"a": 1}}}),
        (400, {"late": "yes"}, "errors[3]", {"error": {"code": "RATE_LIMITED"}}),
    ],
)
async def test_a_rule_or_a_row_of_it_is_hit_by_the_answer_that_it_decides(
    tmp_path: Path, status: int, body: Any, hit: str, ends: Any
) -> None:
    one = spec(action(), answer={"message": "body.message"}, errors=RULES)
    sent = 3 if hit == "errors[3]" else 1
    found = await coverage(tmp_path, one, case("it", *[exchange("quote", status, body)] * sent, **ends))
    assert {name for _, name in gaps(found, "rule")} == ALL_RULES - {hit}


async def test_rules_of_steps_actions_and_parts_are_told_apart(tmp_path: Path) -> None:
    rules = [{"status": 409, "code": "CONFLICT"}]
    partial = {"each": "body.rows", "failed": "item.bad", "by": "item.bad", "codes": {"x": "REJECTED"}}
    one = spec(
        action(
            "book",
            errors=rules,
            steps=[
                {
                    "stepId": "look",
                    "effect": "read",
                    "request": {"method": "GET", "path": "/look"},
                    "errors": rules,
                    "outputs": {},
                }
            ],
            output={"n": {"$const": 1}},
        ),
        action("fill", errors=rules, partial=partial),
    )
    rows = {"rows": [{"bad": "x"}, {"bad": None}]}
    failure = {"code": "REJECTED", "message": "the provider refused the request (HTTP 200)"}
    cases = (
        case("step", exchange("look", 409), action="book", error={"code": "CONFLICT"}),
        case("some", exchange("fill", 200, rows), action="fill", result={"got": rows, "failures": [failure]}),
    )
    found = await coverage(tmp_path, one, *cases)
    assert gaps(found, "rule") == {("rule", "book.errors[0]"), ("rule", "fill.errors[0]")}


async def test_branches_are_taken_in_requests_outputs_and_definitions(tmp_path: Path) -> None:
    """A definition that two places use is written once: it is enough that one of them takes a branch."""
    size = {"$cases": [{"$when": "input.big", "$value": "L"}, {"$value": "S"}]}
    shown = {"$cases": [{"$when": "body.a", "$value": "body.a"}, {"$when": "body.b", "$value": "body.b"}]}
    quote = action(
        inputSchema=fields(big=text()),
        request={"method": "POST", "path": "/quote", "json": {"size": {"$ref": "#/$defs/size"}}},
        output={"shown": shown},
    )
    other = {**quote, "actionId": "other", "output": {}}
    one = {**spec(quote, other), "$defs": {"size": size}}
    small = exchange("quote", 200, {"a": "1"}, "POST", json={"size": "S"})
    big = exchange("quote", 200, {}, "POST", json={"size": "L"})
    some = case("small", small, result={"shown": "1"})
    found = await coverage(tmp_path / "1", one, some)
    assert gaps(found, "branch") == {("branch", "$defs.size.$cases[0]"), ("branch", "quote.output.shown.$cases[1]")}
    found = await coverage(tmp_path / "2", one, some, case("big", big, given={"input": {"big": "yes"}}))
    assert gaps(found, "branch") == {("branch", "quote.output.shown.$cases[1]")}


def _optional(**more: Any) -> dict[str, Any]:
    steps = [
        {
            "stepId": "look",
            "effect": "read",
            "when": "input.deep",
            "request": {"method": "GET", "path": "/look"},
            "outputs": {},
        },
        {"stepId": "get", "effect": "read", "request": {"method": "GET", "path": "/get"}, "outputs": {"n": "body.n"}},
    ]
    return action(inputSchema=fields(deep=text()), steps=steps, output={"n": "steps.get.outputs.n"}, **more)


async def test_an_optional_step_has_to_run_and_to_be_left_out(tmp_path: Path) -> None:
    get = exchange("get", 200, {"n": 1})
    deep = case("deep", exchange("look"), get, given={"input": {"deep": "yes"}}, result={"n": 1})
    flat = case("flat", get, result={"n": 1})
    assert gaps(await coverage(tmp_path / "1", spec(_optional()), deep), "run", "skipped") == {
        ("skipped", "quote.look.when")
    }
    assert gaps(await coverage(tmp_path / "2", spec(_optional()), flat), "run", "skipped") == {
        ("run", "quote.look.when")
    }
    assert not gaps(await coverage(tmp_path / "3", spec(_optional()), deep, flat), "run", "skipped")


async def test_a_check_has_to_fail_once(tmp_path: Path) -> None:
    checks = [{"require": "input.n > `1`", "message": "more"}, {"require": "input.n > `0`", "message": "some"}]
    one = spec(action(inputSchema=fields(n=whole()), checks=checks))
    refused = case("one", given={"input": {"n": 1}}, error={"code": "INVALID_INPUT"}, sent=0)
    found = await coverage(tmp_path, one, refused)
    assert gaps(found, "check") == {("check", "quote.checks[1]")}


async def test_an_auth_method_is_used_where_a_request_is_signed_in_by_it(tmp_path: Path) -> None:
    methods = [
        {
            "method": name,
            "type": "api_key",
            "needs": [name],
            "apply": {"query": {name: f"{{{{ credentials.{name} }}}}"}},
        }
        for name in ("key", "token")
    ]
    one = spec(action(), action("open", auth="none"), configSchema=fields(key=secret(), token=secret()), auth=methods)
    signed = case("signed", exchange("quote", query={"token": "t-1"}), result={"got": {}})
    bare = case("bare", exchange("open"), action="open", result={"got": {}})
    signed["given"], bare["given"] = {"credentials": {"token": "t-1"}}, {"credentials": {"key": "k-1"}}
    found = await coverage(tmp_path, one, signed, bare)
    assert gaps(found, "method") == {("method", "key")}


# --- queries that raise ---------------------------------------------------------------------------------------


async def test_a_query_that_raises_is_told_with_its_case_although_the_rule_only_does_not_match(tmp_path: Path) -> None:
    rules = [{"when": "contains(body.text, 'no')", "code": "NOT_FOUND"}]
    one = spec(action(), errors=rules)
    cases = (
        case("no text", exchange("quote"), result={"got": {}}),
        case("a text", exchange("quote", 200, {"text": "no"}), error={"code": "NOT_FOUND"}),
    )
    found = await coverage(tmp_path, one, *cases)
    assert [(raised.path, raised.case) for raised in found.raised] == [(("errors", 0, "when"), "no text")]
    assert "contains" in found.raised[0].why


async def test_the_innermost_of_nested_queries_is_told(tmp_path: Path) -> None:
    """The rule reads `read.n`, which is what can't be computed."""
    one = spec(
        action(read={"n": "length(body.rows)"}, errors=[{"when": "read.n == `0`", "code": "NOT_FOUND"}], output={})
    )
    found = await coverage(tmp_path, one, case("no rows", exchange("quote")))
    assert [raised.path for raised in found.raised] == [("actions", 0, "read", "n")]


@pytest.mark.parametrize("place", ["checks", "success", "code", "details"])
async def test_wherever_the_engine_goes_on_in_silence_a_query_that_raises_is_told(tmp_path: Path, place: str) -> None:
    bad = "length(input.n) == `1`"
    parts: dict[str, Any] = {"inputSchema": fields(n=whole())}
    ends: dict[str, Any] = {"result": {"got": {}}}
    exchanges = [exchange("quote")]
    if place == "checks":
        parts["checks"] = [{"require": bad, "message": "no"}]
        exchanges, ends = [], {"error": {"code": "INVALID_INPUT"}}
    elif place == "details":
        parts["errors"] = [{"status": 400, "code": "REJECTED", "details": {"n": bad}}]
        exchanges, ends = [exchange("quote", 400)], {"error": ERROR}
    else:
        parts["answer"] = {"success": "body.ok", "code": "body.n", place: bad}
        ends = {"error": ERROR}
    found = await coverage(tmp_path, spec(action(**parts)), case("it", *exchanges, given={"input": {"n": 1}}, **ends))
    assert [raised.path[-1] if place != "details" else raised.path[-2] for raised in found.raised] == [
        "require" if place == "checks" else place
    ]


async def test_a_mapping_that_raises_is_told_unless_the_case_is_about_just_that(tmp_path: Path) -> None:
    one = spec(action(output={"n": "length(body.rows)"}))
    told = case("an answer without rows", exchange("quote"), error={"code": "INVALID_RESPONSE"})
    assert (await coverage(tmp_path / "1", one, told)).raised == ()
    paging = {"kind": "cursor", "into": "query.after", "next": "text(length(body.rows))", "items": "body.items"}
    paged = spec(action(pagination=paging, outputSchema=fields(), output={}))
    assert (await coverage(tmp_path / "3", paged, told)).raised == ()
    untold = case("rows", exchange("quote"), result={"n": 0})
    found = await Folder(tmp_path / "2", one, untold).coverage()
    assert [raised.path for raised in found.raised] == [("actions", 0, "output", "n")]
    assert [failed.case.name for failed in found.failed] == ["rows"]


async def test_a_table_whose_rule_raises_is_told(tmp_path: Path) -> None:
    tables = {"size": {"rules": [{"when": "length(@) > `1`", "is": "long"}], "other": "short"}}
    one = spec(action(output={"size": "lookup(body.n, 'size')"}), tables=tables)
    found = await coverage(tmp_path, one, case("a number", exchange("quote", 200, {"n": 5}), result={"size": "short"}))
    assert [raised.path for raised in found.raised] == [("tables", "size", "rules", 0, "when")]


# --- cases that are wrong, and what is not touched ----------------------------------------------------------------


async def test_a_case_that_the_spec_does_not_reproduce_is_named_with_the_differences(tmp_path: Path) -> None:
    wrong = case("wrong", exchange("quote", 200, {"n": 1}), result={"got": {"n": "1"}})
    found = await Folder(tmp_path, spec(), wrong).coverage()
    assert [(failed.case.name, failed.problems) for failed in found.failed] == [
        ("wrong", ('result.got.n: expected "1", got 1',))
    ]


async def test_what_is_measured_is_not_what_runs(tmp_path: Path) -> None:
    """The integration that was compiled before has no recorder in it."""
    folder = Folder(tmp_path, spec(errors=RULES), case("it", exchange("quote"), result={"got": {}}))
    integration = folder.catalog.integrations["acme-shipping"]
    rules = integration.actions["quote"].steps[0].rules
    await folder.coverage()
    assert [type(rule.codes) for rule in rules] == [dict] * len(RULES)
    assert [rule.when is None for rule in rules] == [True, True, True, False]


def test_a_place_is_named_by_the_ids_on_its_way() -> None:
    written = {"actions": [{"actionId": "book", "steps": [{"stepId": "look"}]}], "errors": [{}]}
    assert label(written, ("actions", 0)) == "book"
    assert label(written, ("actions", 0, "steps", 0, "when")) == "book.look.when"
    assert label(written, ("errors", 0, "codes", "20404")) == "errors[0].codes.20404"
    assert label(written, ("$defs", "x", "$cases", 1)) == "$defs.x.$cases[1]"
