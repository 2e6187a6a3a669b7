"""Pagination is compiled: what callers are shown, where position and limit go, and what does not go together."""

from __future__ import annotations

import json
from typing import Any

import pytest

from engine.catalog import LONGEST_CURSOR, Action
from engine.compiled.scope import Scope
from engine.diagnostics import CODES
from tests.spec.compiling import compiled, marked
from tests.support.specs import action, fields, spec, text, whole

KINDS: dict[str, dict[str, Any]] = {
    "cursor": {"kind": "cursor", "into": "query.after", "next": "body.next", "items": "body.rows"},
    "page": {"kind": "page", "into": "query.page", "items": "body.rows"},
    "offset": {"kind": "offset", "into": "query.skip", "items": "body.rows"},
    "url": {"kind": "url", "next": "body.next", "items": "body.rows"},
}
LIMIT = {"into": "query.limit", "default": 20, "max": 100}
STEP = {"stepId": "rows", "effect": "read", "outputs": {"rows": "body.rows"}}


def listing(kind: str = "cursor", more: dict[str, Any] | None = None, **parts: Any) -> dict[str, Any]:
    """A list with pagination of this kind; `more` goes into `pagination`, and None takes a key away there."""
    paging = {key: value for key, value in {**KINDS[kind], **(more or {})}.items() if value is not None}
    return action("list", **{"output": {"rows": "body.rows"}, "pagination": paging, **parts})


def get(**parts: Any) -> dict[str, Any]:
    return {"method": "GET", "path": "/list", **parts}


def built(one: dict[str, Any], **more: Any) -> Action:
    integration, found = compiled(spec(one, **more))
    assert integration is not None, [str(diagnostic) for diagnostic in found]
    return integration.actions[one["actionId"]]


MISTAKES: list[tuple[str, str, dict[str, Any]]] = [
    ("SPEC101", '"into"', listing("url", {"into": "query.next"})),
    ("SPEC101", '"next"', listing("page", {"next": "body.next"})),
    ("SPEC101", '"next"', listing("offset", {"next": "body.next"})),
    ("SPEC102", '"cursor"', listing("cursor", {"into": None})),
    ("SPEC102", '"page"', listing(
        "page", {"into": None, "limit": {"max": 5}}, request=get(query={"n": "{{ page.limit }}"}))),
    ("SPEC102", '"limit"', listing("offset", {"limit": {"default": 5, "max": 10}})),
    ("SPEC103", "20", listing(more={"limit": {**LIMIT, "max": 10}})),
    ("SPEC103", "20", listing(more={"limit": {**LIMIT, "min": 50}})),
    ("SPEC103", "200", listing(more={"limit": {**LIMIT, "min": 200}})),
    ("SPEC104", '"cursor"', listing(inputSchema=fields(cursor=text()))),
    ("SPEC104", '"limit"', listing(more={"limit": LIMIT}, inputSchema=fields(limit=whole()))),
    ("SPEC104", '"nextCursor"', listing(outputSchema=fields(nextCursor=text()))),
    ("SPEC105", '"pagination"', listing(category="write", idempotency="none", request=get())),
    ("SPEC105", '"url"', listing("url", request={"method": "POST", "path": "/list"})),
    ("SPEC105", '"url"', listing("url", {"items": "steps.rows.outputs.rows", "next": "steps.rows.outputs.rows"},
                                 steps=[{**STEP, "request": get()}], output={"r": "steps.rows.outputs.rows"})),
    ("SPEC106", '"query.after"', listing(request=get(query={"after": "x"}))),
    ("SPEC106", '"header.X-After"', listing(more={"into": "header.X-After"}, request=get(headers={"x-after": "x"}))),
    ("SPEC106", '"query.after"', listing(more={"limit": {**LIMIT, "into": "query.after"}})),
    ("SPEC106", '"json.after"', listing(more={"into": "json.after"})),
    ("SPEC106", '"form.after"', listing(more={"into": "form.after"}, request=get(json={}))),
    ("SPEC106", '"json.after"', listing(more={"into": "json.after"}, request=get(json=["x"]))),
    ("SPEC106", '"query.after"', listing(
        more={"next": "steps.rows.outputs.rows", "items": "steps.rows.outputs.rows"},
        steps=[{**STEP, "request": get()}], output={"r": "steps.rows.outputs.rows"})),
    ("SPEC002", '"pagination"', listing(more={"next": None})),
    ("SPEC002", '"pagination"', listing("url", {"next": None})),
    ("SPEC002", '"limit"', listing(more={"limit": {"into": "query.limit"}})),
    ("NAME001", "bdoy", listing(more={"next": "bdoy.next"})),
    ("NAME001", "bdoy", listing(more={"more": "bdoy.more"})),
    ("NAME001", "bdoy", listing(more={"items": "bdoy.rows"})),
    ("NAME001", "page", action(request=get(query={"after": "{{ page.cursor }}"}))),
    ("NAME001", "page", action(output={"at": "page.offset"})),
    ("NAME002", "page.offset", listing(request=get(query={"skip": "{{ page.offset }}"}))),
    ("NAME002", "page.limit", listing(request=get(query={"n": "{{ page.limit }}"}))),
    ("NAME002", "input.cursor", listing(request=get(query={"n": "{{ input.cursor }}"}))),
    ("EXPR030", '"/list/{{ page.cursor }}"', listing(
        more={"into": None}, request={"method": "GET", "path": "/list/{{ page.cursor }}"})),
    ("SPEC091", '"(?=a)"', listing(inputSchema=fields(x=text(pattern="(?=a)")))),
]  # fmt: skip


