"""Why an error rule matches an answer, and why the ones before it do not: `response.classify`, told in words."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import field
from typing import Any

from engine.catalog import Rule
from engine.compiled.fault import EvaluationError
from engine.compiled.query import holds
from engine.compiled.scope import Scope
from engine.frozen import frozen
from engine.library.absent import ABSENT
from engine.library.function import LibraryError, text_of
from engine.runtime.response import match

_LONGEST_SHOWN = 80


@frozen
class Judgement:
    """`why` None: the rule matches. `row`: the key of `codes` that does, or `other`. `why` may quote the answer."""

    rule: Rule = field(repr=False)
    why: str | None
    row: str | None = None


def judge(rules: Iterable[Rule], scope: Scope, status: int, effect: str) -> list[Judgement]:
    """Every rule up to the first that matches, with what keeps it from matching."""
    found: list[Judgement] = []
    for rule in rules:
        if match(rule, scope, status, effect) is None:
            found.append(Judgement(rule, _why_not(rule, scope, status, effect)))
            continue
        return [*found, Judgement(rule, None, _row(rule, scope))]
    return found


def _why_not(rule: Rule, scope: Scope, status: int, effect: str) -> str:
    if rule.statuses is not None and status not in rule.statuses:
        return f"the status is {status}, not {' or '.join(map(str, sorted(rule.statuses)))}"
    if rule.effect is not None and rule.effect != effect:
        return f"the request is a {effect}"
    if rule.message_contains and not any(needle in scope["said"] for needle in rule.message_contains):
        return f"the message contains none of {', '.join(_quoted(needle) for needle in rule.message_contains)}"
    try:
        if rule.when is not None and not holds(rule.when(scope)):
            return "`when` does not hold"
        value = rule.by(scope) if rule.by is not None else None
    except EvaluationError as error:
        return f"it can't be computed: {error.message}"
    if value is None or value is False or value is ABSENT:
        return f"`by` gives {'nothing' if value is ABSENT else 'null' if value is None else 'false'}"
    return f"`by` gives {_quoted(_text(value))}, which is none of its codes"


def _row(rule: Rule, scope: Scope) -> str | None:
    if rule.by is None:
        return None
    value = _text(rule.by(scope))
    return value if value in rule.codes else "other"


def _text(value: Any) -> str:
    try:
        return text_of("by", value)
    except LibraryError:
        return ""


def _quoted(text: str) -> str:
    return f'"{text if len(text) <= _LONGEST_SHOWN else text[:_LONGEST_SHOWN] + "…"}"'
