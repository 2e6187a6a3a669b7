"""Reads an answer: what it says, whether that is a success, and what the caller gets of it.

Order of classification, first hit wins: the step's rules → the action's → the integration's → the built-in table by
status → `answer.success` on a parsed 2xx.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import field
from decimal import Decimal
from typing import Any

from engine.catalog import AnswerPlan, Evaluate, Partial, Rule, Step, Verdict
from engine.compiled.fault import EvaluationError
from engine.compiled.query import holds
from engine.compiled.scope import Lazy, Scope
from engine.errors import CallError, Code
from engine.frozen import slotted
from engine.library.absent import ABSENT
from engine.library.function import LibraryError, text_of
from engine.library.text import folded
from engine.model import Response
from engine.redact import Masker, clean_message
from engine.runtime import waits
from engine.runtime.parse import Unreadable, parse_body
from engine.runtime.parse import text_of as body_text

Reads = tuple[tuple[str, Evaluate], ...]

STATUS_CODES: Mapping[int, Code] = {
    400: "INVALID_INPUT",
    401: "AUTH_FAILED",
    403: "FORBIDDEN",
    404: "NOT_FOUND",
    408: "TIMEOUT",
    409: "CONFLICT",
    410: "NOT_FOUND",
    413: "INVALID_INPUT",
    415: "INVALID_INPUT",
    422: "INVALID_INPUT",
    429: "RATE_LIMITED",
}
"""What a status means when no rule says more; any other 4xx is REJECTED, any 5xx PROVIDER_UNAVAILABLE."""

_MESSAGES: Mapping[str, str] = {
    "INVALID_INPUT": "the provider refused the input",
    "AUTH_FAILED": "the provider refused the credentials",
    "REAUTH_REQUIRED": "the account must be connected again",
    "FORBIDDEN": "the account may not do this",
    "NOT_FOUND": "the provider knows no such thing",
    "CONFLICT": "the provider says that this exists or is under way already",
    "REJECTED": "the provider refused the request",
    "RATE_LIMITED": "the provider takes no more calls for now",
    "PROVIDER_UNAVAILABLE": "the provider failed",
    "TIMEOUT": "the provider did not answer in time",
    "OUTCOME_UNKNOWN": "it is not known whether the provider did it: look before trying again",
    "INVALID_RESPONSE": "the provider's answer could not be understood",
}


@slotted
class Reply:
    """An answer that counts as a success. `scope` holds the roots of queries; `verdict` is the `ok` rule, if any."""

    scope: Scope = field(repr=False)
    response: Response | None
    verdict: Verdict | None = None


def read_trees(trees: Mapping[str, Evaluate], scope: Scope) -> dict[str, Any]:
    """Named queries on an answer; an absent value has no name. Raises `EvaluationError`."""
    return {name: value for name, tree in trees.items() if (value := tree(scope)) is not ABSENT}


def read_values(reads: Reads, scope: Scope) -> dict[str, Any]:
    """The action's `read` queries in order; later ones may use the ones before."""
    values: dict[str, Any] = {}
    inner = scope.having(read=values)
    for name, query in reads:
        value = query(inner)
        values[name] = None if value is ABSENT else value
    return values


@slotted
class _Heard:
    """What the lazy roots of an answer are made of."""

    plan: AnswerPlan
    response: Response
    url: str
    reads: Reads


_OF_ANSWER: Lazy = {
    "headers": lambda scope: dict(scope.source.response.headers),
    "request": lambda scope: {"url": scope.source.url},
    "text": lambda scope: body_text(scope.source.response),
    "code": lambda scope: _quiet(scope.source.plan.code, scope),
    "message": lambda scope: _quiet(scope.source.plan.message, scope),
    "said": lambda scope: folded(scope["message"]),
    "read": lambda scope: read_values(scope.source.reads, scope),
}


def answer_scope(step: Step, base: Scope, response: Response, request_url: str, reads: Reads) -> tuple[Scope, bool]:
    """The roots of queries on this answer, and whether its body could be read."""
    readable = True
    try:
        body = parse_body(response, step.answer.form)
    except Unreadable:
        body, readable = None, False
    plan = step.answer
    scope = base.declaring(_OF_ANSWER, _Heard(plan, response, request_url, reads))
    scope["status"] = response.status
    scope["body"] = body
    # Nearly every rule asks for these; what one of them reads of the other is there by then, or computed for it.
    scope["code"] = _quiet(plan.code, scope)
    if "message" not in scope:
        scope["message"] = _quiet(plan.message, scope)
    return scope, readable


def _quiet(query: Evaluate | None, scope: Scope) -> Any:
    """A code or message that can't be read is none."""
    if query is None:
        return None
    try:
        return query(scope)
    except EvaluationError:
        return None


def classify(step: Step, scope: Scope, response: Response, readable: bool, masker: Masker) -> Verdict | None:
    """Returns None or the `ok` verdict for a success; raises `CallError` for everything else."""
    for rule in _possible(step, response.status):
        verdict = _verdict(rule, scope)
        if verdict is not None:
            if verdict.code is None:
                return verdict
            error = error_of(verdict, verdict.code, scope, response, masker)
            error.declared = True
            raise error
    if not 200 <= response.status < 300:
        raise _by_status(scope, response, masker)
    if not readable:
        raise CallError("INVALID_RESPONSE", "the provider's answer can't be read in the form it has")
    if step.answer.success is not None and not _succeeded(step.answer.success, scope):
        raise error_of(Verdict("REJECTED"), "REJECTED", scope, response, masker)
    return None


