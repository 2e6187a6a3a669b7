"""Whatever an author writes, compiling ends with an integration or with diagnostics, never with an exception."""

from __future__ import annotations

import copy
import functools
import json
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.bootstrap import open_registry
from engine.locations import schemas_dir, specs_dir
from engine.spec.load import load
from engine.spec.source import read
from tests.spec.compiling import compiled
from tests.spec.test_build_keys import EVERYTHING
from tests.support.specs import action, fields, spec, text

SHIPPED = sorted(specs_dir().glob("*/spec.yaml"))

Place = tuple[str | int, ...]


def value_of(text: str) -> Any:
    source, _ = read("spec.yaml", text)
    assert source is not None
    return source.value


VALUES = [value_of(path.read_text(encoding="utf-8")) for path in SHIPPED] + [value_of(EVERYTHING)]


def places(value: Any, at: Place = ()) -> list[Place]:
    steps = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [at, *(place for step, child in steps for place in places(child, (*at, step)))]


def few_actions(value: Any) -> Iterator[Any]:
    """The spec with three of its actions at a time, and the one that its test calls: soon compiled, densely damaged."""
    actions, tested = value["actions"], value.get("test", {}).get("action")
    for start in range(0, len(actions), 3):
        kept = actions[start : start + 3]
        yield {**value, "actions": kept + [one for one in actions if one["actionId"] == tested and one not in kept]}


SMALL = [one for value in VALUES for one in few_actions(value)]
PLACES = [(value, places(value)) for value in VALUES]


def at(value: Any, place: Place) -> Any:
    return functools.reduce(lambda inner, step: inner[step], place, value)


TEXTS = [
    "", "x", "{{", "{{ input.x }}", "{{ x | lookup }}", "{{ config.x | default }}", "{{ input.items | pairs(a=1) }}",
    "a.b[", "`", "body.a | b(", "@", "input.items[*].seconds_until(a)", "$ref", "/x?{{ a }}", "//x", "config.gone",
    "(?=a)", "https://{{ config.shop }}", "\U0001f4a5", "{{ '\\ud83d' }}",
]  # fmt: skip
PARTS: list[Any] = [
    None, True, 5, -1, 10**30, [], {}, [1], {"a": 1}, [[]], {"": ""}, {"$each": "input.items", "$value": "{{item}}"},
    {"$ref": "#/$defs/x"}, {"$when": "a"}, {"$text": ["a", "{{b}}"], "$escape": "q"}, {"$const": None},
    {"by": "x", "codes": {"a": "b"}}, {"plugin": "acme_mac"}, {"type": "string", "default": 5}, {"$cases": [{}]},
]  # fmt: skip
KEYS = [
    "$each", "$when", "$cases", "$merge", "$json", "$defs", "sign", "token", "errors", "ok", "read", "steps", "obtain",
    "capture", "verifyAnswer", "x", "type", "pattern", "by", "",
]  # fmt: skip


@st.composite
def mutated(draw: st.DrawFn) -> Any:
    """A real spec with a few nodes deleted, replaced, moved or copied to where they do not belong."""
    value = copy.deepcopy(draw(st.sampled_from(SMALL)))
    for _ in range(draw(st.integers(1, 5))):
        known = places(value)[1:]
        if not known:
            break
        place = draw(st.sampled_from(known))
        around, key = at(value, place[:-1]), place[-1]
        match draw(st.integers(0, 4)):
            case 0:
                del around[key]
            case 1:
                around[key] = copy.deepcopy(draw(st.sampled_from(PARTS + TEXTS)))
            case 2:
                other, anywhere = draw(st.sampled_from(PLACES))
                around[key] = copy.deepcopy(at(other, draw(st.sampled_from(anywhere))))
            case 3:
                part = copy.deepcopy(at(value, draw(st.sampled_from(known))))
                if isinstance(around, dict):
                    around[draw(st.sampled_from(KEYS))] = part
                else:
                    around.insert(0, part)
            case _ if isinstance(around[key], str):
                cut = draw(st.integers(0, len(around[key])))
                around[key] = around[key][:cut] + draw(st.sampled_from(TEXTS)) + around[key][cut:]
    return value


@given(mutated())
@settings(max_examples=150)
def test_a_damaged_spec_gives_diagnostics_inside_its_text_and_no_exception(value: Any) -> None:
    source = json.dumps(value, ensure_ascii=False, indent=1, default=float)
    integration, found = compiled(source)
    assert (integration is None) == bool(found)
    lines = source.split("\n")
    for one in found:
        assert 1 <= one.position.column <= len(lines[one.position.line - 1]) + 1
        assert one.length >= 1
        assert one.message


