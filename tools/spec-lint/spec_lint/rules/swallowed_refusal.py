"""An error rule that also matches a refused token, or a server that is down."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from engine.compiled.fault import EvaluationError, Path
from engine.compiled.query import compile_query, holds
from engine.compiled.scope import Scope
from spec_lint.queries import Query
from spec_lint.refusals import Refusal, refusals
from spec_lint.rule import Finding, Rule
from spec_lint.subject import Subject

_RIGHT = {
    401: frozenset({"AUTH_FAILED", "REAUTH_REQUIRED", "FORBIDDEN"}),
    503: frozenset({"PROVIDER_UNAVAILABLE", "OUTCOME_UNKNOWN", "RATE_LIMITED", "TIMEOUT"}),
}
"""What an answer of this status may be called, whatever its body says."""
_CALL = {"id": "x", "now": "2026-01-01T00:00:00Z", "random": "0", "idempotencyKey": "x", "key": "x"}
_HINT = "say which answers it is about: status: 200, or status: [400, 422]"


def check(subject: Subject) -> Iterator[Finding]:
    queries = {query.path: query for query in subject.queries}
    for listed in refusals(subject):
        for number, rule in enumerate(listed.rules):
            if rule.statuses is None and "messageContains" not in rule.block:
                open_ones = [status for status in _RIGHT if not _is_caught(status, rule, listed.rules[:number])]
                yield from _findings(subject, rule, open_ones, queries)


def _is_caught(status: int, rule: Refusal, before: tuple[Refusal, ...]) -> bool:
    """Does a rule before take every answer of this status?"""
    return any(
        one.statuses is not None and status in one.statuses and not one.looks_inside and one.effects >= rule.effects
        for one in before
    )


def _findings(subject: Subject, rule: Refusal, statuses: list[int], queries: Mapping[Path, Query]) -> Iterator[Finding]:
    """One finding for each outcome: all statuses that it misnames."""
    for path, outcome in rule.outcomes():
        code = "a success" if "ok" in outcome else outcome["code"]
        if path[-1] == "other":
            met = [status for status in statuses if code not in _RIGHT[status]]
            what = "with a code that is not listed"
        elif "by" in rule.block:
            continue  # it names the codes that it means
        else:
            when = queries.get((*rule.path, "when"))
            met = [status for status in statuses if code not in _RIGHT[status] and _holds(when, status)]
            what = "without a readable body"
        if met:
            shown = " or ".join(map(str, met))
            at = path if path[-1] == "other" else (*path, "when")
            yield subject.at(at, f"a {shown} {what} matches too, and becomes {code}", hint=_HINT)


def _holds(when: Query | None, status: int) -> bool:
    """Does the condition hold for an answer of this status whose body is no JSON?"""
    if when is None:
        return False
    scope = Scope({"status": status, "headers": {}, "body": None, "text": "<html></html>", "call": dict(_CALL)})
    scope.update(code=None, message=None)
    try:
        return holds(compile_query(when.text, when.names)(scope))
    except EvaluationError:
        return False


RULE = Rule("ERR001", "An error rule without a status also matches a 401 or 503.", "error", check)
