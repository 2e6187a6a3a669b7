"""One integration as the pages see it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from engine.cases.model import Case, Turn, WebhookCase
from engine.catalog import Integration
from engine.redact import Masker

_SECRET = ("credentials", "token", "webhook", "app")


@dataclass(frozen=True)
class Subject:
    """`spec` is what was written, its references replaced; `integration` what it was compiled to."""

    spec: Mapping[str, Any]
    integration: Integration
    cases: tuple[Case, ...]
    webhook_cases: tuple[WebhookCase, ...]

    @property
    def all_cases(self) -> tuple[Case | WebhookCase, ...]:
        return (*self.cases, *self.webhook_cases)

    @cached_property
    def masker(self) -> Masker:
        """The credentials of cases are invented; a page still shows none, as no answer does."""
        given = [turn.given for case in self.cases for turn in case.turns]
        given += [case.given for case in self.webhook_cases]
        held = [value for one in given for key in _SECRET for value in one.get(key, {}).values()]
        return Masker(value for value in held if isinstance(value, str))

    def blocks(self) -> list[Mapping[str, Any]]:
        """The actions as they are written."""
        return list(self.spec["actions"])

    def cases_of(self, action_id: str) -> list[Case]:
        return [case for case in self.cases if any(turn.action == action_id for turn in case.turns)]

    def example_of(self, action_id: str) -> tuple[Case, Turn] | None:
        """The first success of the action: one that shows something goes before one whose lists are empty, then one
        that its source proves before one that it does not.
        """
        found = [
            (case, turn)
            for case in sorted(self.cases_of(action_id), key=lambda case: (case.unconfirmed, len(case.turns)))
            for turn in case.turns
            if turn.action == action_id and turn.has_result
        ]
        return min(found, key=lambda pair: _is_hollow(pair[1].result), default=None)


def _is_hollow(result: Any) -> bool:
    """Nothing, or nothing in any of its lists."""
    if not isinstance(result, Mapping):
        return not result
    inner = [value for value in result.values() if isinstance(value, list | Mapping)]
    return not result or (bool(inner) and not any(inner))
