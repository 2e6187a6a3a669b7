"""A cross-field check that has never refused anything."""

from __future__ import annotations

from collections.abc import Iterator

from spec_lint.rule import Finding, Rule
from spec_lint.subject import Subject

_HINT = "write a case whose input it refuses: error {code: INVALID_INPUT}, sent: 0"


def check(subject: Subject) -> Iterator[Finding]:
    for path in subject.gaps("check"):
        yield subject.at((*path, "require"), "in no case does this check refuse the input", hint=_HINT)


RULE = Rule("COV006", "No case shows the check refuse an input.", "error", check, needs_cases=True)
