"""What a tree becomes: each directive, in request trees (templates) and output trees (queries), and what falls."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.compiled.fault import EvaluationError
from engine.library.absent import ABSENT
from tests.compiled.evaluate import tree

INPUT: dict[str, Any] = {
    "name": "An",
    "n": 5,
    "null": None,
    "empty": [],
    "list": ["a", "b"],
    "rows": [{"id": 1, "on": True}, {"id": 2}, {"id": 3, "on": True, "in": ["x", "y"]}],
}


def request(node: Any, **roots: Any) -> Any:
    return tree(node, input=INPUT, **roots)


def output(node: Any, schema: Any = None, **roots: Any) -> Any:
    return tree(node, queries=True, schema=schema, input=INPUT, **roots)


# --- what falls and what stays ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("node", "made"),
    [
        ({"a": "{{ input.name }}", "b": "{{ input.gone }}"}, {"a": "An"}),
        ({"a": {"b": {"c": "{{ input.gone }}"}}, "d": 1}, {"d": 1}),
        (["{{ input.gone }}", "x", "{{ input.n }}"], ["x", 5]),
        ({"a": ["{{ input.gone }}"], "b": 1}, {"b": 1}),
        ({"a": {}, "b": [], "c": "{{ input.gone }}"}, {"a": {}, "b": []}),
        ({"a": [{}], "b": [[]]}, {"a": [{}], "b": [[]]}),
        ({"a": "{{ input.null }}"}, {"a": None}),
        ({"a": None, "b": True, "c": Decimal("1.5")}, {"a": None, "b": True, "c": Decimal("1.5")}),
        ({"a": "{{ input.empty }}"}, {"a": []}),
        ({"a": "{{ input.gone }}"}, ABSENT),
        (["{{ input.gone }}"], ABSENT),
        ({}, {}),
        ([], []),
    ],
)
def test_absent_leaves_fall_and_take_what_they_empty_along_but_no_literal(node: Any, made: Any) -> None:
    assert request(node) == made


@pytest.mark.parametrize(
    ("node", "made"),
    [
        ({"a": "{{ input.gone }}"}, {}),
        (["{{ input.gone }}"], []),
        ({"$merge": [{"a": "{{ input.gone }}"}]}, {}),
        ({"$cases": [{"$value": {"a": "{{ input.gone }}"}}]}, {}),
        ({"a": {"b": "{{ input.gone }}"}}, {}),
    ],
)
def test_the_root_of_a_body_stays(node: Any, made: Any) -> None:
    assert tree(node, is_root=True, input=INPUT) == made


def test_a_null_of_an_answer_falls_unless_the_output_schema_allows_it() -> None:
    node = {"kept": "body.x", "either": "body.x", "falls": "body.x", "unknown": "body.x", "rows": ["body.x", "body.y"]}
    schema = {
        "properties": {
            "kept": {"type": ["string", "null"]},
            "either": {"anyOf": [{"type": "string"}, {"type": "null"}]},
            "falls": {"type": "string"},
            "rows": {"items": {"type": ["integer", "null"]}},
        }
    }
    made = output(node, schema, body={"x": None, "y": 2})
    assert made == {"kept": None, "either": None, "rows": [None, 2]}
    assert output(node, body={"x": None, "y": 2}) == {"rows": [2]}


def test_an_element_that_each_makes_follows_the_schema_of_the_list() -> None:
    node = {"rows": {"$each": "body", "$value": {"a": "item.a", "b": "item.b"}}}
    schema = {"properties": {"rows": {"items": {"properties": {"a": {"type": ["string", "null"]}, "b": {}}}}}}
    assert output(node, schema, body=[{"a": None, "b": None}, {"b": 1}]) == {"rows": [{"a": None}, {"a": None, "b": 1}]}


# --- $each -----------------------------------------------------------------------------------------------------------


def test_each_makes_one_value_of_each_element_with_its_index() -> None:
    node = {"$each": "input.rows", "$value": {"id": "{{ item.id }}", "at": "{{ index }}"}}
    assert request(node) == [{"id": 1, "at": 0}, {"id": 2, "at": 1}, {"id": 3, "at": 2}]
    assert output({"$each": "input.rows", "$value": "item.id"}) == [1, 2, 3]


def test_where_chooses_elements_and_as_names_them() -> None:
    node = {"$each": "input.rows", "$as": "row", "$where": "row.on", "$value": "{{ row.id }}-{{ index }}"}
    assert request(node) == ["1-0", "3-2"]


def test_each_can_stand_in_each_and_sees_the_outer_element() -> None:
    node = {
        "$each": "input.rows",
        "$as": "row",
        "$where": "row.in",
        "$value": {"$each": "row.in", "$value": "{{ row.id }}{{ item }}{{ index }}"},
    }
    assert request(node) == [["3x0", "3y1"]]


def test_the_element_of_one_each_does_not_reach_the_next() -> None:
    node = {
        "a": {"$each": "input.list", "$value": "{{ item }}"},
        "b": {"$each": "input.rows", "$value": "{{ item.id }}"},
    }
    assert request(node) == {"a": ["a", "b"], "b": [1, 2, 3]}


@pytest.mark.parametrize("source", ["input.null", "input.gone", "input.gone.deeper"])
def test_each_over_nothing_is_absent_and_over_an_empty_list_an_empty_list(source: str) -> None:
    node = {"rows": {"$each": source, "$value": "{{ item }}"}, "x": 1}
    assert request(node) == {"x": 1}
    assert request({"rows": {"$each": "input.empty", "$value": "{{ item }}"}}) == {"rows": []}
    assert output({"rows": {"$each": "input.empty", "$value": "item"}}) == {"rows": []}


def test_elements_that_lost_everything_fall_and_their_index_is_not_given_to_others() -> None:
    node = {"$each": "input.rows", "$value": {"on": "{{ item.on }}", "at": "{{ index if item.on is given }}"}}
    assert request(node) == [{"on": True, "at": 0}, {"on": True, "at": 2}]


@pytest.mark.parametrize("source", ["input.name", "input.n", "input"])
def test_each_over_what_is_no_list_is_an_error(source: str) -> None:
    with pytest.raises(EvaluationError, match="list"):
        request({"$each": source, "$value": "{{ item }}"})


@given(st.lists(st.integers() | st.none() | st.text(max_size=3), max_size=8))
def test_each_keeps_every_element_in_order(values: list[Any]) -> None:
    assert tree({"$each": "input.x", "$value": "{{ item }}"}, input={"x": values}) == values


# --- $when, $cases, $merge, $value -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("condition", "holds"),
    [
        ("input.name", True),
        ("input.gone", False),
        ("input.null", False),
        ("input.empty", False),
        ("input.n > `4`", True),
    ],
)
def test_when_decides_whether_any_node_is_there(condition: str, holds: bool) -> None:
    assert request({"x": {"$when": condition, "a": 1}, "y": 2}) == ({"x": {"a": 1}, "y": 2} if holds else {"y": 2})
    assert request({"$when": condition, "$value": "v"}) == ("v" if holds else ABSENT)
    assert request({"$when": condition, "$const": 5}) == (5 if holds else ABSENT)
    assert request({"$when": condition, "$each": "input.list", "$value": "{{ item }}"}) == (
        ["a", "b"] if holds else ABSENT
    )


def test_of_cases_the_first_that_holds_counts() -> None:
    node = {
        "$cases": [
            {"$when": "input.gone", "$value": "first"},
            {"$when": "input.name", "$value": {"name": "{{ input.name }}"}},
            {"$value": "last"},
        ]
    }
    assert request(node) == {"name": "An"}
    assert request({"$cases": [{"$when": "input.gone", "$value": "x"}]}) is ABSENT
    assert output({"$cases": [{"$when": "input.gone", "$value": "input.n"}, {"$value": "input.name"}]}) == "An"


def test_a_case_that_holds_and_is_absent_is_not_followed_by_another() -> None:
    assert request({"$cases": [{"$when": "input.n", "$value": "{{ input.gone }}"}, {"$value": "x"}]}) is ABSENT


def test_merge_puts_later_objects_over_earlier_ones_and_passes_over_absent_ones() -> None:
    node = {"$merge": [{"a": 1, "b": 1}, {"$when": "input.gone", "b": 2}, {"b": 3, "c": "{{ input.gone }}"}]}
    assert request(node) == {"a": 1, "b": 3}
    assert output({"$merge": ["body", {"extra": {"$const": 1}}]}, body={"x": 1}) == {"x": 1, "extra": 1}
    assert output({"$merge": ["body"]}, body=None) is ABSENT


def test_merge_takes_objects_only() -> None:
    with pytest.raises(EvaluationError, match=r"\$merge"):
        request({"$merge": [{"a": 1}, "{{ input.name }}"]})


# --- $const, $null, $json, $text, $escape, $$ ------------------------------------------------------------------------


def test_const_is_a_literal_of_any_shape_on_both_sides() -> None:
    literal = {"$each": "x", "a": ["{{ input.name }}", None]}
    assert request({"v": {"$const": literal}}) == {"v": literal}
    assert output({"v": {"$const": "input.name"}}) == {"v": "input.name"}
    assert output({"v": {"$const": None}}) == {"v": None}


def test_null_is_sent_for_what_is_absent() -> None:
    node = {"a": {"$null": "{{ input.gone }}"}, "b": {"$null": "{{ input.name }}"}, "c": {"$null": "{{ input.null }}"}}
    assert request(node) == {"a": None, "b": "An", "c": None}
    assert output({"a": {"$null": "body.gone"}}, body={}) == {"a": None}


def test_json_is_the_compact_text_of_a_tree_whose_root_stays() -> None:
    node = {
        "$json": {
            "name": "{{ input.name }}",
            "ü": Decimal("10.0"),
            "gone": "{{ input.gone }}",
            "list": ["{{ input.n }}"],
        }
    }
    assert request(node) == '{"name":"An","ü":10,"list":[5]}'
    assert request({"$json": {"a": "{{ input.gone }}"}}) == "{}"
    assert request({"$json": "{{ input.gone }}"}) is ABSENT
    assert request({"$json": "{{ input.rows }}"}).startswith('[{"id":1,"on":true}')
    assert output({"$json": {"a": "body.x"}}, body={"x": None}) == "{}"


def test_json_of_what_is_no_json_value_is_an_error() -> None:
    with pytest.raises(EvaluationError, match="JSON"):
        request({"$json": {"a": "{{ input.name | digest('md5') }}"}})


@pytest.mark.parametrize(
    ("node", "made"),
    [
        ({"$text": ["a", "{{ input.name }}", "{{ input.n }}"], "$join": "|"}, "a|An|5"),
        ({"$text": ["a", "{{ input.gone }}", "b"], "$join": "|"}, "a|b"),
        ({"$text": ["a", "{{ input.gone }}", "{{ input.null }}"], "$join": "|", "$absent": ""}, "a||"),
        ({"$text": ["a", "{{ input.gone }}"], "$join": "|", "$absent": "-"}, "a|-"),
        ({"$text": ["{{ input.gone }}"]}, ABSENT),
        ({"$text": "x{{ input.name }}"}, "xAn"),
        ({"$text": ["a", {"$when": "input.gone", "$value": "b"}, {"$const": True}]}, "atrue"),
        ({"$text": ["{{ input.name }}", {"$json": {"n": "{{ input.n }}"}}]}, 'An{"n":5}'),
        ({"$text": ["a", "{{ input.list }}"], "$join": ","}, "a,a,b"),
        ({"$text": [{"$each": "input.rows", "$value": "{{ item.id }}"}], "$join": ","}, "1,2,3"),
    ],
)
def test_text_joins_parts_and_absent_ones_fall_or_read_as_told(node: Any, made: Any) -> None:
    assert request(node) == made


def test_text_of_an_object_is_an_error() -> None:
    with pytest.raises(EvaluationError):
        request({"$text": ["{{ input.rows }}"]})


QUOTES = {"q": lambda text: text.replace("'", "''")}


def test_every_expression_inside_escape_is_escaped_and_no_literal() -> None:
    node = {"$escape": "q", "$text": ["name = '", "{{ input.x }}", "' and {{ input.x }}'"]}
    assert tree(node, escapes=QUOTES, input={"x": "O'Neill"}) == "name = 'O''Neill' and O''Neill'"
    nested = {"$escape": "q", "$text": [{"$cases": [{"$when": "input.x", "$value": "{{ input.x }}"}]}]}
    assert tree(nested, escapes=QUOTES, input={"x": "'"}) == "''"
    assert tree(node, escapes=QUOTES, input={}) == "name = '"


def test_queries_inside_escape_are_escaped_too() -> None:
    node = {"$escape": "q", "$text": [{"$const": "x = '"}, "body.x", {"$const": "'"}]}
    assert tree(node, queries=True, escapes=QUOTES, body={"x": "O'Neill"}) == "x = 'O''Neill'"


def test_two_dollars_write_a_literal_directive_and_other_dollar_keys_are_the_providers() -> None:
    node = {"$$each": "{{ input.name }}", "$se_module": "Contacts", "$$$x": 1}
    assert request(node) == {"$each": "An", "$se_module": "Contacts", "$$x": 1}


def test_trees_nest_without_losing_anything() -> None:
    node: Any = "{{ input.name }}"
    wanted: Any = "An"
    for _ in range(60):
        node, wanted = {"k": [node]}, {"k": [wanted]}
    assert request(node) == wanted