@pytest.mark.parametrize(
    ("code", "mark", "mistaken"), MISTAKES, ids=[f"{code}-{i}" for i, (code, *_) in enumerate(MISTAKES)]
)
def test_the_mistake_gives_this_diagnostic_alone_at_its_place(code: str, mark: str, mistaken: dict[str, Any]) -> None:
    source = json.dumps(spec(mistaken), indent=1)
    integration, found = compiled(source)
    assert integration is None
    assert [one.code for one in found] == [code], [str(one) for one in found]
    assert marked(source, found[0]) == mark
    assert found[0].message


def test_every_code_about_pagination_has_a_case() -> None:
    assert {code for code, *_ in MISTAKES} >= {code for code in CODES if "SPEC101" <= code <= "SPEC106"}


def test_the_caller_is_shown_limit_and_cursor_and_what_comes_back() -> None:
    own = fields(("query",), query=text())
    made = built(listing(more={"limit": {**LIMIT, "min": 10}}, inputSchema=own, outputSchema=fields(rows={})))
    shown = made.input_schema.raw
    assert list(shown["properties"]) == ["query", "limit", "cursor"]
    assert shown["required"] == ["query"]
    limit, cursor = shown["properties"]["limit"], shown["properties"]["cursor"]
    assert {key: limit[key] for key in ("type", "minimum", "maximum", "default")} == {
        "type": "integer",
        "minimum": 10,
        "maximum": 100,
        "default": 20,
    }
    assert (cursor["type"], cursor["maxLength"]) == ("string", LONGEST_CURSOR)
    added = made.output_schema.raw["properties"]["nextCursor"]
    assert added["type"] == "string"
    for described in (limit, cursor, added):
        assert 20 < len(described["description"]) < 1024
    assert not made.input_schema.check({"query": "x", "limit": 10, "cursor": "abc"})
    assert [issue.path for issue in made.input_schema.check({"query": "x", "limit": 9})] == [("limit",)]
    assert [issue.path for issue in made.input_schema.check({"query": "x", "limit": 101})] == [("limit",)]
    assert not made.output_schema.check({"rows": [], "nextCursor": "abc"})


def test_without_a_limit_the_caller_can_name_none_and_an_own_field_may_have_the_name() -> None:
    made = built(listing(inputSchema=fields(limit=text()), request=get(query={"limit": "{{ input.limit }}"})))
    assert list(made.input_schema.raw["properties"]) == ["limit", "cursor"]
    assert made.input_schema.raw["properties"]["limit"]["type"] == "string"
    assert made.pagination is not None
    assert not made.pagination.has_limit


