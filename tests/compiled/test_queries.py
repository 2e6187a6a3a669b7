"""What a query finds: every node of JMESPath, the standard functions, and the functions of the language."""

from __future__ import annotations

import hashlib
from decimal import Decimal
from typing import Any

import pytest

from engine.compiled.fault import EvaluationError
from engine.compiled.names import Names
from engine.compiled.query import compile_query, holds
from engine.library.absent import ABSENT
from tests.compiled.evaluate import names, plain, query

DOC = plain(
    {
        "name": "acme",
        "null": None,
        "zero": 0,
        "price": 19.99,
        "flag": True,
        "empty": "",
        "nothing": [],
        "items": [{"id": 1, "on": True, "tags": ["a", "b"]}, {"id": 2, "on": False, "tags": []}, {"id": 3}],
        "map": {"x": {"v": 1}, "y": {"v": 2}, "z": {"w": 3}},
        "nested": [[1, 2], [3, [4]], 5],
        "odd key": {"a-b": 7},
        "word": "a,b,c",
        "numbers": [3, 1.5, 2],
        "words": ["pear", "apple", "fig"],
    }
)


@pytest.mark.parametrize(
    ("text", "result"),
    [
        ("doc.name", "acme"),
        ("doc.null", None),
        ("doc.gone", None),
        ("doc.gone.deeper.still", None),
        ("doc.name.deeper", None),
        ('doc."odd key"."a-b"', 7),
        ("doc.items[0].id", 1),
        ("doc.items[-1].id", 3),
        ("doc.items[9]", None),
        ("doc.name[0]", None),
        ("doc.items[1:].id", [2, 3]),
        ("doc.items[::-1].id", [3, 2, 1]),
        ("doc.items[:2].id", [1, 2]),
        ("doc.name[0:1]", None),
        ("doc.items[*].on", [True, False]),
        ("doc.items[].tags[]", ["a", "b"]),
        ("doc.nested[]", [1, 2, 3, [4], 5]),
        ("doc.nested[][]", [1, 2, 3, 4, 5]),
        ("doc.name[]", None),
        ("doc.map.*.v", [1, 2]),
        ("doc.items.*", None),
        ("doc.items[?on].id", [1]),
        ("doc.items[?id > `1`].id", [2, 3]),
        ("doc.items[?id == `1` || id == `3`].id", [1, 3]),
        ("doc.items[?contains(tags || `[]`, 'b')] | [0].id", 1),
        ("doc.items[?!on].id", [2, 3]),
        ("doc.name[?x]", None),
        ("doc.{a: name, b: gone}", {"a": "acme", "b": None}),
        ("doc.[name, zero]", ["acme", 0]),
        ("doc.gone.[name]", None),
        ("doc.gone.{a: name}", None),
        ("doc.empty || doc.name", "acme"),
        ("doc.nothing || doc.name", "acme"),
        ("doc.zero || doc.name", 0),
        ("doc.name && doc.zero", 0),
        ("doc.empty && doc.name", ""),
        ("!(doc.empty)", True),
        ("!(doc.zero)", False),
        ("!doc.zero", None),  # it parses as (!doc).zero
        ("doc.items | [0] | id", 1),
        ("doc.price > `19`", True),
        ("doc.price == `19.99`", True),
        ("doc.price == `19.990`", True),
        ("doc.name == 'acme'", True),
        ("doc.name != doc.empty", True),
        ("doc.flag == `1`", False),
        ("doc.flag < `3`", None),
        ("doc.null < `3`", None),
        ("'b' > 'a'", True),
        ("`[true]` == `[1]`", False),
        ('`{"a": 1}` == `{"a": 1.0}`', True),
        ("`0.1`", Decimal("0.1")),
        ("`12345678901234567890`", 12345678901234567890),
        ('`{"a": [1, "b"]}`', {"a": [1, "b"]}),
        (r"'it\'s'", "it's"),
        (r'`"a\`b"`', "a`b"),
    ],
)
def test_every_construct_of_jmespath_finds_what_the_specification_says(text: str, result: Any) -> None:
    found = query(text, doc=DOC)
    assert (found, type(found)) == (result, type(result))


