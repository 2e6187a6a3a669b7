"""A field that is required, and that no property describes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from engine.compiled.fault import Path
from engine.diagnostics import unknown
from spec_lint.rule import Finding, Rule
from spec_lint.subject import Subject


def check(subject: Subject) -> Iterator[Finding]:
    for form in ("configSchema", "app"):
        yield from _below(subject, subject.resolved.get(form, {}), (form,))
    for path, action in subject.actions():
        for key in ("inputSchema", "outputSchema"):
            yield from _below(subject, action.get(key, {}), (*path, key))


def _below(subject: Subject, schema: Mapping[str, Any], path: Path) -> Iterator[Finding]:
    fields = schema.get("properties") or {}
    is_open = schema.get("additionalProperties", False) is not False
    for number, name in enumerate(schema.get("required", ())):
        if name not in fields and not is_open:
            message, hint = unknown("property", name, fields)
            yield subject.at((*path, "required", number), f"{message}: nothing can ever fit", hint=hint)
    for name, field in fields.items():
        yield from _below(subject, field, (*path, "properties", name))
    if isinstance(schema.get("items"), Mapping):
        yield from _below(subject, schema["items"], (*path, "items"))


RULE = Rule("USE006", "A required field is not among the properties.", "error", check)
