"""Where rules about queries, templates and their names keep silent, and where they do not; the pages show the rest."""

from __future__ import annotations

from typing import Any

import pytest

from engine.library import exact
from tests.support.linted import INPUT, SENT, about, found
from tests.support.specs import action, fields, text, whole

# --- queries ---


@pytest.mark.parametrize(
    ("query", "open_ones"),
    [
        ("contains(body.a, 'x')", ["body.a"]),
        ("contains(body.a || '', 'x')", []),
        ("contains(body.a || body.b, 'x')", ["body.a || body.b"]),
        ("body.a && contains(body.a, 'x')", []),
        ("!(body.a) || contains(body.a, 'x')", []),
        ("body.a || contains(body.a, 'x')", ["body.a"]),
        ("body.a.b && length(body.a) > `1`", []),
        ("body.a && length(body.a.b) > `1`", ["body.a.b"]),
        ("type(body.a) == 'array' && length(body.a) > `1`", []),
        ("type(body.a) != 'null' && length(body.a) > `1`", []),
        ("type(body.a) == 'null' && length(body.a) > `1`", ["body.a"]),
        ("body.a != `null` && length(body.a) > `1`", []),
        ("body.a == 'x' && length(body.a) > `1`", []),
        ("body.a > `1` && abs(body.a) > `1`", []),
        ("length(body.a[?x]) > `1`", ["body.a[?x]"]),
        ("length(list(body.a)) > `1`", ["list(body.a)"]),
        ("length(not_null(body.a, 'x')) > `1`", []),
        ("length(to_array(body.a)) > `1`", []),
        ("body.a[?contains(name, 'x')]", ["name"]),
        ("body.a[?name && contains(name, 'x')]", []),
        ("body.a[?name].starts_with(name, 'x')", []),
        ("body.a[].starts_with(name, 'x')", ["name"]),
        ("length(body.a[0].b) > `1`", ["body.a[0].b"]),
        ("body.a[0].b && length(body.a[0].b) > `1`", []),
        ("length(keys(input)) > `1`", []),
        ("length(input.to.name) > `1`", []),
        ("length(input.to.phone) > `1`", ["input.to.phone"]),
        ("length(input.[to, kind][?@]) == `1`", []),
        ("starts_with(text, 'x') && headers && contains(text, 'y')", []),
        ("starts_with(message, 'x')", ["message"]),
        ("contains(['a', 'b'], body.a)", []),
        ("max_by(body.a || `[]`, &b).c", []),
        ("sort_by(body.a, &length(b))", ["body.a", "b"]),
    ],
)
def test_what_was_asked_before_is_known_to_be_there(query: str, open_ones: list[str]) -> None:
    assert found("QRY006", about(query), answer={"message": "body.m"}) == open_ones


def test_the_blocks_around_a_query_have_asked_too() -> None:
    output = {
        "a": {"$when": "body.list", "$value": "length(body.list)"},
        "b": {"$each": "body.rows", "$value": {"n": "length(body.rows)", "m": "length(item.name)"}},
        "c": {"$each": "body.rows", "$where": "item.name", "$value": "length(item.name)"},
        "d": {"$cases": [{"$when": "!(body.z)", "$value": "body.y"}, {"$value": "length(body.z)"}]},
        "e": "length(body.open)",
    }
    rules = [{"status": 400, "when": "body.why", "code": "REJECTED", "message": "join(', ', body.why)"}]
    assert found("QRY006", action(output=output, errors=rules)) == ["item.name", "body.open"]


def test_a_promised_field_fails_with_or_without_the_function() -> None:
    schema = fields(("total",), total=whole(), parts=whole())
    output = {"total": "sum(body.data.rows)", "parts": "length(body.data)"}
    assert found("QRY006", action(output=output, outputSchema=schema)) == []
    assert found("QRY006", action(output={**output, "parts": "length(body.more)"}, outputSchema=schema)) == [
        "body.more"
    ]


@pytest.mark.parametrize(
    ("query", "marked"),
    [
        ("!body.a", ["!body.a"]),
        ("!body.a.b && body.c", ["!body.a.b"]),
        ("!(body.a.b)", []),
        ("!contains(text, 'x')", []),
        ("body.x[?!a.b]", ["!a.b"]),
        ("body.x[?!a]", []),
    ],
)
def test_a_negation_takes_in_one_name_only(query: str, marked: list[str]) -> None:
    assert found("QRY002", about(query)) == marked


