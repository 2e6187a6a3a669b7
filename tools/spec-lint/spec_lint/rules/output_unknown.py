"""A field of an output that the output's schema does not have."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from engine.compiled.fault import Path
from engine.diagnostics import unknown
from spec_lint.places import Schema
from spec_lint.rule import Finding, Rule
from spec_lint.subject import Subject


def check(subject: Subject) -> Iterator[Finding]:
    for path, action in subject.actions():
        if "output" in action:
            yield from _below(subject, action["output"], action["outputSchema"], (*path, "output"))


def _below(subject: Subject, tree: Any, schema: Schema | None, path: Path) -> Iterator[Finding]:
    """Follows the tree and its schema as far as both are known."""
    if not isinstance(tree, Mapping) or schema is None:
        return
    fields = schema.get("properties") or {}
    for key, value in tree.items():
        if key == "$each" or (key.startswith("$") and not key.startswith("$$")):
            continue
        name = key.removeprefix("$")
        if name in fields:
            yield from _below(subject, value, fields[name], (*path, key))
        elif fields and schema.get("additionalProperties", False) is False:
            message, hint = unknown("field", name, fields)
            yield subject.at((*path, key), f"outputSchema does not have it: {message}", key=True, hint=hint)
    if "$value" in tree and "$each" in tree:
        yield from _below(subject, tree["$value"], schema.get("items"), (*path, "$value"))
    for number, branch in enumerate(tree.get("$cases", ())):
        yield from _below(subject, branch["$value"], schema, (*path, "$cases", number, "$value"))
    for number, part in enumerate(tree.get("$merge", ())):
        yield from _below(subject, part, schema, (*path, "$merge", number))


RULE = Rule("USE010", "A field of the output is not in the outputSchema.", "error", check)
