"""A description that is too short to choose by."""

from __future__ import annotations

from collections.abc import Iterator

from spec_lint.rule import Finding, Rule
from spec_lint.subject import Subject

_FEWEST = 40
_HINT = "say what it does, when to use it, and when not"


def check(subject: Subject) -> Iterator[Finding]:
    for path, block in (((), subject.resolved), *subject.actions()):
        length = len(block["description"])
        if length < _FEWEST:
            message = f"this description has {length} characters: too few to choose by"
            yield subject.at((*path, "description"), message, hint=_HINT)


RULE = Rule("TOOL002", "A description of an action or of the integration is under 40 characters.", "warning", check)
