"""What a caller gave, held to the action: defaults, schema, cross-field checks, computed vars."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from engine.catalog import Action, Integration
from engine.compiled.fault import EvaluationError
from engine.compiled.query import holds
from engine.compiled.scope import Scope
from engine.diagnostics import nearest
from engine.errors import CallError, Issue
from engine.library.absent import ABSENT
from engine.runtime.account import Account
from engine.runtime.request import unsendable


def find_action(integration: Integration, action_id: str) -> Action:
    """Raises `CallError(ACTION_NOT_FOUND)` with the nearest id."""
    action = integration.actions.get(action_id)
    if action is None:
        near = nearest(action_id, integration.actions)
        known = f"did you mean {near}?" if near else f"known: {', '.join(sorted(integration.actions))}"
        raise CallError("ACTION_NOT_FOUND", f"{integration.integration_id} has no such action; {known}")
    return action


def check_input(action: Action, given: Mapping[str, Any], account: Account) -> dict[str, Any]:
    """The input with defaults. Raises `CallError(INVALID_INPUT)` with every issue in `details`."""
    filled: dict[str, Any] = action.input_schema.fill(given if isinstance(given, dict) else dict(given))
    issues = action.input_schema.check(filled)
    if not issues and action.checks:
        scope = Scope({"input": filled, "config": account.config, "webhook": account.webhook})
        issues = tuple(
            Issue(check.message, tuple(check.field.split(".")) if check.field else ())
            for check in action.checks
            if not truth(check.require, scope)
        )
    if issues:
        raise _invalid(issues)
    return filled


def _invalid(issues: tuple[Issue, ...]) -> CallError:
    shown = "; ".join(f"{'.'.join(map(str, issue.path)) or 'input'}: {issue.message}" for issue in issues[:5])
    details = {"issues": [{"message": issue.message, "path": list(issue.path)} for issue in issues[:50]]}
    return CallError("INVALID_INPUT", shown[:500], details=details)


def compute_vars(action: Action, scope: Scope) -> dict[str, Any]:
    """Computed once per call, in order; an absent one is not there. Raises `CallError(INVALID_INPUT)`."""
    values: dict[str, Any] = {}
    if not action.vars:
        return values
    inner = scope.having(vars=values)
    try:
        for name, template in action.vars:
            value = template(inner)
            if value is not ABSENT:
                values[name] = value
    except EvaluationError as error:
        raise unsendable(error.message, error.inputs) from None
    return values


def truth(query: Any, scope: Scope) -> bool:
    """A condition; one that can't be computed does not hold."""
    try:
        return holds(query(scope))
    except EvaluationError:
        return False