def _possible(step: Step, status: int) -> tuple[Rule, ...]:
    """The rules that an answer with this status may fit, in their order."""
    found = step.by_status.get(status)
    if found is None:
        found = step.by_status[status] = tuple(rule for rule in step.rules if _may_fit(rule, status, step.effect))
    return found


def _may_fit(rule: Rule, status: int, effect: str) -> bool:
    return (rule.statuses is None or status in rule.statuses) and (rule.effect is None or rule.effect == effect)


def _succeeded(query: Evaluate, scope: Scope) -> bool:
    try:
        return holds(query(scope))
    except EvaluationError:
        return False


def match(rule: Rule, scope: Scope, status: int, effect: str) -> Verdict | None:
    """The verdict of a rule all of whose matchers hold. A query that raises is no match."""
    return _verdict(rule, scope) if _may_fit(rule, status, effect) else None


def _verdict(rule: Rule, scope: Scope) -> Verdict | None:
    try:
        if rule.message_contains and not _says(rule.message_contains, scope["said"]):
            return None
        if rule.when is not None and not holds(rule.when(scope)):
            return None
        if rule.by is None:
            return rule.verdict
        value = rule.by(scope)
    except EvaluationError:
        return None
    if value is None or value is False or value is ABSENT:
        return None
    return rule.codes.get(_as_text(value), rule.other)


def _says(needles: tuple[str, ...], said: str) -> bool:
    if said:
        # Not `any`: it costs twice, and every rule of every answer comes by here.
        for needle in needles:
            if needle in said:
                return True
    return False


def _as_text(value: Any) -> str:
    try:
        return text_of("by", value)
    except LibraryError:
        return ""


def _by_status(scope: Scope, response: Response, masker: Masker) -> CallError:
    status = response.status
    if 300 <= status < 400:
        return CallError("INVALID_RESPONSE", "the provider redirects elsewhere, and redirects are not followed")
    code: Code = STATUS_CODES.get(status) or ("PROVIDER_UNAVAILABLE" if status >= 500 else "REJECTED")
    verdict = Verdict(code, not_processed=code == "RATE_LIMITED", renew_auth=status == 401)
    return error_of(verdict, code, scope, response, masker)


def error_of(verdict: Verdict, code: Code, scope: Scope, response: Response, masker: Masker) -> CallError:
    """What a verdict says, as an error fit to be shown."""
    message = _quiet(verdict.message, scope) if verdict.message is not None else scope["message"]
    shown = clean_message(message, masker) if isinstance(message, str) and message.strip() else ""
    provider_code = _quiet(verdict.provider_code, scope) if verdict.provider_code is not None else scope["code"]
    details = _details(verdict, scope, masker)
    details.setdefault("httpStatus", response.status)
    return CallError(
        code,
        shown or f"{_MESSAGES.get(code, 'the call failed')} (HTTP {response.status})",
        retryable=verdict.retryable,
        retry_after_ms=retry_after_ms(_quiet(verdict.retry_after, scope), response, code, lambda: _began(scope)),
        provider_code=_short(provider_code, masker),
        details=details,
        not_processed=verdict.not_processed,
        renew=verdict.renew_auth or code == "AUTH_FAILED",
    )


def _began(scope: Scope) -> float:
    """When the call began, for the few answers that give a time by the clock and do not say theirs."""
    return float(scope["call"]["epoch"])


def _short(value: Any, masker: Masker) -> str | None:
    text = _as_text(value) if value is not None and value is not ABSENT else ""
    return clean_message(text, masker, 100) or None


def _details(verdict: Verdict, scope: Scope, masker: Masker) -> dict[str, Any]:
    details: dict[str, Any] = {}
    found = _quiet(verdict.details, scope)
    if isinstance(found, dict):
        details.update(masker.data(found))
    if verdict.next is not None:
        given = _quiet(verdict.next.input, scope)
        details["next"] = {"actionId": verdict.next.action_id, "input": given if isinstance(given, dict) else {}}
    return details


def retry_after_ms(asked: Any, response: Response, code: str, now: Callable[[], float]) -> int | None:
    """Milliseconds to wait: the rule's seconds, else what the headers ask for; at most a day."""
    seconds: float | None = None
    if isinstance(asked, int | Decimal) and not isinstance(asked, bool):
        seconds = float(max(-1, min(asked, waits.LONGEST)))
    elif code in ("RATE_LIMITED", "PROVIDER_UNAVAILABLE"):
        seconds = waits.asked(response.headers, now)
    if seconds is None or seconds < 0:
        return None
    return max(1, math.ceil(seconds * 1000))


def failures_of(partial: Partial, scope: Scope, masker: Masker, status: int, effect: str) -> list[dict[str, Any]]:
    """The failed items of an answer with one result per item; all failed = raises the first one's error."""
    items = partial.each(scope)
    failures: list[dict[str, Any]] = []
    first: CallError | None = None
    for item in items if isinstance(items, list) else ():
        inner = scope.having(item=item)
        if not holds(partial.failed(inner)):
            continue
        error = _item_error(partial, inner, masker, status, effect)
        first = first or error
        failures.append(_failure(error, partial.key(inner) if partial.key is not None else None))
    if first is not None and len(failures) == len(items):
        raise first
    return failures


def _item_error(partial: Partial, scope: Scope, masker: Masker, status: int, effect: str) -> CallError:
    verdict = match(partial.rule, scope, status, effect) or Verdict("REJECTED")
    return error_of(verdict, verdict.code or "REJECTED", scope, Response(status, {}, b""), masker)


def _failure(error: CallError, key: Any) -> dict[str, Any]:
    failure: dict[str, Any] = {"code": error.code, "message": error.message}
    if key is not None:
        failure["key"] = key
    if error.provider_code:
        failure["providerCode"] = error.provider_code
    return failure
