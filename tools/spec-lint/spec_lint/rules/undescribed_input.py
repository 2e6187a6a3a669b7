"""A field of the input of which nobody says what it means."""

from __future__ import annotations

from collections.abc import Iterator

from spec_lint.rule import Finding, Rule
from spec_lint.schemas import properties
from spec_lint.subject import Subject

_HINT = "description: what it means, in which unit or form, and where the caller finds it"


def check(subject: Subject) -> Iterator[Finding]:
    for field in properties(subject, "inputSchema"):
        if not field.description:
            yield subject.at(field.path, f"nothing says what {field.name} means", key=True, hint=_HINT)


RULE = Rule("TOOL003", "A field of an input has no description.", "warning", check)
