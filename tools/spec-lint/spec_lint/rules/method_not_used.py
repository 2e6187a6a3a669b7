"""An auth method that signs no request of any case."""

from __future__ import annotations

from collections.abc import Iterator

from spec_lint.rule import Finding, Rule
from spec_lint.subject import Subject

_HINT = "write a case with the credentials of this method"


def check(subject: Subject) -> Iterator[Finding]:
    for path in subject.gaps("method"):
        yield subject.at((*path, "method"), "no case signs in by this method", hint=_HINT)


RULE = Rule("COV010", "No case signs in by the auth method.", "error", check, needs_cases=True)