@pytest.mark.parametrize(
    ("query", "marked"),
    [
        ("""body.x[?"first-name" == 'a']""", []),
        ("""body.x[?"first-name" == last]""", ['"first-name"']),
        ("""headers."x-kind" == 'a'""", []),
        ("""body.x[?kind == "a"]""", ['"a"']),
        ("""body.x[?contains("tag-list", 'a')]""", []),
    ],
)
def test_only_what_was_meant_as_a_text_is_found_in_double_quotes(query: str, marked: list[str]) -> None:
    in_json = found("QRY003", about(query))
    assert len(in_json) == len(marked)
    for shown, wanted in zip(in_json, marked, strict=True):
        assert exact.dumps(wanted).decode()[1:-1].startswith(shown)


@pytest.mark.parametrize(
    ("query", "marked"),
    [
        ("status == `404`", []),
        ("status == '404'", ["status == '404'"]),
        ("status != '404'", ["status != '404'"]),
        ("text(body.a) == '1'", []),
        ("text(body.a) == `1`", ["text(body.a) == `1`"]),
        ("body.a == '1' || body.a == `1`", []),
        ("input.count == '1'", ["input.count == '1'"]),
        ("input.kind == 'small'", []),
        ("input.kind == 'tiny'", ["input.kind == 'tiny'"]),
        ("input.items[?size == `1`]", []),
        ("code == `1`", ["code == `1`"]),
        ("body.a == `null`", []),
        ("text(body.a) == `null`", []),
        ("type(body.a) == 'boolean'", []),
        ("type(body.a) == 'bool'", ["type(body.a) == 'bool'"]),
        ("body.a[] < `1`", ["body.a[] < `1`"]),
    ],
)
def test_a_comparison_is_found_only_where_both_sides_are_known(query: str, marked: list[str]) -> None:
    assert found("QRY009", about(query), answer={"code": "text(body.code)"}) == marked


def test_the_code_of_an_answer_is_known_only_where_all_actions_say_the_same() -> None:
    rules = [{"status": 400, "when": "code == `1`", "code": "REJECTED"}]
    asked = {"code": "text(body.code)"}
    other = action("other", answer={"code": "body.number"})
    assert found("QRY009", action(), other, answer=asked, errors=rules) == []
    assert found("QRY009", action(), action("other"), answer=asked, errors=rules) == ["code == `1`"]


@pytest.mark.parametrize(
    ("query", "marked"),
    [
        ("length(body.a || `[]`)", ["length(body.a || `[]`)"]),
        ("length(body.a || `[]`) > `0`", []),
        ("to_number(body.a)", []),
        ("integer(body.a)", []),
        ("status", ["status"]),
        ("body.status", []),
        ("body.a[?length(b || '')]", ["length(b || '')"]),
        ("!(length(body.a || `[]`))", ["(length(body.a || `[]`))"]),
    ],
)
def test_a_number_is_no_truth_unless_it_may_be_missing(query: str, marked: list[str]) -> None:
    assert found("QRY010", about(query)) == marked


def test_a_number_that_is_a_default_is_no_condition() -> None:
    assert found("QRY010", action(output={"got": "length(body.a || `[]`) || `1`"})) == []


def test_a_list_or_text_is_found_only_against_a_declared_type() -> None:
    schema = fields(
        ids={"type": "array", "description": "Ids.", "items": text()}, one=text(), some=text(type=["string", "array"])
    )
    output: dict[str, Any] = {
        "ids": "body.x[].id",
        "one": {"$cases": [{"$when": "body.a", "$value": "body.x[].id"}, {"$value": "body.x[].id | [0]"}]},
        "some": "body.x[].id",
    }
    assert found("QRY014", action(outputSchema=schema, output=output)) == ["body.x[].id"]
    inside = {**output, "ids": {"$each": "body.x", "$value": "item.y[]"}, "one": "body.one"}
    assert found("QRY014", action(outputSchema=schema, output=inside)) == ["item.y[]"]
    assert found("QRY014", action(output=output)) == []


# --- templates ---


