"""Two actions that a model can't tell apart."""

from __future__ import annotations

from collections.abc import Iterator

from engine.library.text import folded
from spec_lint.rule import Finding, Rule
from spec_lint.subject import Subject


def check(subject: Subject) -> Iterator[Finding]:
    known: dict[str, str] = {}
    for path, action in subject.actions():
        first = known.setdefault(folded(action["description"]), action["actionId"])
        if first != action["actionId"]:
            message = f"{first} has the same description, so nobody can choose between the two"
            yield subject.at((*path, "description"), message, hint="say what each is for, and when to take the other")


RULE = Rule("USE005", "Two actions have the same description.", "warning", check)
