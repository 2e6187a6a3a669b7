"""An action of which nobody has shown how it fails."""

from __future__ import annotations

from collections.abc import Iterator

from spec_lint.rule import Finding, Rule
from spec_lint.subject import Subject

_HINT = "write a case with an answer that refuses, and the error that it becomes"


def check(subject: Subject) -> Iterator[Finding]:
    for path in subject.gaps("failure"):
        yield subject.at((*path, "actionId"), "no case shows this action fail", hint=_HINT)


RULE = Rule("COV002", "No case shows the action fail.", "error", check, needs_cases=True)