def rendered(made: Action, part: str, page: dict[str, Any], **given: Any) -> Any:
    evaluate = getattr(made.steps[0].request, part)
    return evaluate(Scope({"page": page, "input": given, "vars": {}, "config": {}}))


def test_a_value_goes_into_the_place_that_is_named_with_its_type_and_falls_where_it_is_absent() -> None:
    body = get(method="POST", json={"q": "{{ input.q }}"})
    own = fields(q=text())
    made = built(listing(more={"into": "json.after", "limit": {**LIMIT, "into": "json.$limit"}}, inputSchema=own,
                         request=body))  # fmt: skip
    assert rendered(made, "body", {"limit": 5}, q="x") == {"q": "x", "$limit": 5}
    assert rendered(made, "body", {"limit": 5, "cursor": 7}) == {"$limit": 5, "after": 7}
    header = built(listing(more={"into": "header.X-After"}))
    assert rendered(header, "headers", {"cursor": "c"}) == {"X-After": "c"}
    form = built(listing("page", {"into": "form.page"}, request=get(method="POST", form={"a": "1"})))
    assert rendered(form, "body", {"number": 2}) == {"a": "1", "page": 2}


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ({"$merge": [{"a": "1"}, {"b": "{{ input.q }}"}]}, {"a": "1", "b": "x", "after": "c"}),
        ({"$when": "input.q == 'y'", "a": "1"}, {"after": "c"}),
        ({"$cases": [{"$when": "input.q", "$value": {"a": "2"}}]}, {"a": "2", "after": "c"}),
    ],
)
def test_a_request_part_made_by_directives_takes_the_value_too(query: Any, expected: Any) -> None:
    made = built(listing(inputSchema=fields(q=text()), request=get(query=query)))
    assert rendered(made, "query", {"cursor": "c"}, q="x") == expected


def test_a_mistake_inside_such_a_part_is_still_reported_where_it_is_written() -> None:
    one = listing(inputSchema=fields(q=text()), request=get(query={"$merge": [{"a": "{{ input.p }}"}]}))
    source = json.dumps(spec(one), indent=1)
    _, found = compiled(source)
    assert [(diagnostic.code, marked(source, diagnostic)) for diagnostic in found] == [("NAME002", "input.p")]


def test_steps_say_themselves_where_the_position_goes_and_what_the_list_is() -> None:
    request = get(query={"after": "{{ page.cursor }}", "n": "{{ page.limit }}"})
    outputs = {"rows": "body.rows", "next": "body.next"}
    made = built(listing(
        more={"into": None, "next": "steps.rows.outputs.next", "items": "steps.rows.outputs.rows",
              "limit": {"default": 5, "max": 5}},
        steps=[{**STEP, "request": request, "outputs": outputs}],
        output={"rows": "steps.rows.outputs.rows"},
    ))  # fmt: skip
    assert made.pagination is not None
    assert made.pagination.items(Scope({"steps": {"rows": {"outputs": {"rows": [1]}}}})) == [1]


def test_a_counted_page_is_surely_there_so_a_path_may_hold_it() -> None:
    path = {"method": "GET", "path": "/list/{{ page.number }}"}
    assert rendered(built(listing("page", {"into": None}, request=path)), "path", {"number": 3}) == "/list/3"


def test_the_next_url_is_called_with_the_headers_of_the_request_and_nothing_else_of_it() -> None:
    made = built(listing("url", {"limit": LIMIT}, request=get(query={"q": "x"}, headers={"X-A": "1"})))
    assert made.pagination is not None
    follow = made.pagination.follow
    assert follow is not None
    plan, first = follow.request, made.steps[0].request
    assert (plan.server, plan.path, plan.query, plan.body) == (None, None, None, None)
    assert (plan.method, plan.headers) == ("GET", first.headers)
    assert follow.rules == made.steps[0].rules
    assert plan.url is not None
    assert plan.url(Scope({"page": {"url": "https://api.acme.example/x"}})) == "https://api.acme.example/x"


def test_an_action_without_pagination_is_shown_as_its_author_wrote_it() -> None:
    own = fields(x=text())
    made = built(action(inputSchema=own))
    assert made.pagination is None
    assert made.input_schema.raw == own
