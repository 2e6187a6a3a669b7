"""A field of an input whose name is too long for the vendors of language models."""

from __future__ import annotations

from collections.abc import Iterator

from spec_lint.rule import Finding, Rule
from spec_lint.schemas import properties
from spec_lint.subject import Subject

_MOST = 64


def check(subject: Subject) -> Iterator[Finding]:
    for field in properties(subject, "inputSchema"):
        length = len(field.name or "")
        if length > _MOST:
            message = f"this name has {length} characters, {length - _MOST} too many"
            yield subject.at(field.path, message, key=True, hint=f"{_MOST} are the most that Anthropic and Gemini take")


RULE = Rule("TOOL016", "The name of an input has more than 64 characters.", "error", check)
