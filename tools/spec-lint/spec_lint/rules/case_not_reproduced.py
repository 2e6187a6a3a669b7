"""A case that the spec does not reproduce."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from engine.cases.coverage import Failed
from engine.cases.model import Case, WebhookCase
from spec_lint.rule import Finding, Rule
from spec_lint.subject import Subject

_SHOWN = 3
_DECIDES = "the source of the case decides which of the two is right"
_UNFIT = re.compile(r"(?:promises: |, )([\w$.-]+) (?:is absent|must be )")
"""A field of the output in the engine's message about an answer that does not hold what was promised."""


def check(subject: Subject) -> Iterator[Finding]:
    for failed in subject.coverage.failed:
        more = len(failed.problems) - _SHOWN
        left = f"{more} more {'difference' if more == 1 else 'differences'}"
        shown = [*failed.problems[:_SHOWN], *([left] if more > 0 else [])]
        yield subject.at_case(failed.case, f"the spec does otherwise: {'; '.join(shown)}", hint=_hint(subject, failed))


def _hint(subject: Subject, failed: Failed) -> str:
    if isinstance(failed.case, WebhookCase):
        is_repeated = any(problem.startswith("again: ") for problem in failed.problems)
        return "dedupe: [body.…] in `webhooks` names a message" if is_repeated and _lacks_dedupe(subject) else _DECIDES
    if not isinstance(failed.case, Case):
        return _DECIDES
    names = [name for problem in failed.problems for name in _UNFIT.findall(problem)]
    used = {turn.action for turn in failed.case.turns}
    outputs = [action.get("output") for _, action in subject.actions() if action["actionId"] in used]
    told = {name: query for name in names for tree in outputs if (query := _query_of(tree, name.split(".")))}
    return "; ".join(f"{name} comes from {query}" for name, query in told.items()) or _DECIDES


def _lacks_dedupe(subject: Subject) -> bool:
    block: Mapping[str, Any] = subject.resolved.get("webhooks", {})
    return "dedupe" not in block and any("dedupe" not in event for event in block.get("events", ()))


def _query_of(tree: Any, steps: list[str]) -> str | None:
    """The query that a field of the output comes from, where it is one query."""
    for step in steps:
        if isinstance(tree, Mapping) and "$each" in tree and step.isdigit():
            tree = tree.get("$value")
        else:
            tree = tree.get(step) if isinstance(tree, Mapping) else None
    return tree if isinstance(tree, str) else None


RULE = Rule("COV008", "The spec does not do what the case says.", "error", check, needs_cases=True)
