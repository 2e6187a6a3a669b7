"""A token that no case renews, or whose end no case shows."""

from __future__ import annotations

from collections.abc import Iterator

from engine.cases.notes import Kind
from engine.compiled.fault import Path
from spec_lint.rule import Finding, Rule
from spec_lint.subject import Subject

_WANTED: tuple[tuple[Kind, str, str], ...] = (
    (
        "renewed",
        "no case shows its token renewed",
        "write a case with `given.token` that ended, renewed before the call",
    ),
    ("ended", "no case shows that its token can't be renewed", "write a case that ends in REAUTH_REQUIRED"),
)


def check(subject: Subject) -> Iterator[Finding]:
    lacking: dict[Path, list[tuple[str, str]]] = {}
    for kind, message, hint in _WANTED:
        for path in subject.gaps(kind):
            lacking.setdefault(path[:2], []).append((message, hint))
    for path, wanted in lacking.items():
        messages, hints = zip(*wanted, strict=True)
        yield subject.at((*path, "method"), "; ".join(messages), hint="; ".join(hints))


RULE = Rule(
    "COV014", "The cases do not show a token renewed, and one that can't be any more.", "error", check, needs_cases=True
)