@pytest.mark.parametrize(
    ("template", "marked"),
    [
        ("{{ input.count / 1000 | fixed(2) }}", ["| fixed"]),
        ("{{ (input.count / 1000) | fixed(2) }}", []),
        ("{{ input.kind ~ (input.to.name ~ 'x') | upper }}", []),
        ("{{ 'a|b' ~ input.kind }}", []),
        ("{{ input.kind | default('x' ~ input.to.name | upper) }}", ["| upper"]),
        ("{{ input.kind if input.count else input.to.name | upper }}", ["| upper"]),
        ("{{ input.kind == input.to.name | lower }}", []),
        ("{{ -1 | fixed(2) }}", []),
    ],
)
def test_parentheses_are_asked_for_where_a_filter_could_mean_more(template: str, marked: list[str]) -> None:
    sent = {"method": "POST", "path": "/x", "json": {**SENT, "x": template}}
    assert found("TPL001", action(inputSchema=INPUT, request=sent)) == marked


@pytest.mark.parametrize(
    ("literal", "is_found"),
    [
        ("input.kind", True),
        ("input.to.name", True),
        ("config.apiVersion", False),
        ("input.unknown", False),
        ("index.html", False),
        ("acme.vn", False),
        ("{ input.kind }", True),
        ("${input.kind}", True),
        ("{CHECKOUT_SESSION_ID}", False),
        ("{{ input.kind }}", False),
        ("{% if input.kind %}", True),
        ("100 % {sure}", False),
    ],
)
def test_a_literal_is_found_where_it_names_something_that_is_there(literal: str, is_found: bool) -> None:
    sent = {"method": "POST", "path": "/x", "json": {**SENT, "x": literal}}
    assert bool(found("TPL002", action(inputSchema=INPUT, request=sent))) is is_found


@pytest.mark.parametrize(
    ("template", "count"),
    [
        ("{{ input.to.name }} {{ input.to.phone }}", 1),
        ("{{ input.to.name }} {{ input.to.phone | default('') }}", 0),
        ("{{ input.to.name }} {{ call.now }}", 0),
        ("<{{ input.to.phone }}>", 0),
    ],
)
def test_a_text_falls_only_by_an_optional_part_among_others(template: str, count: int) -> None:
    sent = {"method": "POST", "path": "/x", "json": {**SENT, "x": template}}
    assert len(found("TPL007", action(inputSchema=INPUT, request=sent))) == count


# --- names ---


@pytest.mark.parametrize(
    ("sent", "unused"),
    [
        (SENT, []),
        ({**SENT, "to": "{{ input.to.name }}"}, ["phone"]),
        ({"all": "{{ input | json }}"}, []),
        ({**SENT, "to": {"$when": "input.to.phone", "$value": "{{ input.to.name }}"}}, []),
        ({**SENT, "items": {"$each": "input.items", "$value": {"x": "{{ item.sku }}"}}}, ["size"]),
        ({**SENT, "items": {"$each": "input.items", "$as": "row", "$value": "{{ row }}"}}, []),
        ({**SENT, "items": {"$each": "input.items[?size]", "$value": "{{ item }}"}}, []),
    ],
)
def test_an_input_is_used_where_it_or_all_around_it_is_read(sent: dict[str, Any], unused: list[str]) -> None:
    request = {"method": "POST", "path": "/x", "json": sent}
    assert [one.strip('"') for one in found("USE004", action(inputSchema=INPUT, request=request))] == unused


def test_to_ask_for_a_list_is_no_reading_of_its_fields() -> None:
    request = {"method": "POST", "path": "/x", "json": {k: v for k, v in SENT.items() if k != "items"}}
    checks = [{"require": "length(keys(input)) > `1` || input.items[?sku]", "message": "Give more."}]
    assert found("USE004", action(inputSchema=INPUT, request=request, checks=checks)) == ['"size"']


def test_a_server_escape_and_table_are_used_wherever_they_are_named() -> None:
    servers = {
        "default": "https://api.acme.example",
        "labels": "https://api.acme.example/l",
        "old": "https://api.acme.example",
    }
    tables = {"a": {"map": {"x": 1}}, "b": {"map": {"x": 1}}, "c": {"map": {"x": 1}}}
    sent = {
        "server": "labels",
        "method": "POST",
        "path": "/x",
        "json": {
            "k": "{{ input.kind | default('x') | lookup('a') }}",
            "t": {"$text": "{{ call.id }}", "$escape": "soql"},
        },
    }
    made = action(inputSchema=INPUT, request=sent, output={"got": "lookup(body.x, 'b')"})
    parts = {"servers": servers, "tables": tables, "escapes": {"soql": {"'": "\\'"}, "none": {"'": "\\'"}}}
    assert found("USE001", made, **parts) == ['"none"', '"default"', '"old"', '"c"']


