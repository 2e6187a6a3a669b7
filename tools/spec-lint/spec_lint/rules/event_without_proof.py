"""An event of a webhook that no case brings about, repeats or forges."""

from __future__ import annotations

from collections.abc import Iterator

from engine.cases.notes import Kind
from spec_lint.rule import Finding, Rule
from spec_lint.subject import Subject

_WANTED: tuple[tuple[Kind, str, str], ...] = (
    ("event", "no case has a message that becomes this", "write a `- webhook:` case"),
    ("duplicate", "in no case does its message come again", "write `again: duplicate` into a case of it"),
    ("tampered", "in no case is its message tampered with", "write a list `tamper:` into a case of it"),
)
_DEDUPE = "say what names a message, dedupe: [body.…], and write `again: duplicate` into a case of it"


def check(subject: Subject) -> Iterator[Finding]:
    told = set()
    for kind, message, hint in _WANTED:
        for path in subject.gaps(kind):
            if path not in told:
                told.add(path)
                event = subject.written(path)
                has_name = "dedupe" in event or "dedupe" in subject.resolved["webhooks"]
                shown = hint if has_name or kind != "duplicate" else _DEDUPE
                yield subject.at((*path, "type") if "type" in event else path, message, hint=shown)


RULE = Rule(
    "COV011", "The cases do not show an event come, come again and be forged.", "error", check, needs_cases=True
)
