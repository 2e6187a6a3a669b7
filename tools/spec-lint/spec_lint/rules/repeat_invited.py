"""`retryable: true` about an answer to a write that the provider does a second time."""

from __future__ import annotations

from collections.abc import Iterator

from spec_lint.places import value_at
from spec_lint.refusals import Refusal, refusals
from spec_lint.rule import Finding, Rule
from spec_lint.subject import Subject

_SETTLED = frozenset({"PROVIDER_UNAVAILABLE", "TIMEOUT", "RATE_LIMITED"})
"""After a write the engine makes OUTCOME_UNKNOWN of the first two, and who is told to slow down was turned away."""


def check(subject: Subject) -> Iterator[Finding]:
    for listed in refusals(subject):
        for rule in listed.rules if listed.owner != "login" else ():
            repeated = _done_twice(subject, rule)
            for path, outcome in rule.outcomes() if repeated else ():
                is_open = outcome.get("retryable") is True and not outcome.get("notProcessed")
                if is_open and outcome.get("code") not in _SETTLED:
                    own = value_at(subject.resolved, (*path, "retryable")) is not None
                    yield subject.at(
                        (*(path if own else rule.path), "retryable"),
                        f"callers are told to try again, and a repeated {repeated} is done twice",
                        key=True,
                        hint="notProcessed: true where the provider surely did nothing; effect: read; or leave it out",
                    )


def _done_twice(subject: Subject, rule: Refusal) -> str | None:
    """A write that this rule can meet, and of which the spec says that a repeat does it again."""
    if "write" not in rule.effects:
        return None
    names = [rule.action["actionId"]] if rule.action is not None else subject.integration.actions
    return next((name for name in names if subject.integration.actions[name].idempotency == "none"), None)


RULE = Rule("ERR010", "A rule invites to repeat a write that is then done twice.", "warning", check)
