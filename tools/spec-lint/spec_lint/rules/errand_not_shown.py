"""A request of the engine's own that no case shows: a subscription, a revocation."""

from __future__ import annotations

from collections.abc import Iterator

from spec_lint.rule import Finding, Rule
from spec_lint.subject import Subject

_DOES = {"create": "subscribe", "renew": "renew", "delete": "unsubscribe", "revoke": "revoke"}


def check(subject: Subject) -> Iterator[Finding]:
    for path in subject.gaps("errand"):
        does = _DOES[str(path[-1])]
        yield subject.at(path, "no case sends this", hint=f"write an `- errand:` case with does: {does}", key=True)


RULE = Rule("COV015", "No case shows a request that no action makes.", "error", check, needs_cases=True)
