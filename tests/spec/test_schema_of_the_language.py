"""The JSON Schemas of the language: valid, described for authors, and closed against unknown keys."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import jsonschema_rs
import pytest
from jsonschema import Draft202012Validator

from engine.locations import schemas_dir

NAMES = ("integration.schema.json", "case.schema.json")
WORDS = {
    "$schema", "$id", "$ref", "$defs", "title", "description", "default", "examples", "errorMessage",
    "type", "const", "enum", "not", "pattern", "minLength", "maxLength", "minimum", "maximum", "exclusiveMinimum",
    "minItems", "maxItems", "uniqueItems", "minProperties", "required", "dependentRequired", "dependentSchemas",
    "properties", "additionalProperties", "propertyNames", "items", "if", "then", "else", "allOf", "anyOf",
    "doNotSuggest",  # for editors only: a key that they do not offer
}  # fmt: skip


def load(name: str) -> dict[str, Any]:
    schema: dict[str, Any] = json.loads((schemas_dir() / name).read_bytes())
    return schema


def described(node: Any, path: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    """Every property and definition that an author may meet; conditions (`if`, `then` ...) only narrow these."""
    if not isinstance(node, dict):
        return
    for word in ("properties", "$defs"):
        for key, child in node.get(word, {}).items():
            if isinstance(child, dict):
                yield f"{path}/{word}/{key}", child
                yield from described(child, f"{path}/{word}/{key}")
    for word in ("items", "additionalProperties"):
        yield from described(node.get(word), f"{path}/{word}")


def schemas(node: Any) -> Iterator[dict[str, Any]]:
    """Every schema inside a schema, conditions too."""
    if not isinstance(node, dict):
        return
    yield node
    for word in ("properties", "$defs", "dependentSchemas"):
        for child in node.get(word, {}).values():
            yield from schemas(child)
    for word in ("items", "additionalProperties", "propertyNames", "if", "then", "else", "not"):
        yield from schemas(node.get(word))
    for word in ("allOf", "anyOf"):
        for child in node.get(word, ()):
            yield from schemas(child)


@pytest.mark.parametrize("name", NAMES)
def test_the_schema_itself_is_valid_2020_12(name: str) -> None:
    Draft202012Validator.check_schema(load(name))


@pytest.mark.parametrize("name", NAMES)
def test_every_property_has_a_description_and_an_example(name: str) -> None:
    root = load(name)
    bare = [path for path, node in described(root) if not node.get("description") or not node.get("examples")]
    assert bare == []
    assert root["description"]
    assert root["examples"]


@pytest.mark.parametrize("name", NAMES)
def test_every_example_is_valid_at_its_place(name: str) -> None:
    root = load(name)
    wrong = []
    for path, node in [("", root), *described(root)]:
        validator = jsonschema_rs.Draft202012Validator({**node, "$defs": root["$defs"]})
        wrong += [path for example in node["examples"] if not validator.is_valid(example)]
    assert wrong == []


@pytest.mark.parametrize("name", NAMES)
def test_every_object_says_what_becomes_of_other_keys(name: str) -> None:
    """A key that nobody reads is never silently accepted: an object is closed, or its names are the author's."""
    root = load(name)
    open_ones = [path for path, node in described(root) if "properties" in node and "additionalProperties" not in node]
    assert open_ones == []


@pytest.mark.parametrize("name", NAMES)
def test_no_error_hides_behind_alternatives(name: str) -> None:
    """`anyOf` and `oneOf` answer "none of these fits"; conditions on a key report the mistake where it is."""
    for node in schemas(load(name)):
        assert "oneOf" not in node
        inside = [
            key for key in ("anyOf",) if key in node and ("properties" in node or "type" in node or "$ref" in node)
        ]
        assert inside == []


@pytest.mark.parametrize("name", NAMES)
def test_only_words_are_used_that_the_checker_can_explain(name: str) -> None:
    assert {word for node in schemas(load(name)) for word in node} - WORDS == set()


@pytest.mark.parametrize("name", NAMES)
def test_every_reference_leads_to_a_definition_and_every_definition_is_used(name: str) -> None:
    root = load(name)
    used = {node["$ref"].removeprefix("#/$defs/") for node in schemas(root) if "$ref" in node}
    assert used == set(root["$defs"])


@pytest.mark.parametrize("name", NAMES)
def test_every_pattern_runs_in_linear_time(name: str) -> None:
    """The pattern engine without backtracking takes them all."""
    jsonschema_rs.Draft202012Validator(load(name), pattern_options=jsonschema_rs.RegexOptions())
