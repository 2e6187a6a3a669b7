"""A part of an input without a type."""

from __future__ import annotations

from collections.abc import Iterator

from spec_lint.rule import Finding, Rule
from spec_lint.schemas import parts
from spec_lint.subject import Subject


def check(subject: Subject) -> Iterator[Finding]:
    for part in parts(subject, "inputSchema"):
        is_form = part.path[-2] == "anyOf" and "type" in part.above[-1]  # it has that type too
        if not is_form and "type" not in part.schema and "anyOf" not in part.schema:
            what = part.name or ("an element of this list" if part.path[-1] == "items" else "this value")
            yield subject.at(part.path, f"{what} has no type", key=isinstance(part.path[-1], str), hint="type: string")


RULE = Rule("TOOL013", "A part of an input has no type.", "error", check)
