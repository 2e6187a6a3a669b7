"""The JSON Schemas of actions, part by part, and the texts in them that a language model reads."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from engine.compiled.fault import Path
from spec_lint.places import Schema
from spec_lint.subject import Subject

Side = Literal["inputSchema", "outputSchema"]
BOTH: tuple[Side, Side] = ("inputSchema", "outputSchema")
_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[0-9]+")


@dataclass(frozen=True, slots=True)
class Part:
    """One schema inside another: a property, the elements of a list, a form of `anyOf`, or the root itself."""

    path: Path
    schema: Schema
    name: str | None
    """Of a property; None of the other parts."""
    above: tuple[Schema, ...]
    """The schemas around it, the root first."""

    @property
    def words(self) -> tuple[str, ...]:
        """Those of its name, in lower case: weightGrams is weight, grams."""
        return tuple(word.lower() for word in _WORD.findall(self.name or ""))

    @property
    def types(self) -> frozenset[str]:
        """Without null."""
        given = self.schema.get("type", ())
        return frozenset([given] if isinstance(given, str) else given) - {"null"}

    @property
    def is_number(self) -> bool:
        return bool(self.types) and self.types <= {"integer", "number"}

    @property
    def description(self) -> str:
        return str(self.schema.get("description", ""))


def parts(subject: Subject, *sides: Side) -> Iterator[Part]:
    """Every part of the schemas of every action, the roots too."""
    for path, action in subject.actions():
        for side in sides:
            yield from below(action[side], (*path, side))


def properties(subject: Subject, *sides: Side) -> Iterator[Part]:
    return (part for part in parts(subject, *sides) if part.name is not None)


def below(schema: Schema, path: Path, name: str | None = None, above: tuple[Schema, ...] = ()) -> Iterator[Part]:
    yield Part(path, schema, name, above)
    inside = (*above, schema)
    for key in ("items", "additionalProperties"):
        if isinstance(schema.get(key), Mapping):
            yield from below(schema[key], (*path, key), None, inside)
    for field, sub in schema.get("properties", {}).items():
        yield from below(sub, (*path, "properties", field), field, inside)
    for number, form in enumerate(schema.get("anyOf", ())):
        yield from below(form, (*path, "anyOf", number), None, inside)


def texts(subject: Subject) -> Iterator[tuple[Path, str]]:
    """What a model reads before it calls an action: descriptions, and the messages of checks after it."""
    for path, action in subject.actions():
        yield (*path, "description"), action["description"]
        for number, check in enumerate(action.get("checks", ())):
            yield (*path, "checks", number, "message"), check["message"]
    for part in parts(subject, *BOTH):
        if part.description:
            yield (*part.path, "description"), part.description


def action_ids(subject: Subject) -> dict[str, Any]:
    """Every action's block by its id."""
    return {action["actionId"]: action for _, action in subject.actions()}
