"""An integration that is called available, and of which no success was ever seen."""

from __future__ import annotations

from collections.abc import Iterator

from spec_lint.rule import Finding, Rule
from spec_lint.subject import Subject


def check(subject: Subject) -> Iterator[Finding]:
    successes = [case for case in subject.cases if any(turn.has_result for turn in case.turns)]
    if subject.resolved["status"] == "available" and successes and all(case.unconfirmed for case in successes):
        yield subject.at(
            ("status",),
            "every case of a success is unconfirmed, so nobody knows that it works",
            hint="beta until one success was seen, in the provider's documents or on the wire",
        )


RULE = Rule("TOOL024", "It is available, and every success is unconfirmed.", "warning", check, needs_cases=True)
