"""OUTCOME_UNKNOWN about a read."""

from __future__ import annotations

from collections.abc import Iterator

from spec_lint.refusals import refusals
from spec_lint.rule import Finding, Rule
from spec_lint.subject import Subject


def check(subject: Subject) -> Iterator[Finding]:
    for listed in refusals(subject):
        for rule in listed.rules:
            for path, outcome in rule.outcomes():
                if outcome.get("code") == "OUTCOME_UNKNOWN" and "read" in rule.effects:
                    yield subject.at(
                        (*path, "code"),
                        "this rule matches reads too, and a read has no outcome that could be unknown",
                        hint="effect: write here, and a rule with PROVIDER_UNAVAILABLE for reads",
                    )


RULE = Rule("ERR004", "A rule says of a read that its outcome is unknown.", "error", check)
