"""What the answers of cases hold where a query looks."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from engine.cases.model import Exchange, Turn
from spec_lint.kinds import path_of
from spec_lint.queries import Node, Query
from spec_lint.subject import Subject


def recorded_at(subject: Subject, query: Query, node: Node) -> list[Any]:
    """The values, other than null, that a part of a query like `body.data.code` has in the cases: in the answers of the
    action that it belongs to (its last one: earlier ones are those of logins), or of all actions."""
    steps = path_of(node)
    if not steps or steps[0] != "body" or "status" not in query.names.roots:
        return []
    found = [_value(exchange, steps[1:]) for exchange in _exchanges(subject, query)]
    return [value for value in found if value is not None]


def _exchanges(subject: Subject, query: Query) -> Iterator[Exchange]:
    path = query.path
    turns = [turn for case in subject.cases for turn in case.turns if turn.exchanges]
    if path[0] != "actions":
        yield from _of_actions(subject, turns) if path[0] in ("answer", "errors") else ()
        return
    action = subject.resolved["actions"][path[1]]
    if "steps" not in action:
        yield from (turn.exchanges[-1] for turn in turns if turn.action == action["actionId"])


def _of_actions(subject: Subject, turns: list[Turn]) -> Iterator[Exchange]:
    simple = {action["actionId"] for _, action in subject.actions() if "steps" not in action}
    return (turn.exchanges[-1] for turn in turns if turn.action in simple)


def _value(exchange: Exchange, steps: tuple[str | int, ...]) -> Any:
    value = exchange.answer.get("json")
    for step in steps:
        if isinstance(value, dict) and isinstance(step, str):
            value = value.get(step)
        elif isinstance(value, list) and isinstance(step, int) and -len(value) <= step < len(value):
            value = value[step]
        else:
            return None
    return value
