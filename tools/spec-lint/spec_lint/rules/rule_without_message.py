"""An error of which the caller learns nothing but its code."""

from __future__ import annotations

from collections.abc import Iterator

from spec_lint.refusals import Refusal, refusals
from spec_lint.rule import Finding, Rule
from spec_lint.subject import Subject


def check(subject: Subject) -> Iterator[Finding]:
    is_common = "message" in subject.resolved.get("answer", ())
    for listed in refusals(subject):
        for rule in listed.rules:
            if not is_common and not _says_more(rule):
                key = "codes" if "codes" in rule.block else "code"
                yield subject.at(
                    (*rule.path, key),
                    "the provider's words reach nobody: neither this rule nor `answer` says where they stand",
                    key=True,
                    hint="answer: {message: body.…}, or a message here",
                )


def _says_more(rule: Refusal) -> bool:
    if rule.action is not None and "message" in rule.action.get("answer", ()):
        return True
    return all("message" in outcome or "ok" in outcome for _, outcome in rule.outcomes())


RULE = Rule("ERR006", "A refusal carries no message of the provider.", "warning", check)
