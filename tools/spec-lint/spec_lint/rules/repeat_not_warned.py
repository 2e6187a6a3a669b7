"""A write that makes a second thing when it is repeated, and does not say so."""

from __future__ import annotations

import re
from collections.abc import Iterator

from spec_lint.rule import Finding, Rule
from spec_lint.subject import Subject

_WARNING = re.compile(
    r"\b(?:again|twice|repeat\w*|second|duplicat\w*|re-?send\w*|retr(?:y|ies|ied|ying)|each (?:call|time)|every call"
    r"|more than once|only once|(?<!at )once only)\b",
    re.IGNORECASE,
)


def check(subject: Subject) -> Iterator[Finding]:
    for path, action in subject.actions():
        made = subject.integration.actions[action["actionId"]]
        if made.effect == "write" and made.idempotency == "none" and not _WARNING.search(action["description"]):
            yield subject.at(
                (*path, "description"),
                "this does not say what a second call does, and `idempotency` is none",
                hint="A repeat creates a second contact; or: look with find_contact before you call it again",
            )


RULE = Rule("TOOL018", "A write without idempotency does not warn of a repeat.", "warning", check)
