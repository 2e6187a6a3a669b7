"""A list of which nobody says what it holds."""

from __future__ import annotations

from collections.abc import Iterator

from spec_lint.rule import Finding, Rule
from spec_lint.schemas import BOTH, parts
from spec_lint.subject import Subject


def check(subject: Subject) -> Iterator[Finding]:
    for part in parts(subject, *BOTH):
        if "array" in part.types and "items" not in part.schema:
            what = part.name or "this list"
            yield subject.at((*part.path, "type"), f"nothing says what {what} holds", hint="items: {type: string}")


RULE = Rule("TOOL012", "A list has no items.", "error", check)