# --- refusals ---


@pytest.mark.parametrize(
    ("rules", "count"),
    [
        ([{"when": "!(body.x)", "code": "NOT_FOUND"}], 1),
        ([{"when": "body && !(body.x)", "code": "NOT_FOUND"}], 0),
        ([{"when": "!(body.x)", "code": "PROVIDER_UNAVAILABLE"}], 1),
        ([{"status": 200, "when": "!(body.x)", "code": "NOT_FOUND"}], 0),
        ([{"status": [401, 503], "code": "TIMEOUT"}, {"when": "!(body.x)", "code": "NOT_FOUND"}], 0),
        ([{"status": 401, "code": "AUTH_FAILED"}, {"when": "!(body.x)", "code": "NOT_FOUND"}], 1),
        ([{"when": "body.x == 'a'", "code": "NOT_FOUND"}], 0),
        ([{"when": "!(body.x)", "ok": True}], 1),
        ([{"by": "code", "codes": {"a": "NOT_FOUND"}}], 0),
        ([{"by": "code", "codes": {"a": "NOT_FOUND"}, "other": "REJECTED"}], 1),
        ([{"by": "code", "codes": {"a": "NOT_FOUND"}, "other": "REJECTED", "status": 200}], 0),
        ([{"messageContains": ["no such"], "code": "NOT_FOUND"}], 0),
        ([{"when": "status == `500` && !(body.x)", "code": "NOT_FOUND"}], 0),
    ],
)
def test_a_rule_swallows_a_401_or_503_where_it_matches_one_without_a_body(rules: list[Any], count: int) -> None:
    assert len(found("ERR001", action(errors=rules), answer={"code": "body.c", "message": "body.m"})) == count


@pytest.mark.parametrize(
    ("rules", "count"),
    [
        ([{"status": [400, 404]}, {"status": 404}], 1),
        ([{"status": 404}, {"status": [400, 404]}], 0),
        ([{"status": 404, "when": "body.a"}, {"status": 404}], 0),
        ([{"when": "body.a"}, {"status": 404, "when": "body.a"}], 1),
        ([{"messageContains": ["gone"]}, {"messageContains": ["It is GONE"]}], 1),
        ([{"messageContains": ["It is gone"]}, {"messageContains": ["gone"]}], 0),
        ([{"status": 404, "effect": "read"}, {"status": 404}], 1),
        ([{"status": 404}, {"status": 404, "effect": "write"}], 1),
    ],
)
def test_a_rule_is_dead_where_one_before_takes_all_of_its_answers(rules: list[Any], count: int) -> None:
    coded = [{**rule, "code": "NOT_FOUND"} for rule in rules]
    assert len(found("ERR002", action(errors=coded), answer={"message": "body.m"})) == count


def test_rows_about_the_same_value_are_dead_one_by_one() -> None:
    first = {"by": "code", "codes": {"a": "NOT_FOUND", "b": "CONFLICT"}, "effect": "read"}
    again = {"by": "code", "codes": {"b": "REJECTED", "c": "REJECTED"}}
    both = (action(), action("book", "write"))
    assert found("ERR002", *both, errors=[first, again]) == []
    assert found("ERR002", *both, errors=[{**first, "effect": "write"}, {**again, "effect": "write"}]) == ['"b"']
    assert found("ERR002", *both, errors=[first, {**first, "codes": {"a": "REJECTED"}}]) == ['"by"']


# --- pages, lists in texts, promised outputs, invitations to repeat ---


