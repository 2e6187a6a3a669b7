"""A description that says only what the name says."""

from __future__ import annotations

import re
from collections.abc import Iterator

from spec_lint.rule import Finding, Rule
from spec_lint.schemas import Part, properties
from spec_lint.subject import Subject

_EMPTY = frozenset(
    [
        "a",
        "an",
        "and",
        "be",
        "for",
        "given",
        "in",
        "is",
        "it",
        "its",
        "of",
        "on",
        "our",
        "some",
        "that",
        "the",
        "this",
        "to",
        "value",
        "which",
        "you",
        "your",
    ]
)
_LETTERS = re.compile(r"[^\W_]+")


def check(subject: Subject) -> Iterator[Finding]:
    for field in properties(subject, "inputSchema"):
        if field.description and "enum" not in field.schema and not _said(field):
            yield subject.at(
                (*field.path, "description"),
                f"this says no more than the name {field.name}",
                hint="say in which form it is given, where the caller finds it, or show an example",
            )


def _said(field: Part) -> set[str]:
    """The words of the description that the name does not hold."""
    own = {word for name in field.words for word in (name, f"{name}s", name.removesuffix("s"))}
    return {word.lower() for word in _LETTERS.findall(field.description)} - own - _EMPTY


RULE = Rule("TOOL004", "The description of an input only repeats its name.", "warning", check)
