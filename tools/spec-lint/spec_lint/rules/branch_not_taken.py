"""A branch of `$cases` of which nobody has seen what it makes."""

from __future__ import annotations

from collections.abc import Iterator

from spec_lint.rule import Finding, Rule
from spec_lint.subject import Subject

_HINT = "write a case in which it does; what is never taken can go"


def check(subject: Subject) -> Iterator[Finding]:
    for path in subject.gaps("branch"):
        if "$when" in subject.written(path):
            yield subject.at((*path, "$when"), "in no case does this branch hold", hint=_HINT)
        else:
            yield subject.at((*path, "$value"), "in no case is this last branch taken", key=True, hint=_HINT)


RULE = Rule("COV004", "No case takes the branch of $cases.", "error", check, needs_cases=True)
