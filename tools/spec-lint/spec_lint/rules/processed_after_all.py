"""`notProcessed: true` for whatever comes with a 5xx: the engine then sends a write again."""

from __future__ import annotations

from collections.abc import Iterator

from spec_lint.refusals import refusals
from spec_lint.rule import Finding, Rule
from spec_lint.subject import Subject


def check(subject: Subject) -> Iterator[Finding]:
    for listed in refusals(subject):
        for rule in listed.rules:
            doubtful = sorted(status for status in rule.statuses or () if status >= 500 or status == 408)
            is_open = doubtful and not rule.looks_inside and "write" in rule.effects
            if is_open and rule.block.get("notProcessed"):
                yield subject.at(
                    (*rule.path, "notProcessed"),
                    f"nobody knows what the provider did before it answered {doubtful[0]}: a write is sent twice",
                    hint="leave it out, or name the answers that surely did nothing: by, when, messageContains",
                )


RULE = Rule("ERR003", "A rule says notProcessed about every answer of a status that proves nothing.", "error", check)
