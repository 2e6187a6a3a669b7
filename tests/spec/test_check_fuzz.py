"""Whatever stands in a spec that can be read: checking it ends, and names places of the file."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.compiled.structure import Structure
from engine.spec.check import check_cases, check_structure
from engine.spec.source import Source, read

FIXTURES = Path(__file__).parent / "fixtures"


def fixture(name: str) -> Source:
    source, _ = read(name, (FIXTURES / name).read_text())
    assert source is not None
    return source


SPEC = fixture("plugin_signatures.yaml")
CASES = fixture("cases.yaml")

words = st.sampled_from(
    ["$each", "$value", "$when", "$cases", "$text", "by", "codes", "plugin", "scheme", "1", "01", "x"]
)
values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.decimals(allow_nan=False, allow_infinity=False)
    | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(words | st.text(max_size=5), inner, max_size=4),
    max_leaves=8,
)


def paths_of(value: Any, at: tuple[str | int, ...] = ()) -> list[tuple[str | int, ...]]:
    steps = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [at, *(path for step, child in steps for path in paths_of(child, (*at, step)))]


def with_value(source: Source, path: tuple[str | int, ...], value: Any) -> Source:
    if not path:
        return replace(source, value=value)
    whole = deepcopy(source.value)
    around = whole
    for step in path[:-1]:
        around = around[step]
    around[path[-1]] = value
    return replace(source, value=whole)


def assert_inside(source: Source, findings: list[Any]) -> None:
    lines = source.text.split("\n")
    for found in findings:
        assert 1 <= found.position.column <= len(lines[found.position.line - 1]) + 1
        assert found.message
        assert found.severity == "error"


@given(st.sampled_from(paths_of(SPEC.value)), values)
@settings(max_examples=150, deadline=None)
def test_any_value_anywhere_in_a_spec_is_judged_without_a_crash(path: tuple[str | int, ...], value: Any) -> None:
    assert_inside(SPEC, check_structure(with_value(SPEC, path, value)))


@given(st.sampled_from(paths_of(CASES.value)), values)
@settings(max_examples=100, deadline=None)
def test_any_value_anywhere_in_cases_is_judged_without_a_crash(path: tuple[str | int, ...], value: Any) -> None:
    assert_inside(CASES, check_cases(with_value(CASES, path, value)))


@pytest.mark.parametrize("key", ["1", "01", "00", "+1", "007", "99999999999999999999"])
def test_a_key_of_digits_is_found_under_its_own_spelling(key: str) -> None:
    """The validator gives such keys as numbers."""
    structure = Structure({"additionalProperties": {"type": "string"}})
    [breach] = structure.breaches({"1 ": "x", "2": "x", key: Decimal("1.5")})
    assert breach.path == (key,)


def test_of_two_keys_with_equal_digits_the_wrong_one_is_found() -> None:
    structure = Structure({"additionalProperties": {"type": "string"}})
    [breach] = structure.breaches({"1": "x", "01": 5})
    assert breach.path == ("01",)


def test_an_empty_key_is_part_of_the_path() -> None:
    """The validator leaves it out."""
    structure = Structure(
        {
            "$ref": "#/$defs/tree",
            "$defs": {"tree": {"additionalProperties": {"$ref": "#/$defs/tree"}, "type": ["object", "string"]}},
        }
    )
    [breach] = structure.breaches({"a": {"": {"b": 5}}})
    assert breach.path == ("a", "", "b")
