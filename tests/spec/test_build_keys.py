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
from engine.spec.source import read
from tests.spec.compiling import compiled, marked

LANGUAGE = json.loads((schemas_dir() / "integration.schema.json").read_bytes())
EVERYTHING = (Path(__file__).parent / "executed" / "everything.yaml").read_text(encoding="utf-8")

Place = tuple[str | int, ...]

LATER: dict[tuple[str, str], dict[str, Any]] = {
    ("", "webhooks"): {"webhooks": {"scope": "connection", "verify": [{"scheme": "refuse"}], "events": [{"ignore": True}]}},
    ("", "app"): {"app": {"type": "object", "properties": {"clientId": {"type": "string"}}}},
    ("", "logoUrl"): {"logoUrl": "https://acme.test/logo.svg"},
    ("method", "authorize"): {"authorize": {"url": "https://acme.test/authorize"}},
    ("method", "callback"): {"callback": {"capture": {"accountId": "query.id"}}},
    ("method", "exchange"): {"exchange": {"request": {"url": "https://acme.test/token"}}},
    ("method", "refresh"): {"refresh": {"request": {"url": "https://acme.test/token"}}},
    ("method", "revoke"): {"revoke": {"request": {"url": "https://acme.test/revoke"}}},
    ("method", "scopes"): {"scopes": {"request": ["read"]}},
    ("token", "refresh"): {"refresh": "body.refresh"},
    ("token", "refreshExpiresIn"): {"refreshExpiresIn": "body.ttl"},
    ("token", "scope"): {"scope": "body.scope"},
    ("token", "verify"): {"verify": [{"scheme": "refuse"}]},
    ("login step", "onError"): {"onError": "continue"},
    ("action", "pagination"): {
        "pagination": {"kind": "cursor", "into": "query.after", "next": "body.next", "items": "body.rows"}
    },
    ("action", "needsScopes"): {"needsScopes": ["read"]},
    ("test", "capture"): {"capture": {"accountId": "body.id"}},
    ("verification", "plugin"): {"plugin": "acme_mac", "given": "body.mac"},
    ("part", "text"): {"text": "words"},
}
"""Keys that are not executed yet, with a block that uses each."""

BLOCKS: dict[str, Place] = {
    "": (),
    "method": ("auth", 2),
    "token": ("auth", 0, "token"),
    "login step": ("auth", 1, "obtain", "steps", 0),
    "action": ("actions", 0),
    "test": ("test",),
    "verification": ("actions", 0, "verifyAnswer", 0),
    "part": ("actions", 2, "steps", 5, "request", "multipart", "file"),
}
"""Where each block stands in everything.yaml."""

VARIANTS: list[dict[Place, Any]] = [
    {},
    {("http", "envelope"): {"form": {"data": "{{ payload }}"}}},
    {("errors", 2, "other"): {"code": "REJECTED"}},
]
"""What can't stand beside what everything.yaml has: values put over its own."""


def everything(variant: Mapping[Place, Any] = {}) -> Any:  # noqa: B006 - never changed
    source, found = read("everything.yaml", EVERYTHING)
    assert source is not None, found
    value = copy.deepcopy(source.value)
    for path, part in variant.items():
        around(value, path)[path[-1]] = part
    return value


def around(value: Any, path: Place) -> Any:
    return functools.reduce(lambda inner, step: inner[step], path[:-1], value)


def text_of(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, indent=1, default=float)


# --- what a compiled integration is made of --------------------------------------------------------------------------------


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


# --- which keys there are ------------------------------------------------------------------------------------------------------


def resolved(node: Any) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """The node and what it refers to, each with a name; also the branches that only a type chooses between."""
    while isinstance(node, Mapping):
        ref = node.get("$ref")
        name = str(ref).rpartition("/")[2] if isinstance(ref, str) else ""
        yield name, node
        for branch in ("then", "else"):
            if isinstance(node.get(branch), Mapping) and "$ref" in node[branch]:
                yield from resolved(node[branch])
        node = LANGUAGE["$defs"][name] if name else None


def keys_of(value: Any, node: Any, block: str, path: Place) -> Iterator[tuple[str, str, Place]]:
    """Each key of the value that the language names: `(block, key, path)`."""
    name = block
    for ref, part in resolved(node):
        name = ref or name
        if isinstance(value, dict):
            properties = part.get("properties", {})
            for key, item in value.items():
                if key in properties and (properties[key] is True or "not" not in properties[key]):
                    if not ref or part is node:
                        yield (_kind(name), key, (*path, key))
                    yield from keys_of(item, properties[key], f"{_kind(name)}.{key}", (*path, key))
                elif isinstance(part.get("additionalProperties"), Mapping) and key not in properties:
                    yield from keys_of(item, part["additionalProperties"], f"{_kind(name)}.*", (*path, key))
        elif isinstance(value, list) and isinstance(part.get("items"), Mapping):
            for i, item in enumerate(value):
                yield from keys_of(item, part["items"], f"{_kind(name)}[]", (*path, i))


def _kind(name: str) -> str:
    return name


def declared(node: Any, block: str, seen: set[int]) -> Iterator[tuple[str, str]]:
    """Each key that the language names anywhere below a node: `(block, key)`."""
    name = block
    for ref, part in resolved(node):
        name = ref or name
        if id(part) in seen:
            continue
        seen.add(id(part))
        for key, child in part.get("properties", {}).items():
            if child is True or "not" in child:
                continue
            if (name, key) in {(_block(b), k) for b, k in LATER}:
                yield (name, key)
                continue
            yield (name, key)
            yield from declared(child, f"{name}.{key}", seen)
        for key, suffix in (("additionalProperties", ".*"), ("items", "[]")):
            if isinstance(part.get(key), Mapping):
                yield from declared(part[key], name + suffix, seen)


def _block(name: str) -> str:
    """The name of a block in the language's schema."""
    return {"token": "method.token", "login step": "step"}.get(name, name)
