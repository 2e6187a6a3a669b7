"""`answer` looks for a message or code where no recorded refusal has one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from engine.cases.model import Turn
from spec_lint.kinds import path_of
from spec_lint.places import value_at
from spec_lint.queries import Node, Query
from spec_lint.rule import Finding, Rule
from spec_lint.subject import Subject

_OURS = frozenset({"INVALID_RESPONSE", "TIMEOUT", "OUTCOME_UNKNOWN", "INTERNAL", "PAYLOAD_TOO_LARGE"})
"""Errors that say nothing about the form of the provider's refusals."""
_OF_LOGINS = frozenset({"AUTH_FAILED", "REAUTH_REQUIRED"})


def check(subject: Subject) -> Iterator[Finding]:
    for query in subject.queries:
        is_meant = query.path[-2:] in (("answer", "code"), ("answer", "message")) and query.path[0] != "auth"
        paths = [path_of(node) for node in _choices(query.root)] if is_meant else []
        if not paths or not all(path and path[0] == "body" for path in paths):
            continue
        bodies = [*_refusals(subject, query)]
        if bodies and not any(value_at(body, path[1:]) for body in bodies for path in paths if path):
            of = "the recorded refusal" if len(bodies) == 1 else f"any of the {len(bodies)} recorded refusals"
            yield subject.at(query.path, f"nothing stands there in {of}", hint=_hint(bodies))


def _choices(node: Node) -> Iterator[Node]:
    """`a || b` is either."""
    if node.kind != "or_expression":
        yield node
        return
    for child in node.children:
        yield from _choices(child)


def _hint(bodies: list[Any]) -> str:
    fields = {f"body.{key}" for body in bodies if isinstance(body, Mapping) for key in body}
    fields |= {"body[0]" for body in bodies if isinstance(body, list)}
    return f"there is {', '.join(sorted(fields)[:8])}"


def _refusals(subject: Subject, query: Query) -> Iterator[Any]:
    """The bodies of the answers that this query is asked about, and that became an error."""
    name = query.path[-1]
    own = {
        action["actionId"]
        for path, action in subject.actions()
        if (path == query.path[:2] or (query.path[0] == "answer" and name not in action.get("answer", ())))
        and not any(name in step.get("answer", ()) for step in action.get("steps", ()))
    }
    signs_in = any(method.obtain or method.token for method in subject.integration.methods)
    others = _OURS | _OF_LOGINS if signs_in else _OURS
    for turn in (turn for case in subject.cases for turn in case.turns):
        body = turn.exchanges[-1].answer.get("json") if turn.action in own and _is_refused(turn, others) else None
        if isinstance(body, Mapping | list) and body:
            yield body


def _is_refused(turn: Turn, others: frozenset[str]) -> bool:
    return not turn.has_result and bool(turn.exchanges) and turn.error.get("code") not in others


RULE = Rule(
    "ERR009", "No recorded refusal has a message or code where `answer` looks.", "warning", check, needs_cases=True
)
