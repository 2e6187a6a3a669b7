"""Holds a value against a JSON Schema and says which parts of the schema were broken, and where.

`Schema` answers the question "what is wrong with this input" for callers; a `Structure` is for authors: each breach
carries the nodes of the schema that speak about its place, so that their descriptions can become hints.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, TypeAlias

import jsonschema_rs

from engine.frozen import frozen

Path: TypeAlias = tuple[str | int, ...]
Node: TypeAlias = Mapping[str, Any]

_INTO_NAMED = frozenset({"properties", "patternProperties"})
_INTO = frozenset({"items", "additionalProperties"})
_BESIDE = frozenset({"if", "then", "else"})
_DIGITS = re.compile(r"\+?[0-9]+")


@frozen
class Breach:
    """One broken keyword.

    `path` leads to the value (for a missing or an unknown key: to the object around it). `levels` holds, for each
    step of `path` and for the root before them, the nodes of the schema that were met there, outermost first; the
    last node is the one that holds `keyword`. `params` are the keyword's own facts: `property`, `unexpected`,
    `options`, `limit`, `types`, `name`.
    """

    keyword: str
    path: Path
    params: Mapping[str, Any]
    levels: tuple[tuple[Node, ...], ...]
    triggered_by: str | None = None
    """The key whose presence made this part of the schema count (`dependentSchemas`, `dependentRequired`)."""
    is_conditional: bool = False
    """The part of the schema counts only for some values (`then`, `else`, or a trigger)."""


class Structure:
    """A JSON Schema 2020-12, compiled once; immutable."""

    def __init__(self, raw: Node) -> None:
        self.raw = raw
        self._validator = jsonschema_rs.Draft202012Validator(dict(raw))

    def breaches(self, value: Any) -> Iterator[Breach]:
        """Everything that is broken, in the schema's order; nothing when the value is valid."""
        for error in self._validator.iter_errors(value):
            yield self._breach(error, _path(value, error.instance_path, error.instance))

    def resolve(self, node: Any) -> tuple[Node, ...]:
        """The node and, where it refers on, what it refers to."""
        found = []
        while isinstance(node, Mapping):
            found.append(node)
            ref = node.get("$ref")
            node = self._definition(ref) if isinstance(ref, str) else None
        return tuple(found)

    def _breach(self, error: Any, path: Path) -> Breach:
        evaluated: list[str | int] = list(error.evaluation_path)
        params: dict[str, Any] = dict(error.kind.as_dict())
        keyword: str = error.kind.name
        if keyword == "propertyNames":
            params = {"name": error.kind.error.instance}
        trigger = _trigger(evaluated)
        if evaluated[-1] == "dependentRequired":
            trigger = self._asking(evaluated, params["property"], error.instance)
        return Breach(
            keyword,
            path,
            params,
            self._levels(evaluated),
            triggered_by=trigger,
            is_conditional=trigger is not None or any(step in ("then", "else") for step in _last_level(evaluated)),
        )

    def _asking(self, evaluated: Sequence[str | int], missing: str, value: Mapping[str, Any]) -> str | None:
        """The key of the value that asks for the missing one."""
        wanted: Mapping[str, list[str]] = self._levels(evaluated)[-1][-1]["dependentRequired"]
        return next((key for key, needs in wanted.items() if key in value and missing in needs), None)

    def _definition(self, ref: str) -> Any:
        node: Any = self.raw
        for step in ref.removeprefix("#/").split("/"):
            node = node[step]
        return node

    def _levels(self, evaluated: Sequence[str | int]) -> tuple[tuple[Node, ...], ...]:
        levels: list[list[Node]] = [[self.raw]]
        node: Any = self.raw
        steps = iter(evaluated[:-1])
        for step in steps:
            if step == "$ref":
                node = self._definition(node["$ref"])
            elif step in _INTO_NAMED:
                node = node[step][next(steps)]
                levels.append([])
            elif step in _INTO:
                node = node[step]
                levels.append([])
            elif step in _BESIDE:
                node = node[step]
            elif step == "allOf":
                node = node[step][int(next(steps))]
            elif step == "dependentSchemas":
                node = node[step][next(steps)]
            else:
                break
            if isinstance(node, Mapping):
                levels[-1].append(node)
        return tuple(tuple(level) for level in levels)


def _path(value: Any, steps: Sequence[str | int], reported: Any) -> Path:
    """The keys on the way to the value that was reported.

    jsonschema-rs gives a key of digits as a number (`"01"` as 1) and leaves an empty key out.
    """
    ways = list(_ways(value, tuple(steps)))
    return next((path for path, found in ways if found == reported), ways[0][0] if ways else ())


def _ways(value: Any, steps: Path) -> Iterator[tuple[Path, Any]]:
    """Every way that reads as `steps`, the literal ones first."""
    if not steps:
        yield (), value
    for key in _keys(value, steps[0]) if steps else ():
        for path, found in _ways(value[key], steps[1:]):
            yield (key, *path), found
    if isinstance(value, dict) and "" in value:
        for path, found in _ways(value[""], steps):
            yield ("", *path), found


def _keys(value: Any, step: str | int) -> Sequence[str | int]:
    if isinstance(value, list):
        return [step] if isinstance(step, int) and step < len(value) else []
    if not isinstance(value, dict):
        return []
    if isinstance(step, int):
        return [key for key in value if _DIGITS.fullmatch(key) and int(key) == step]
    return [step] if step in value else []


def _last_level(evaluated: Sequence[str | int]) -> Sequence[str | int]:
    """The part of the path that speaks about the value itself, not about what is around it."""
    start, i = 0, 0
    while i < len(evaluated) - 1:
        step = evaluated[i]
        if step in _INTO_NAMED:
            start = i = i + 2
        elif step in _INTO:
            start = i = i + 1
        else:
            i += 2 if step in ("allOf", "dependentSchemas") else 1
    return evaluated[start:]


def _trigger(evaluated: Sequence[str | int]) -> str | None:
    """The key under the last `dependentSchemas` that speaks about this value."""
    steps = _last_level(evaluated)
    found = None
    for i, step in enumerate(steps[:-1]):
        if step == "dependentSchemas":
            found = str(steps[i + 1])
    return found
