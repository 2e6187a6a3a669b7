"""A case that says nothing that another one does not say."""

from __future__ import annotations

from collections.abc import Iterator

from engine.cases.model import Case
from engine.library import exact
from spec_lint.rule import Finding, Rule
from spec_lint.subject import Subject


def check(subject: Subject) -> Iterator[Finding]:
    known: dict[bytes, str] = {}
    for case in subject.cases:
        first = known.setdefault(_content(case), case.name)
        if first != case.name:
            message = f'"{first}" gives, expects and answers just the same'
            yield subject.at_case(case, message, hint="leave one of them out, or change what this one is about")


def _content(case: Case) -> bytes:
    """Everything but its name and where it comes from."""
    turns = [
        [
            turn.action,
            turn.given,
            [[exchange.expect, exchange.answer] for exchange in turn.exchanges],
            [turn.any_order, turn.sent, turn.waited_ms],
            turn.result if turn.has_result else turn.error,
        ]
        for turn in case.turns
    ]
    return exact.dumps([case.unconfirmed, turns])


RULE = Rule("COV009", "Two cases say the same.", "warning", check, needs_cases=True)
