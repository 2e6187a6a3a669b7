"""What is wrong in a tree is reported at its key or leaf, and everything that is wrong is reported."""

from __future__ import annotations

from typing import Any

import pytest

from engine.compiled.names import shape_of
from tests.compiled.evaluate import compiled_tree, names

ROWS = shape_of(
    {
        "additionalProperties": False,
        "properties": {
            "rows": {
                "type": "array",
                "items": {"additionalProperties": False, "properties": {"id": {}, "tags": {"items": {}}}},
            }
        },
    },
    sure=True,
)


@pytest.mark.parametrize(
    ("node", "is_output", "path", "code"),
    [
        ({"a": {"b": "{{ x }}"}}, False, ("a", "b"), "NAME001"),
        ({"a": ["ok", "{{"]}, False, ("a", 1), "EXPR001"),
        ({"a": "x.y"}, True, ("a",), "NAME001"),
        ({"a": 5}, True, ("a",), "EXPR020"),
        ({"a": None}, True, ("a",), "EXPR020"),
        ({"$when": "x", "a": 1}, False, ("$when",), "NAME001"),
        ({"$each": "nope", "$value": "v"}, False, ("$each",), "NAME001"),
        ({"$each": "input", "$where": "itm.x", "$value": "v"}, False, ("$where",), "NAME001"),
        ({"$each": "input", "$value": {"a": "{{ itm.x }}"}}, False, ("$value", "a"), "NAME001"),
        ({"$each": "input"}, False, ("$each",), "EXPR024"),
        ({"$each": "input.rows", "$value": "{{ item.idd }}"}, False, ("$value",), "NAME002"),
        ({"$each": "input.rows", "$as": "r", "$value": "r.idd"}, True, ("$value",), "NAME002"),
        ({"$each": "input.rows", "$as": "r", "$value": {"$each": "r.tgs", "$value": "item"}}, True,
         ("$value", "$each"), "NAME002"),
        ({"$cases": [{"$when": "x", "$value": 1}]}, False, ("$cases", 0, "$when"), "NAME001"),
        ({"$cases": [{"$when": "input"}]}, False, ("$cases", 0), "EXPR024"),
        ({"$cases": [{"$value": 1}, {"$value": 2}]}, False, ("$cases", 1), "EXPR025"),
        ({"$merge": [{"a": "{{ x }}"}]}, False, ("$merge", 0, "a"), "NAME001"),
        ({"$text": ["{{ x }}"]}, False, ("$text", 0), "NAME001"),
        ({"$text": "{{ x }}"}, False, ("$text",), "NAME001"),
        ({"$json": {"a": "{{ x }}"}}, False, ("$json", "a"), "NAME001"),
        ({"$null": "{{ x }}"}, False, ("$null",), "NAME001"),
        ({"$escape": "nope", "$text": ["a"]}, False, ("$escape",), "NAME005"),
        ({"$escape": "nope"}, False, (), "EXPR024"),
        ({"$eahc": "input", "a": 1}, False, ("$eahc",), "EXPR022"),
        ({"$const": 1, "a": 1}, False, ("a",), "EXPR023"),
        ({"a": 1, "$join": ""}, False, ("$join",), "EXPR023"),
    ],
)  # fmt: skip
def test_each_mistake_is_reported_at_its_place(node: Any, is_output: bool, path: Any, code: str) -> None:
    _, found = compiled_tree(node, queries=is_output, known=names(input=ROWS))
    assert [finding[:2] for finding in found] == [(path, code)]
    assert all(finding[2] for finding in found)


def test_one_mistake_does_not_hide_another() -> None:
    node = {"a": "{{ x }}", "b": {"$each": "y", "$value": {"c": "{{ z }}", "d": "{{ item.ok }}"}}, "e": ["{{"]}
    _, found = compiled_tree(node)
    assert [path for path, *_ in found] == [("a",), ("b", "$each"), ("b", "$value", "c"), ("e", 0)]
