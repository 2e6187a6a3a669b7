"""A write's answer was lost: the read that the spec declares may tell what became of it.

It never leads to a second send. Found with `output` = the call is a success after all; found without = still
unknown; not found = said so, and still unknown, for the provider may be slow. Errors name the action to look with.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

from engine.catalog import Confirm, Verdict
from engine.compiled.fault import EvaluationError
from engine.compiled.query import holds
from engine.compiled.scope import Scope
from engine.errors import CallError
from engine.runtime.call import Call
from engine.runtime.inputs import check_input, compute_vars, find_action
from engine.runtime.output import mapped
from engine.runtime.pages import first_page
from engine.runtime.response import Reply

Steps = Callable[[Call], Awaitable[Reply]]


async def confirm(call: Call, plan: Confirm, error: CallError, steps: Steps, max_bytes: int) -> Reply:
    """The reply of a write that was found done; raises the error, with what was learned in its details."""
    scope = Scope({"input": call.scope["input"], "vars": call.scope["vars"]})
    try:
        asked = plan.input(scope)
        # Whatever the look shows, the caller can look again: the code it goes by may be ours, derived.
        error.details["next"] = {"actionId": plan.action_id, "input": asked}
        data = await _look(call, plan, asked, steps, max_bytes)
        scope = scope.having(data=data)
        found = holds(plan.found(scope))
        output = plan.output(scope) if found and plan.output is not None else None
    except CallError as failure:
        if failure.code == "NOT_FOUND":
            error.details["found"] = False
        raise error from None
    except EvaluationError:
        raise error from None
    if output is not None:
        return Reply(call.scope, None, Verdict(None, output=lambda _scope: output))
    error.details["found"] = found
    raise error


async def _look(call: Call, plan: Confirm, asked: Any, steps: Steps, max_bytes: int) -> Any:
    action = find_action(call.account.integration, plan.action_id)
    given = check_input(action, asked if isinstance(asked, dict) else {}, call.account)
    scope = call.scope.having(**first_page(action, given), steps={})
    scope["vars"] = compute_vars(action, scope)
    look = replace(call, action=action, scope=scope, completed=[], counted=False)
    return mapped(look, await steps(look), max_bytes)
