"""A list of which nobody has shown how it goes on."""

from __future__ import annotations

from collections.abc import Iterator

from spec_lint.rule import Finding, Rule
from spec_lint.subject import Subject

_HINT = "write a case with two `calls`: the first gives a nextCursor, the second has it as cursor in its input"


def check(subject: Subject) -> Iterator[Finding]:
    turns = [turn for case in subject.cases for turn in case.turns if turn.has_result]
    for path, action in subject.actions():
        own = [turn for turn in turns if turn.action == action["actionId"]]
        if "pagination" not in action or not own:  # where no case shows it succeed, another rule says so
            continue
        if not any(isinstance(turn.result, dict) and "nextCursor" in turn.result for turn in own):
            message = "no case shows a page that another one comes after"
        elif not any("cursor" in turn.given.get("input", {}) for turn in own):
            message = "no case asks for the page after the first"
        else:
            continue
        yield subject.at((*path, "pagination"), message, key=True, hint=_HINT)


RULE = Rule("COV012", "No case shows a second page.", "error", check, needs_cases=True)