@pytest.mark.parametrize(
    ("text", "result"),
    [
        ("abs(`-1.5`)", Decimal("1.5")),
        ("abs(`-3`)", 3),
        ("avg(doc.numbers)", Decimal("2.1666666666666666666666666667") + Decimal(0)),
        ("avg(doc.nothing)", None),
        ("ceil(`1.2`)", 2),
        ("floor(`-1.2`)", -2),
        ("contains(doc.words, 'fig')", True),
        ("contains(`[true]`, `1`)", False),
        ("contains(doc.name, 'cm')", True),
        ("contains(doc.name, `1`)", False),
        ("starts_with(doc.name, 'ac')", True),
        ("ends_with(doc.name, 'ac')", False),
        ("join('-', doc.words)", "pear-apple-fig"),
        ("keys(doc.map)", ["x", "y", "z"]),
        ("values(doc.map)[0].v", 1),
        ("length(doc.words)", 3),
        ("length(doc.name)", 4),
        ("length(doc.map)", 3),
        ("map(&id, doc.items)", [1, 2, 3]),
        ("map(&gone, doc.items)", [None, None, None]),
        ("max(doc.numbers)", 3),
        ("min(doc.words)", "apple"),
        ("max(doc.nothing)", None),
        ("max_by(doc.items, &id).id", 3),
        ("min_by(doc.items, &id).id", 1),
        ("max_by(doc.nothing, &id)", None),
        ('merge(doc.map.x, `{"n": 1}`)', {"v": 1, "n": 1}),
        ("not_null(doc.null, doc.gone, doc.zero)", 0),
        ("not_null(doc.null)", None),
        ("reverse(doc.name)", "emca"),
        ("reverse(doc.words)", ["fig", "apple", "pear"]),
        ("sort(doc.numbers)", [Decimal("1.5"), 2, 3]),
        ("sort_by(doc.items, &id)[0].id", 1),
        ("sum(doc.numbers)", Decimal("6.5")),
        ("sum(`[0.1, 0.2]`)", Decimal("0.3")),
        ("to_array(doc.name)", ["acme"]),
        ("to_array(doc.words)[0]", "pear"),
        ("to_number('12')", 12),
        ("to_number('1.50')", Decimal("1.50")),
        ("to_number('1_000')", None),
        ("to_number('nan')", None),
        ("to_number('x')", None),
        ("to_number(`true`)", None),
        ("to_string(doc.price)", "19.99"),
        ("to_string(doc.nested)", "[[1,2],[3,[4]],5]"),
        ("to_string(doc.name)", "acme"),
        ("type(doc.null)", "null"),
        ("type(doc.flag)", "boolean"),
        ("type(doc.price)", "number"),
        ("type(doc.map)", "object"),
        ("type(doc.words)", "array"),
        ("type(doc.name)", "string"),
    ],
)
def test_the_standard_functions_work_on_exact_numbers(text: str, result: Any) -> None:
    assert query(text, doc=DOC) == result


@pytest.mark.parametrize(
    ("text", "result"),
    [
        ("upper(doc.name)", "ACME"),
        ("upper(doc.null)", None),
        ("lookup('l', 'size')", "large"),
        ("lookup('zz', 'size')", None),
        ("lookup('l', {table: 'size'})", "large"),
        ("pairs(doc.map.x)", "v=1"),
        ("pairs({b: '2', a: '1', c: '3'}, {skip: 'c', join: ';'})", "a=1;b=2"),
        ("time(call.now, '%Y')", "2026"),
        ("time(call.now, {format: '%Y', zone: 'Asia/Ho_Chi_Minh'})", "2026"),
        ("find(doc.items, 'id', `2`).on", False),
        ("find(doc.items, {key: 'id', value: `2`}).on", False),
        ("list(doc.name)", ["acme"]),
        ("entries(doc.map.x)", [{"key": "v", "value": 1}]),
        ("seconds_until('2026-05-01T03:05:05Z')", 60),
        ("doc.items[*].text(id)", ["1", "2", "3"]),
        ("hex(digest(doc.name, 'md5'))", hashlib.md5(b"acme").hexdigest()),
    ],
)
def test_functions_of_the_language_take_options_as_one_object(text: str, result: Any) -> None:
    assert query(text, doc=DOC) == result


@pytest.mark.parametrize(
    "text",
    [
        "`2` < 'a'",
        "doc.name > `1`",
        "length(doc.null)",
        "length(`5`)",
        "contains(doc.null, 'a')",
        "starts_with(doc.null, 'a')",
        "join(',', doc.numbers)",
        "sum(doc.words)",
        'max(`[1, "a"]`)',
        "sort(`[null]`)",
        "sort_by(doc.items, &on)",
        "abs(doc.flag)",
        "merge(doc.name)",
        "keys(doc.words)",
        "fixed(doc.name, `2`)",
        "to_string(digest(doc.name, 'md5'))",
        "div(`1`, `0`)",
    ],
)
def test_a_wrong_type_ends_with_an_error_that_names_no_value(text: str) -> None:
    with pytest.raises(EvaluationError) as caught:
        query(text, doc={**DOC, "name": "SECRET"})
    assert "SECRET" not in str(caught.value)


def test_absent_roots_are_null() -> None:
    assert query("input", input=ABSENT) is None
    assert query("input.x || 'd'") == "d"


@pytest.mark.parametrize(
    ("value", "is_true"),
    [(None, False), (False, False), ("", False), ([], False), ({}, False), (ABSENT, False)]
    + [(value, True) for value in (True, 0, Decimal(0), " ", [None], {"a": None}, 1)],
)
def test_truth_is_that_of_jmespath(value: Any, is_true: bool) -> None:
    assert holds(value) is is_true


@pytest.mark.parametrize(
    ("text", "value", "result"),
    [("@ > `5`", 6, True), ("@ == 'a'", "a", True), ("state == 'x'", {"state": "x"}, True), ("state", 5, None)],
)
def test_a_query_about_one_value_has_that_value_as_its_root(text: str, value: Any, result: Any) -> None:
    assert compile_query(text, Names({}), rooted=False)(value) == result


def test_a_name_inside_a_projection_is_a_field_of_the_element() -> None:
    """`body` there is not the root of that name."""
    assert query("doc.items[?body == 'x'].id", doc={"items": [{"id": 1, "body": "x"}]}, body="y") == [1]


def test_a_literal_of_a_query_is_not_changed_by_what_is_done_with_the_result() -> None:
    evaluate = compile_query("`[1]`[]", names())
    first = evaluate({})
    first.append(2)
    assert evaluate({}) == [1]
