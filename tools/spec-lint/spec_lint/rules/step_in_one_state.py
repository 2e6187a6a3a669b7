"""An optional step that always runs in the cases, or never does."""

from __future__ import annotations

from collections.abc import Iterator

from spec_lint.rule import Finding, Rule
from spec_lint.subject import Subject

_HINTS = {
    "run": "write a case in which its `when` holds",
    "skipped": "write a case in which its `when` does not hold; a step that always runs needs no `when`",
}


def check(subject: Subject) -> Iterator[Finding]:
    for path in subject.gaps("run"):
        yield subject.at(path, "in no case does this step run", hint=_HINTS["run"])
    for path in subject.gaps("skipped"):
        yield subject.at(path, "in no case is this step left out", hint=_HINTS["skipped"])


RULE = Rule("COV005", "The cases do not show an optional step both run and left out.", "error", check, needs_cases=True)
