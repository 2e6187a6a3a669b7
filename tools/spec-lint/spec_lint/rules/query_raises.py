"""A query that can't be computed on a recorded answer; where it decides, that reads as "no match"."""

from __future__ import annotations

from collections.abc import Iterator

from spec_lint.rule import Finding, Rule
from spec_lint.subject import Subject

_NAMED = 3


def check(subject: Subject) -> Iterator[Finding]:
    for path in {raised.path: None for raised in subject.coverage.raised}:
        found = [raised for raised in subject.coverage.raised if raised.path == path]
        cases = ", ".join(f'"{raised.case}"' for raised in found[:_NAMED])
        more = f" and {len(found) - _NAMED} more" if len(found) > _NAMED else ""
        message = f"this query can't be computed in the case {cases}{more}: {found[0].why}"
        yield subject.at(path, message, hint="guard what may be null or of another type: (x || '')")


RULE = Rule("COV007", "A query can't be computed on the answer of a case.", "error", check, needs_cases=True)
