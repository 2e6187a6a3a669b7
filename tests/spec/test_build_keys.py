"""No key of the language is accepted and then ignored: each is executed, or reported as not executed yet.

The keys come from the language's JSON Schema. `executed/everything.yaml` holds every executed one: taking one away
changes the compiled integration or gives a diagnostic. All others must be reported at their place.
"""

from __future__ import annotations

import copy
import dataclasses
import functools
import json
import types
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from engine.compiled.schema import Schema
from engine.locations import schemas_dir
from engine.spec.build import build_integration
from engine.spec.findings import Findings
from engine.spec.refs import Refs
from engine.spec.source import read
from tests.spec.compiling import compiled, marked, registry

LANGUAGE = json.loads((schemas_dir() / "integration.schema.json").read_bytes())
EVERYTHING = (Path(__file__).parent / "executed" / "everything.yaml").read_text(encoding="utf-8")

Place = tuple[str | int, ...]

LATER: dict[tuple[str, str], tuple[Place, Any]] = {
    ("", "logoUrl"): ((), "https://acme.test/logo.svg"),
    ("/$defs/part", "text"): (("actions", 2, "steps", 5, "request", "multipart", "file"), "words"),
}
"""Keys that are not executed yet: where one can stand in everything.yaml, and its value there."""

ELSEWHERE: list[tuple[Place, str, Any]] = [
    (("auth", 0, "obtain", "steps", 0), "onError", "continue"),
]
"""Keys that are executed in other places, not in these."""

VARIANTS: list[dict[Place, Any]] = [
    {},
    {("http", "envelope"): {"form": {"data": "{{ payload }}"}}},
    {("errors", 2, "other"): {"code": "REJECTED"}},
    {("actions", 0, "partial"): {"each": "body.rows", "failed": "item.error", "code": "REJECTED"}},
    {("auth", 1, "refresh"): {"plugin": "acme_refresh"}},
    {
        ("webhooks",): {
            "scope": "app",
            "route": {"value": "body.account", "equals": "config.accountId"},
            "verify": [{"scheme": "equals", "given": "headers.token", "key": "{{ app.clientSecret }}"}],
            "events": [{"type": "parcel.moved"}],
        }
    },
]
"""What can't stand beside what everything.yaml has: values put over its own."""


ONLY_ONE_VALUE = {("", "specVersion"), ("/$defs/formSchema", "additionalProperties")}
"""Keys that can say one thing only, which also holds without them."""

SOURCE = read("everything.yaml", EVERYTHING)[0]


def everything(number: int = 0) -> Any:
    """The spec of one variant, as data."""
    assert SOURCE is not None
    value = copy.deepcopy(SOURCE.value)
    for path, part in VARIANTS[number].items():
        around(value, path)[path[-1]] = copy.deepcopy(part)
    return value


def built(value: Any) -> tuple[Any, bool]:
    """What the builder makes of it, and whether it finds something. The structure is not checked: that takes longer."""
    assert SOURCE is not None
    findings = Findings(SOURCE)
    spec = Refs(value, {}, findings).resolve(value)
    integration = build_integration(spec, findings, registry(), None)
    return (None, True) if findings.diagnostics else (fingerprint(integration), False)


def around(value: Any, path: Place) -> Any:
    return functools.reduce(lambda inner, step: inner[step], path[:-1], value)


def text_of(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, indent=1, default=float)


# --- what a compiled integration is made of ---


