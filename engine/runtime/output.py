"""From a reply to what the caller gets: mapped, held to the output schema, bounded in size."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from engine.compiled.fault import EvaluationError
from engine.compiled.scope import Scope
from engine.errors import CallError, Code, Issue
from engine.library import exact
from engine.library.absent import ABSENT
from engine.runtime.call import Call
from engine.runtime.pages import Page
from engine.runtime.response import Reply, failures_of, read_values


def mapped(call: Call, reply: Reply, max_bytes: int) -> Any:
    """The output. Raises `CallError`."""
    try:
        data = _data(call, reply)
    except EvaluationError as error:
        raise _unfit(call, f"the answer can't be mapped: {error.message}") from None
    issues = call.action.output_schema.check(data)
    if issues:
        wrong = ", ".join(sorted({_shown(issue, data) for issue in issues})[:5])
        raise _unfit(call, f"the provider's answer lacks or misstates what this action promises: {wrong}")
    try:
        written = exact.dumps(data)
    except ValueError:
        raise _unfit(call, "the mapped output is not a JSON value") from None
    if len(written) > max_bytes:
        raise _unfit(call, f"the mapped output is larger than {max_bytes} bytes", "PAYLOAD_TOO_LARGE")
    call.output_json = written
    return data


def _shown(issue: Issue, data: Any) -> str:
    """What is wrong with one field, in names and kinds only: `fee must be integer, is string`."""
    where = ".".join(map(str, issue.path)) or "output"
    if issue.message == "is required":
        return f"{where} is absent"
    if not set(issue.message.removeprefix("must be ").split(" or ")) <= _KINDS.keys():
        return f"{where} {issue.message[:_LONGEST_ISSUE]}"
    kind = next((word for word, types in _KINDS.items() if isinstance(_at(data, issue.path), types)), "other")
    return f"{where} {issue.message}, is {kind}"


def _at(data: Any, path: tuple[str | int, ...]) -> Any:
    """What stands there; `ABSENT` where a name is too long to be told in full."""
    for step in path:
        if isinstance(data, dict):
            data = data.get(step, ABSENT)
        else:
            data = data[step] if isinstance(data, list) and isinstance(step, int) else ABSENT
    return data


_LONGEST_ISSUE = 100
_KINDS: Mapping[str, tuple[type, ...]] = {
    "boolean": (bool,), "integer": (int,), "number": (Decimal, float), "string": (str,), "array": (list,),
    "object": (dict,), "null": (type(None),),
}  # fmt: skip


def _data(call: Call, reply: Reply) -> Any:
    action, scope = call.action, reply.scope
    if action.has_steps and action.read:
        scope = scope.declaring({"read": lambda inner: read_values(action.read, inner)})
    failures = []
    if action.partial is not None and reply.response is not None:
        masker = call.account.masker
        failures = failures_of(action.partial, scope, masker, reply.response.status, action.effect)
    tree = reply.verdict.output if reply.verdict is not None and reply.verdict.output is not None else action.output
    data = tree(scope) if tree is not None else {}
    if data is ABSENT or data is None:
        data = {}
    if failures and isinstance(data, dict):
        data = {**data, "failures": failures}
    return _with_cursor(call.page, data, scope) if call.page is not None else data


def _with_cursor(page: Page, data: Any, scope: Scope) -> Any:
    cursor = page.onward(scope)
    return {**data, "nextCursor": cursor} if cursor is not None and isinstance(data, dict) else data


def _unfit(call: Call, message: str, code: Code = "INVALID_RESPONSE") -> CallError:
    """After a write nobody knows what an answer that can't be shown means."""
    outcome = {"outcome": "unknown"} if call.action.effect == "write" and call.sent else None
    return CallError(code, message, details=outcome)
