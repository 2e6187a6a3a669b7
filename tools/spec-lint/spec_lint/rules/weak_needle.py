"""A text of `messageContains` that says too little, or nothing that another one does not say."""

from __future__ import annotations

from collections.abc import Iterator

from engine.library.text import folded
from spec_lint.refusals import refusals
from spec_lint.rule import Finding, Rule
from spec_lint.subject import Subject

_SHORTEST = 4


def check(subject: Subject) -> Iterator[Finding]:
    for listed in refusals(subject):
        for rule in listed.rules:
            needles = [folded(needle) for needle in rule.block.get("messageContains", ())]
            for number in range(len(needles)):
                why = _weakness(number, needles)
                if why:
                    message, hint = why
                    yield subject.at((*rule.path, "messageContains", number), message, hint=hint)


def _weakness(number: int, needles: list[str]) -> tuple[str, str] | None:
    needle = needles[number]
    if len(needle) < _SHORTEST:
        return "so short a text stands in many messages that mean something else", "give more of the message"
    for other, wider in enumerate(needles):
        if other != number and wider in needle and (wider != needle or other < number) and len(wider) >= _SHORTEST:
            return f'every message with this contains "{wider}" too', "leave it out: case and spaces do not count"
    return None


RULE = Rule("ERR007", "A text of messageContains is too short, or another one says it already.", "warning", check)