@given(st.text(alphabet=st.sampled_from([*"{}[]:,-|>&*!%@`'\"# \nab1"]), max_size=60) | st.binary(max_size=60))
@settings(max_examples=200)
def test_any_text_gives_diagnostics_and_no_exception(source: str | bytes) -> None:
    integration, found = compiled(source if isinstance(source, str) else source.decode("latin-1"))
    assert integration is None
    assert found


def codes(value: Any) -> list[str]:
    integration, found = compiled(json.dumps(value, ensure_ascii=False))
    assert (integration is None) == bool(found)
    return sorted({one.code for one in found})


def test_references_in_a_circle_end() -> None:
    trees = {f"d{i}": {"a": {"$ref": f"#/$defs/d{(i + 1) % 40}"}} for i in range(40)}
    assert codes({**spec(action(output={"v": {"$ref": "#/$defs/d0"}})), "$defs": trees}) == ["NAME006"]
    assert codes({**spec(action(inputSchema={"$ref": "#/$defs/d0"})), "$defs": trees})[0] == "NAME006"


def test_references_that_would_grow_beyond_memory_end() -> None:
    trees: dict[str, Any] = {f"d{i}": [{"$ref": f"#/$defs/d{i + 1}"}] * 30 for i in range(30)}
    trees["d30"] = "body.x"
    assert codes({**spec(action(output={"v": {"$ref": "#/$defs/d0"}})), "$defs": trees}) == ["SPEC063"]


def test_ten_thousand_actions_are_too_many_values_for_one_file() -> None:
    assert codes(spec(*[action(f"act_{i}") for i in range(10_000)])) == ["YAML003"]


def test_hundreds_of_actions_compile() -> None:
    integration, found = compiled(json.dumps(spec(*[action(f"act_{i}") for i in range(400)])))
    assert found == []
    assert integration is not None
    assert len(integration.actions) == 400


@pytest.mark.parametrize(
    "template",
    [
        "{{ input.x }}" * 5_000,
        "{{ " + " ~ ".join(["input.x"] * 5_000) + " }}",
        "{{ " + "'" + "x" * 100_000 + "' }}",
        "x" * 200_000,
    ],
    ids=["many expressions", "one long expression", "one long text", "no expression"],
)
def test_a_huge_template_compiles(template: str) -> None:
    made = action(
        inputSchema=fields(("x",), x=text()), request={"method": "POST", "path": "/x", "json": {"v": template}}
    )
    assert codes(spec(made)) == []


@pytest.mark.parametrize(
    "template",
    [
        "{{ " + "(" * 20_000 + "1" + ")" * 20_000 + " }}",
        "{{ " + "not " * 20_000 + "1 }}",
        "{{ " + "-" * 20_000 + "1 }}",
        "{{ " + " + ".join(["1"] * 20_000) + " }}",
        "{{ 1" + " if 1 else 1" * 5_000 + " }}",
        "{{ 'a'" + " | upper" * 5_000 + " }}",
        "{{ " + "[" * 5_000 + "]" * 5_000 + " }}",
        "{{ input" + ".a" * 5_000 + " }}",
        "{{ input" + "[0]" * 5_000 + " }}",
    ],
    ids=["brackets", "not", "minus", "sum", "if", "filters", "lists", "path", "positions"],
)
def test_an_expression_nested_beyond_reason_is_refused(template: str) -> None:
    made = action(request={"method": "POST", "path": "/x", "json": {"v": template}})
    assert codes(spec(made)) in (["EXPR007"], ["EXPR001"], ["NAME002"])


@pytest.mark.parametrize(
    "query",
    [
        "(" * 20_000 + "body" + ")" * 20_000,
        "body" + "[]" * 20_000,
        "!" * 20_000 + "body",
        " || ".join(["body"] * 20_000),
        " | ".join(["body"] * 20_000),
        "to_array(" * 5_000 + "body" + ")" * 5_000,
        "[" * 5_000 + "body" + "]" * 5_000,
        "`" + "[" * 5_000 + "]" * 5_000 + "`",
    ],
    ids=["brackets", "flatten", "not", "or", "pipe", "calls", "lists", "literal"],
)
def test_a_query_nested_beyond_reason_is_refused(query: str) -> None:
    assert codes(spec(action(output={"v": query}))) in (["EXPR007"], ["EXPR011"])


@pytest.mark.parametrize("query", ["body" + ".a" * 20_000, "body" + "[0]" * 20_000], ids=["path", "positions"])
def test_a_long_query_that_is_not_deep_compiles(query: str) -> None:
    assert codes(spec(action(output={"v": query}))) == []


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.parent.name)
def test_every_shipped_spec_compiles_without_a_finding(path: Any) -> None:
    loaded = load([path.parent], open_registry(), schemas_dir())
    assert [str(one) for one in loaded.diagnostics] == []
