"""A consent that no case shows given, denied or forged."""

from __future__ import annotations

from collections.abc import Iterator

from engine.cases.notes import Kind
from engine.compiled.fault import Path
from spec_lint.rule import Finding, Rule
from spec_lint.subject import Subject

_WANTED: tuple[tuple[Kind, str, str], ...] = (
    ("consent", "no case shows somebody consent", "write a `- consent:` case, from the page to the token"),
    ("denied", "no case shows somebody not consent", "write a `- consent:` case whose callback has `error`"),
    ("forged", "in no case is the callback tampered with", "write a list `tamper:` into the case of a consent"),
)


def check(subject: Subject) -> Iterator[Finding]:
    lacking: dict[Path, list[tuple[str, str]]] = {}
    for kind, message, hint in _WANTED:
        for path in subject.gaps(kind):
            lacking.setdefault(path, []).append((message, hint))
    for path, wanted in lacking.items():
        messages, hints = zip(*wanted, strict=True)
        yield subject.at((*path, "authorize"), "; ".join(messages), hint="; ".join(hints), key=True)


RULE = Rule("COV013", "The cases do not show a consent given, denied and forged.", "error", check, needs_cases=True)
