"""An action that knows of no failure but the HTTP status."""

from __future__ import annotations

from collections.abc import Iterator

from spec_lint.rule import Finding, Rule
from spec_lint.subject import Subject


def check(subject: Subject) -> Iterator[Finding]:
    spec = subject.resolved
    if spec.get("errors"):
        return
    for path, action in subject.actions():
        made = subject.integration.actions[action["actionId"]]
        answers = {**spec.get("answer", {}), **action.get("answer", {})}
        has_rules = action.get("errors") or any(step.get("errors") for step in action.get("steps", ()))
        is_sent = any(step.request.send for step in made.steps)
        if is_sent and not has_rules and not {"success", "code"} & answers.keys():
            yield subject.at(
                (*path, "actionId"),
                "no rule and no `answer` says what a refusal looks like: every 2xx counts as a success",
                hint="answer: {success: …, code: …}, and errors for the codes that the provider documents",
            )


RULE = Rule("ERR008", "Nothing says what a refusal of this action looks like.", "warning", check)
