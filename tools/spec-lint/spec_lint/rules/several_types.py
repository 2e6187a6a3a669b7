"""An input that may be of several types."""

from __future__ import annotations

from collections.abc import Iterator

from spec_lint.rule import Finding, Rule
from spec_lint.schemas import parts
from spec_lint.subject import Subject


def check(subject: Subject) -> Iterator[Finding]:
    for part in parts(subject, "inputSchema"):
        if len(part.types) > 1:
            what = part.name or "this value"
            yield subject.at(
                (*part.path, "type"),
                f"{what} may be {' or '.join(sorted(part.types))}",
                key=True,
                hint="take one type (text for ids), or anyOf with a description for each form",
            )


RULE = Rule("TOOL014", "An input may be of several types.", "warning", check)