def fingerprint(value: Any, depth: int = 0) -> Any:
    """Everything that a compiled object holds, closures included, as data that can be compared."""
    if depth > 60:
        return "…"
    inner = functools.partial(fingerprint, depth=depth + 1)
    if isinstance(value, types.FunctionType):
        cells = [inner(cell.cell_contents) for cell in value.__closure__ or ()]
        return (value.__qualname__, value.__code__.co_firstlineno, cells)
    if isinstance(value, types.MethodType):
        return (value.__qualname__, inner(value.__self__))
    if isinstance(value, Schema):
        return ("schema", inner(value.raw))
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return (type(value).__name__, [inner(getattr(value, field.name)) for field in dataclasses.fields(value)])
    if isinstance(value, Mapping):
        return {str(key): inner(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [inner(item) for item in value]
    if isinstance(value, frozenset | set):
        return sorted(map(repr, value))
    if hasattr(value, "__slots__") and not isinstance(value, str | int | bytes):
        slots = [name for kind in type(value).__mro__ for name in getattr(kind, "__slots__", ())]
        return (type(value).__name__, {name: inner(getattr(value, name, None)) for name in slots if name != "seen"})
    return repr(value) if isinstance(value, str | int | float | bytes) or value is None else type(value).__name__


# --- which keys there are ---


def pointers(node: Any, pointer: str = "") -> Iterator[tuple[int, str]]:
    if isinstance(node, dict):
        yield id(node), pointer
        for key, child in node.items():
            yield from pointers(child, f"{pointer}/{key}")
    elif isinstance(node, list):
        for i, child in enumerate(node):
            yield from pointers(child, f"{pointer}/{i}")


POINTERS = dict(pointers(LANGUAGE))


def parts(node: Any) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """The nodes that describe one value, with their pointers: itself, what it refers to, what its type chooses."""
    while isinstance(node, dict):
        yield POINTERS[id(node)], node
        for branch in ("then", "else"):
            if "$ref" in node.get(branch, {}):
                yield from parts(node[branch])
        ref = node.get("$ref")
        node = LANGUAGE["$defs"][ref.rpartition("/")[2]] if ref else None


def properties(part: Mapping[str, Any]) -> dict[str, Any]:
    return {key: child for key, child in part.get("properties", {}).items() if child is True or "not" not in child}


def declared(node: Any, seen: set[str]) -> Iterator[tuple[str, str]]:
    """Each key of the language below a node; not what stands under a key that is not executed."""
    for pointer, part in parts(node):
        if pointer in seen:
            continue
        seen.add(pointer)
        for key, child in properties(part).items():
            yield pointer, key
            if (pointer, key) not in LATER:
                yield from declared(child, seen)
        for child in (part.get("additionalProperties"), part.get("items")):
            yield from declared(child, seen)


def used(value: Any, node: Any, path: Place = ()) -> Iterator[tuple[str, str, Place]]:
    """Each key of a spec that the language names, and where it stands."""
    for pointer, part in parts(node):
        if isinstance(value, dict):
            for key, item in value.items():
                if key in properties(part):
                    yield pointer, key, (*path, key)
                    yield from used(item, part["properties"][key], (*path, key))
                elif key not in part.get("properties", {}):
                    yield from used(item, part.get("additionalProperties"), (*path, key))
        elif isinstance(value, list):
            for i, item in enumerate(value):
                yield from used(item, part.get("items"), (*path, i))


def occurrences() -> dict[tuple[str, str], tuple[int, Place]]:
    """For each key its first place, in the first variant that has it."""
    found: dict[tuple[str, str], tuple[int, Place]] = {}
    for number in range(len(VARIANTS)):
        for pointer, key, path in used(everything(number), LANGUAGE):
            found.setdefault((pointer, key), (number, path))
    return found


KEYS = occurrences()


def test_everything_compiles_without_a_finding() -> None:
    for number in range(len(VARIANTS)):
        integration, found = compiled(text_of(everything(number)))
        assert [str(one) for one in found] == []
        assert integration is not None


def test_every_executed_key_of_the_language_stands_in_everything() -> None:
    missing = set(declared(LANGUAGE, set())) - KEYS.keys() - LATER.keys()
    assert sorted(missing) == []
    assert not KEYS.keys() & LATER.keys()
    assert len(KEYS) > 200


@functools.cache
def whole(number: int) -> Any:
    return built(everything(number))[0]


@pytest.mark.parametrize(("pointer", "key"), sorted(KEYS.keys() - ONLY_ONE_VALUE))
def test_taking_a_key_away_changes_what_is_compiled_or_is_reported(pointer: str, key: str) -> None:
    number, path = KEYS[pointer, key]
    value = everything(number)
    del around(value, path)[path[-1]]
    made, is_reported = built(value)
    assert is_reported or made != whole(number) or compiled(text_of(value))[1], path


def with_key(place: Place, key: str, part: Any) -> str:
    value = everything()
    block = functools.reduce(lambda inner, step: inner[step], place, value)
    block[key] = part
    if key == "text":
        del block["base64"]
    return text_of(value)


@pytest.mark.parametrize(
    ("place", "key", "part"),
    [(place, key, part) for (_, key), (place, part) in LATER.items()] + ELSEWHERE,
    ids=lambda part: ".".join(map(str, part)) if isinstance(part, tuple) else str(part)[:20],
)
def test_a_key_that_is_not_executed_yet_is_reported_at_the_key(place: Place, key: str, part: Any) -> None:
    text = with_key(place, key, part)
    integration, found = compiled(text)
    assert integration is None
    assert [(one.code, marked(text, one)) for one in found] == [("SPEC099", f'"{key}"')], [str(one) for one in found]
    assert f"`{key}`" in found[0].message
