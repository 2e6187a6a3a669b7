"""An action of which nobody has shown that it works."""

from __future__ import annotations

from collections.abc import Iterator

from spec_lint.rule import Finding, Rule
from spec_lint.subject import Subject

_HINT = "write a case: what is given, the request, the provider's answer, the result"


def check(subject: Subject) -> Iterator[Finding]:
    shown = {turn.action for case in subject.cases for turn in case.turns if turn.has_result}
    for path, action in subject.actions():
        if action["actionId"] not in shown:
            yield subject.at((*path, "actionId"), "no case shows this action succeed", hint=_HINT)


RULE = Rule("COV001", "No case shows the action succeed.", "error", check, needs_cases=True)