@pytest.mark.parametrize(
    ("kind", "more", "findings"),
    [
        ("page", "page < body.pages", {"QRY009": ["page < body.pages"]}),
        ("page", "page.number < body.pages", {}),
        ("page", "page.number < '5'", {"QRY008": ["page.number < '5'"]}),
        ("page", "page.number == '5'", {"QRY009": ["page.number == '5'"]}),
        ("offset", "page.offset < body.total", {}),
        ("offset", "'9' > page.offset", {"QRY008": ["'9' > page.offset"]}),
        ("offset", "length(body.rows) >= page.limit", {}),
        ("offset", "page.limit <= 'x'", {"QRY008": ["page.limit <= 'x'"]}),
    ],
)
def test_what_the_parts_of_a_page_are_is_known(kind: str, more: str, findings: dict[str, list[str]]) -> None:
    paging = {
        "kind": kind, "limit": {"into": "query.size", "default": 2, "max": 9}, "into": "query.at",
        "items": "body.rows", "more": more,
    }  # fmt: skip
    one = action(request={"method": "GET", "path": "/x"}, pagination=paging)
    assert {code: marks for code in ("QRY008", "QRY009") if (marks := found(code, one))} == findings


@pytest.mark.parametrize(
    ("text_of_it", "marks"),
    [
        ("{{ input.items }}", []),
        ("a {{ input.items }}", ["{{ input.items }}"]),
        ("{{ input.to }}/{{ input.kind }}", ["{{ input.to }}"]),
        ("a {{ input.items | json }}", []),
        ("a {{ input.to.name }}", []),
        ("a {{ input.count }}", []),
    ],
)
def test_a_list_or_object_is_only_found_beside_other_text(text_of_it: str, marks: list[str]) -> None:
    one = action(inputSchema=INPUT, request={"method": "POST", "path": "/x", "json": {**SENT, "x": text_of_it}})
    assert found("TPL009", one) == marks


@pytest.mark.parametrize(
    ("output", "marks"),
    [
        ({"id": "body.id", "rows": {"$each": "body.rows", "$value": {"n": "item.n"}}}, []),
        ({"id": "body.id", "idd": "body.id"}, ['"idd"']),
        ({"rows": {"$each": "body.rows", "$value": {"m": "item.n"}}}, ['"m"']),
        ({"free": {"any": "body.id"}}, []),
        ({"free": {"$const": {"any": 1}}}, []),
        ({"$merge": [{"id": "body.id"}, {"ix": "body.id"}]}, ['"ix"']),
        ({"$cases": [{"$when": "body.a", "$value": {"ix": "body.id"}}, {"$value": {"id": "body.id"}}]}, ['"ix"']),
    ],
)
def test_an_output_is_followed_along_its_schema(output: dict[str, Any], marks: list[str]) -> None:
    rows = {"type": "array", "description": "Rows.", "items": fields(n=whole())}
    schema = fields(id=text(), rows=rows, free={"type": "object", "description": "Whatever comes."})
    assert found("USE010", action(outputSchema=schema, output=output)) == marks
    is_open = {**schema, "additionalProperties": True}
    assert '"idd"' not in found("USE010", action(outputSchema=is_open, output=output))


REPEAT = '"retryable"'


@pytest.mark.parametrize(
    ("rule", "idempotency", "marks"),
    [
        ({"code": "CONFLICT", "retryable": True}, "none", [REPEAT]),
        ({"code": "CONFLICT", "retryable": True}, "natural", []),
        ({"code": "CONFLICT"}, "none", []),
        ({"code": "CONFLICT", "retryable": True, "notProcessed": True}, "none", []),
        ({"code": "CONFLICT", "retryable": True, "effect": "read"}, "none", []),
        ({"code": "RATE_LIMITED", "retryable": True}, "none", []),
        ({"code": "PROVIDER_UNAVAILABLE", "retryable": True}, "none", []),
        (
            {"by": "body.code", "codes": {"A": {"code": "REJECTED", "retryable": True}, "B": "CONFLICT"}},
            "none",
            [REPEAT],
        ),
        ({"by": "body.code", "codes": {"A": "REJECTED"}, "retryable": True}, "none", [REPEAT]),
    ],
)
def test_only_a_repeat_that_the_provider_does_twice_is_not_to_be_invited(
    rule: dict[str, Any], idempotency: str, marks: list[str]
) -> None:
    whole_rule = {"status": 409, **rule}
    write = action("book", "write", idempotency=idempotency)
    assert found("ERR010", action(), write, errors=[whole_rule]) == marks
    assert found("ERR010", action(errors=[whole_rule]), write) == []
    assert found("ERR010", action(), {**write, "errors": [whole_rule]}) == marks
