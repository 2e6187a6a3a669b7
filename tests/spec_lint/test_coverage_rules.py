"""What the rules about coverage say beyond the examples of their pages, and where."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from engine.bootstrap import open_registry
from engine.diagnostics import Diagnostic
from engine.plugins import Registry
from spec_lint.collect import collect
from tests.cases.consenting import (
    APP,
    HELD,
    NOW,
    SHOP,
    consent_case,
    denied_case,
    errand_case,
    quoting,
    refreshing,
    shop_spec,
    telling_spec,
    token_answer,
)
from tests.cases.written import case, chain, exchange, turn
from tests.support.specs import ID, action, fields, spec, text, whole


@cache
def registry() -> Registry:
    return open_registry()


def found(home: Path, code: str, one: Mapping[str, Any], *cases: Mapping[str, Any]) -> list[tuple[str, Diagnostic]]:
    """The findings of one rule, each with the words that it marks."""
    place = home / ID
    (place / "cases").mkdir(parents=True)
    texts = {
        "spec.yaml": json.dumps(one, indent=1),
        "cases/all.yaml": json.dumps(cases, indent=1),
    }
    for name, content in texts.items():
        (place / name).write_text(content)
    lines = {str(place / name): content.split("\n") for name, content in texts.items()}
    report = collect([place / "spec.yaml"], registry())
    codes = {one.code[:4] for one in report.findings}
    assert codes.isdisjoint({"YAML", "SPEC", "NAME", "EXPR", "CASE"}), report.findings
    at = ((one, one.position) for one in report.findings if one.code == code)
    return [(lines[p.file][p.line - 1][p.column - 1 :][: one.length], one) for one, p in at]


def test_a_query_that_raises_in_many_cases_is_one_finding_that_names_three(tmp_path: Path) -> None:
    one = spec(action(), errors=[{"when": "body.n < `1`", "code": "CONFLICT"}])
    cases = [case(f"case {n}", exchange("quote", 200, {"n": "x"}), result={"got": {"n": "x"}}) for n in range(5)]
    ((marked, finding),) = found(tmp_path, "COV007", one, *cases)
    assert marked == '"body.n < `1`"'
    assert '"case 0", "case 1", "case 2" and 2 more: ' in finding.message


def test_a_case_that_differs_in_many_places_shows_three_of_them_at_its_name(tmp_path: Path) -> None:
    body = dict.fromkeys("abcde", 1)
    wrong = case("five fields", exchange("quote", 200, body), result={"got": dict.fromkeys("abcde", 2)})
    ((marked, finding),) = found(tmp_path, "COV008", spec(), wrong)
    assert marked == '"five fields"'
    assert finding.message.count("expected 2, got 1") == 3
    assert finding.message.endswith("; 2 more differences")


def test_one_difference_more_is_one(tmp_path: Path) -> None:
    wrong = case("four", exchange("quote", 200, dict.fromkeys("abcd", 1)), result={"got": dict.fromkeys("abcd", 2)})
    ((_, finding),) = found(tmp_path, "COV008", spec(), wrong)
    assert finding.message.endswith("; 1 more difference")


def test_an_output_that_breaks_its_promise_is_told_with_the_reason_and_the_query(tmp_path: Path) -> None:
    rows = {"type": "array", "description": "Some.", "items": fields(("n",), n=whole())}
    promised = fields(("fee", "id"), fee=whole(), id=text(), rows=rows)
    output = {
        "fee": "body.price",
        "id": "body.contact.ID",
        "rows": {"$each": "body.rows", "$value": {"n": "item.no"}},
    }
    one = spec(action(outputSchema=promised, output=output))
    body = {"price": "20000", "rows": [{"no": 1}, {"no": "2"}]}
    wrong = case("wrong", exchange("quote", 200, body), result={"fee": 20000, "id": "7"})
    ((_, finding),) = found(tmp_path, "COV008", one, wrong)
    for part in ("fee must be integer, is string", "id is absent", "rows.1.n must be integer, is string"):
        assert part in finding.message
    assert finding.hint == "fee comes from body.price; id comes from body.contact.ID; rows.1.n comes from item.no"


def test_a_row_that_is_spelt_otherwise_than_the_cases_is_told_so(tmp_path: Path) -> None:
    refused = case("refused", exchange("quote", 400, {"code": "NO_SHOP"}), error={"code": "INVALID_INPUT"})
    places: list[tuple[str, dict[str, Any]]] = [("body.code", {}), ("code", {"answer": {"code": "body.code"}})]
    for number, (by, answer) in enumerate(places):
        one = spec(errors=[{"by": by, "codes": {"No_Shop": "NOT_FOUND", "OTHER": "CONFLICT"}}], **answer)
        (_, near), (_, far) = found(tmp_path / str(number), "COV003", one, refused)
        assert (near.message, far.message) == ("no case hits No_Shop", "no case hits OTHER")
        assert "NO_SHOP" in near.hint
        assert "NO_SHOP" not in far.hint


def test_a_rule_is_marked_at_its_first_key_and_a_row_at_its_own(tmp_path: Path) -> None:
    rules = [
        {"messageContains": ["no"], "code": "NOT_FOUND"},
        {"by": "body.code", "codes": {"A1": "CONFLICT"}, "other": "REJECTED"},
    ]
    one = spec(answer={"message": "body.text"}, errors=rules)
    marks = [
        marked for marked, _ in found(tmp_path, "COV003", one, case("well", exchange("quote"), result={"got": {}}))
    ]
    assert marks == ['"messageContains"', '"A1"', '"other"']


def test_a_branch_is_marked_at_its_condition_and_the_last_one_at_its_value(tmp_path: Path) -> None:
    size = {"$cases": [{"$when": "input.big", "$value": "L"}, {"$value": "S"}]}
    one = spec(
        action(inputSchema=fields(big=text()), request={"method": "GET", "path": "/quote", "query": {"size": size}})
    )
    small = case("small", exchange("quote", query={"size": "S"}), result={"got": {}})
    big = case("big", exchange("quote", query={"size": "L"}), result={"got": {}}, given={"input": {"big": "yes"}})
    assert [marked for marked, _ in found(tmp_path / "1", "COV004", one, small)] == ['"input.big"']
    assert [marked for marked, _ in found(tmp_path / "2", "COV004", one, big)] == ['"$value"']


def test_a_step_is_told_which_of_its_two_states_is_missing(tmp_path: Path) -> None:
    steps: list[dict[str, Any]] = [
        {"stepId": name, "effect": "read", "request": {"method": "GET", "path": f"/{name}"}, "outputs": {}}
        for name in ("look", "get")
    ]
    steps[0]["when"] = "input.deep"
    one = spec(action(inputSchema=fields(deep=text()), steps=steps, output={"n": {"$const": 1}}))
    look, get = exchange("look"), exchange("get")
    flat = case("flat", get, result={"n": 1})
    deep = case("deep", look, get, given={"input": {"deep": "yes"}}, result={"n": 1})
    messages = [
        [finding.message for _, finding in found(tmp_path / str(n), "COV005", one, *cases)]
        for n, cases in enumerate([(flat,), (deep,), (flat, deep)])
    ]
    assert messages == [["in no case does this step run"], ["in no case is this step left out"], []]


def test_cases_that_differ_in_anything_but_name_and_source_are_two(tmp_path: Path) -> None:
    first = case("first", exchange("quote"), result={"got": {}})
    again = {**first, "case": "again", "source": "elsewhere"}
    assert [marked for marked, _ in found(tmp_path / "1", "COV009", spec(), first, again)] == ['"again"']
    assert found(tmp_path / "2", "COV009", spec(), first, {**again, "unconfirmed": True}) == []
    other = {**again, "exchanges": [exchange("quote", headers={"X-Api-Key": "key-of-the-tests-4711"})]}
    assert found(tmp_path / "3", "COV009", spec(), first, other) == []


PAGED = action(
    request={"method": "GET", "path": "/quote"},
    pagination={
        "kind": "page",
        "limit": {"into": "query.size", "default": 2, "max": 9},
        "into": "query.page",
        "items": "body.rows",
    },
    output={"got": "body.rows"},
)
FULL, ENDED = {"rows": [1, 2]}, {"rows": [3]}


def page_exchange(number: int, rows: Mapping[str, Any]) -> dict[str, Any]:
    return exchange(f"quote?page={number}&size=2", 200, rows)


def test_a_list_needs_a_page_that_goes_on_and_one_that_is_gone_on_to(tmp_path: Path) -> None:
    short = case("short", page_exchange(1, ENDED), result={"got": [3]})
    first = case("first", page_exchange(1, FULL), result={"got": [1, 2], "nextCursor": 2})
    second = case("second", page_exchange(2, ENDED), given={"input": {"cursor": 2}}, result={"got": [3]})
    calls = [
        turn("quote", page_exchange(1, FULL), result={"got": [1, 2], "nextCursor": 2}),
        turn("quote", page_exchange(2, ENDED), given={"input": {"cursor": 2}}, result={"got": [3]}),
    ]
    one = spec(PAGED)
    told = [
        [(marked, finding.message) for marked, finding in found(tmp_path / str(n), "COV012", one, *cases)]
        for n, cases in enumerate([(short,), (first,), (second,), (first, second), (chain("both", *calls),)])
    ]
    no_next, no_cursor = (
        "no case shows a page that another one comes after",
        "no case asks for the page after the first",
    )
    mark = '"pagination"'
    assert told == [[(mark, no_next)], [(mark, no_cursor)], [(mark, no_next)], [], []]


def test_a_list_that_no_case_shows_at_all_is_told_of_only_once(tmp_path: Path) -> None:
    refused = case("refused", exchange("quote?page=1&size=2", 404), error={"code": "NOT_FOUND"})
    assert found(tmp_path, "COV012", spec(PAGED), refused) == []


WEBHOOK: dict[str, Any] = {
    "webhook": "moved",
    "source": "made up",
    "given": {"credentials": {"apiKey": "key-of-the-tests-4711"}},
    "receive": {"json": {"id": "e1"}},
    "answer": {"status": 200},
    "events": [{"type": "parcel.moved"}],
}


def test_a_message_that_comes_again_without_a_name_is_told_of_dedupe(tmp_path: Path) -> None:
    verify = [{"scheme": "equals", "given": 'headers."x-token"', "key": "{{ webhook.token }}"}]
    receive = {"json": {"id": "e1"}, "headers": {"X-Token": "fake-webhook-token-0000"}}
    once = {**WEBHOOK, "receive": receive}
    well = case("well", exchange("quote"), result={"got": {}})
    once["given"] = {**once["given"], "webhook": {"token": "fake-webhook-token-0000"}}
    for number, (dedupe, is_told) in enumerate([({}, True), ({"dedupe": ["body.id"]}, False)]):
        events = [{"type": "parcel.moved", **dedupe}]
        one = spec(webhooks={"scope": "connection", "verify": verify, "events": events})
        ((_, gap),) = found(tmp_path / f"{number}a", "COV011", one, well, once)
        assert ("dedupe" in gap.hint) is is_told
        failed = found(tmp_path / f"{number}b", "COV008", one, well, {**once, "again": "duplicate"})
        assert [("dedupe" in finding.hint) for _, finding in failed] == ([True] if is_told else [])


def test_where_the_message_stands_is_held_against_the_refusals_that_were_recorded(tmp_path: Path) -> None:
    answer = {"message": "body.error.message || body.text"}
    refused = [
        case(f"{n}", exchange("quote", 400, body), error={"code": "INVALID_INPUT"})
        for n, body in enumerate([{"msg": "no"}, {"text": "no"}])
    ]
    one = spec(answer=answer)
    ((marked, finding),) = found(tmp_path / "1", "ERR009", one, refused[0])
    assert marked == '"body.error.message || body.text"'
    assert "body.msg" in finding.hint
    assert found(tmp_path / "2", "ERR009", one, *refused) == []
    assert found(tmp_path / "3", "ERR009", one, case("well", exchange("quote"), result={"got": {}})) == []


HOLDING: dict[str, Any] = {"app": APP, "config": {"shop": SHOP}, "token": {"access": "fake-access-0000"}}
CALL = case("a call", quoting(0), given=HOLDING, result={"got": {"n": 0}})


def test_a_consent_is_shown_given_denied_and_where_it_is_signed_forged(tmp_path: Path) -> None:
    call, shop = CALL, shop_spec(revoke=None)
    ((marked, one),) = found(tmp_path / "1", "COV013", shop, call)
    assert marked == '"authorize"'
    assert one.message.split("; ") == [
        "no case shows somebody consent",
        "no case shows somebody not consent",
        "in no case is the callback tampered with",
    ]
    untouched = consent_case(tamper=None)
    (only,) = found(tmp_path / "2", "COV013", shop, call, untouched, denied_case())
    assert only[1].message == "in no case is the callback tampered with"
    assert found(tmp_path / "3", "COV013", shop, call, consent_case(), denied_case()) == []
    unsigned = shop_spec(revoke=None, callback=None)
    plain = consent_case(tamper=None, authorize=None)
    assert found(tmp_path / "4", "COV013", unsigned, call, plain, denied_case()) == []


def test_a_token_is_shown_renewed_and_ended_where_the_provider_renews_tokens(tmp_path: Path) -> None:
    given = {"now": NOW, "app": APP, "config": {"shop": SHOP}, "token": HELD}
    renewed = case("renewed", refreshing(), quoting(1), given=given, result={"got": {"n": 1}})
    over = refreshing(400, {"error": "invalid_grant"})
    ended = case("ended", over, given=given, error={"code": "REAUTH_REQUIRED"})
    shop = shop_spec(revoke=None)
    (only,) = found(tmp_path / "1", "COV014", shop, renewed)
    assert (only[0], only[1].message) == ('"oauth"', "no case shows that its token can't be renewed")
    (only,) = found(tmp_path / "2", "COV014", shop, ended, consent_case())
    assert only[1].message == "no case shows its token renewed"
    assert found(tmp_path / "3", "COV014", shop, renewed, ended) == []
    forever = token_answer()
    del forever["refresh_token"]
    consent = consent_case(tamper=None, result={})
    consent["exchanges"][0]["answer"]["json"] = forever
    call = case(
        "a call", quoting(0), given={**given, "token": {"access": "fake-access-0000"}}, result={"got": {"n": 0}}
    )
    assert found(tmp_path / "4", "COV014", shop, call, consent) == []


def test_each_request_of_the_engine_s_own_is_shown_by_an_errand(tmp_path: Path) -> None:
    hints = [(marked, one.hint) for marked, one in found(tmp_path / "1", "COV015", telling_spec(), CALL)]
    assert hints == [
        ('"revoke"', "write an `- errand:` case with does: revoke"),
        ('"create"', "write an `- errand:` case with does: subscribe"),
        ('"delete"', "write an `- errand:` case with does: unsubscribe"),
    ]
    errands = [errand_case(does) for does in ("revoke", "subscribe", "unsubscribe")]
    assert found(tmp_path / "2", "COV015", telling_spec(), CALL, *errands) == []
    failing = [{**errands[0], "exchanges": []}, *errands[1:]]
    assert [marked for marked, _ in found(tmp_path / "3", "COV015", telling_spec(), CALL, *failing)] == ['"revoke"']


def test_what_is_wrong_in_a_consent_or_an_errand_is_told_at_its_name(tmp_path: Path) -> None:
    wrong = [consent_case(result={"status": "error"}), errand_case(result={"captured": {"watchId": "8"}})]
    marked = [marked for marked, _ in found(tmp_path, "COV008", telling_spec(), CALL, *wrong)]
    assert marked == ['"a shop connects"', '"subscribe it"']
