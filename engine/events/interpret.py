"""What a message says, top to bottom: readable? → handshake? → the right method? → proved? → read → each → events.

Pure: what is known comes in, a `Reading` comes out, nothing is raised and nothing is stored.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from engine.catalog import Evaluate, EventPlan, Signature, Webhook, WebhookAnswer
from engine.compiled.fault import EvaluationError
from engine.compiled.query import holds
from engine.compiled.scope import Scope
from engine.events.message import Message, Seen, bare, see
from engine.library import exact
from engine.library.absent import ABSENT
from engine.plugins import Signer
from engine.runtime.parse import Unreadable
from engine.runtime.verify import Evidence, decide

MOST_ITEMS = 2000
"""Elements of `each`."""
SENDER_DOUBTED = "the proof of the sender does not fit"
HANDSHAKE_DOUBTED = "the proof of a handshake does not fit"
_LARGEST_DATA = 5 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Known:
    """What is known beside the message. `made`: url, token and secret of the webhook. `now`: epoch seconds."""

    config: Mapping[str, Any] = field(repr=False)
    credentials: Mapping[str, Any] = field(repr=False)
    made: Mapping[str, str] = field(repr=False)
    signers: Mapping[str, Signer] = field(repr=False)
    now: float


@dataclass(frozen=True, slots=True)
class Happening:
    """One event that a message tells of. `data` is JSON text; `dedupe` None: nothing tells it from another one."""

    type: str
    data: bytes = field(repr=False)
    dedupe: str | None
    answer: WebhookAnswer | None


@dataclass(frozen=True, slots=True)
class Reading:
    """`reason` says why, without a value of the message. `scope` is what the answer may read."""

    outcome: Literal["understood", "handshake", "refused", "failed"]
    scope: Scope = field(repr=False)
    reason: str = ""
    answer: WebhookAnswer | None = None
    happenings: tuple[Happening, ...] = ()


class _Failed(Exception):
    """A message that was proved and can't be worked with: the spec does not fit it."""


def interpret(webhook: Webhook, message: Message, known: Known) -> Reading:
    """What the message says, by what the spec says of such messages."""
    try:
        seen = see(message)
    except Unreadable as error:
        return Reading("refused", _answering(bare(message), known), f"unreadable: {error}")
    scope = _answering(seen.request, known)
    for handshake in webhook.handshakes:
        if _holds(handshake.when, _queries(seen, known)):
            if handshake.verify and not _is_proved(handshake.verify, seen, known):
                return Reading("refused", scope, HANDSHAKE_DOUBTED)
            return Reading("handshake", scope, answer=handshake.answer)
    if message.method != webhook.method:
        return Reading("refused", scope, f"the method is not {webhook.method}")
    if not _is_proved(webhook.verify, seen, known):
        return Reading("refused", scope, SENDER_DOUBTED)
    try:
        happenings, answer = _understand(webhook, _queries(seen, known))
    except _Failed as failure:
        return Reading("failed", scope, str(failure))
    return Reading("understood", scope, answer=answer, happenings=happenings)


def _answering(request: Scope, known: Known) -> Scope:
    return Scope({"request": request, "config": known.config})


def _queries(seen: Seen, known: Known) -> Scope:
    return Scope({**seen.roots, "config": known.config, "webhook": {"url": known.made.get("url", ABSENT)}})


def _is_proved(blocks: tuple[Signature, ...], seen: Seen, known: Known) -> bool:
    """Where no block's `when` holds, nothing is proved."""
    return decide(blocks, evidence_of(seen, known)) is True


def evidence_of(seen: Seen, known: Known) -> Evidence:
    """What a proof of this message is held against."""
    key = {} if seen.message.key is None else {"key": seen.message.key}
    templates = Scope(
        {
            "request": seen.request,
            "webhook": dict(known.made),
            "config": known.config,
            "credentials": dict(known.credentials),
        }
    )
    queries = _queries(seen, known).having(request=key)
    return Evidence(queries, templates, seen.for_plugin, known.signers, known.now)


def _understand(webhook: Webhook, scope: Scope) -> tuple[tuple[Happening, ...], WebhookAnswer | None]:
    """The events of the message in its order, and the answer of the first that has one of its own."""
    values: dict[str, Any] = {}
    scope = scope.having(read=values)
    for name, query in webhook.read:
        value = _value(query, scope, f"read.{name}")
        values[name] = None if value is ABSENT else value
    happenings: list[Happening] = []
    answer: WebhookAnswer | None = None
    for inner in _items(webhook, scope):
        plan = next((plan for plan in webhook.events if plan.when is None or _holds(plan.when, inner)), None)
        if plan is None:
            continue
        answer = answer or plan.answer
        if plan.type is not None:
            happenings.append(_happening(plan, plan.type, inner))
    if sum(len(one.data) for one in happenings) > _LARGEST_DATA:
        raise _Failed(f"the events hold more than {_LARGEST_DATA} bytes")
    return tuple(happenings), answer


def _items(webhook: Webhook, scope: Scope) -> list[Scope]:
    if webhook.each is None:
        return [scope]
    found = _value(webhook.each, scope, "each")
    if found is None or found is ABSENT:
        return []
    if not isinstance(found, list):
        raise _Failed("each: needs a list")
    if len(found) > MOST_ITEMS:
        raise _Failed(f"each: more than {MOST_ITEMS} elements")
    return [scope.having(item=item) for item in found]


def _happening(plan: EventPlan, kind: str, scope: Scope) -> Happening:
    data = _value(plan.data, scope, f"data of {kind}") if plan.data is not None else {}
    try:
        written = exact.dumps(data if isinstance(data, dict) else {})
    except ValueError:
        raise _Failed(f"data of {kind}: holds what is no JSON value") from None
    return Happening(kind, written, _identity(kind, plan.dedupe, scope), plan.answer)


def _identity(kind: str, queries: tuple[Evaluate, ...], scope: Scope) -> str | None:
    """What is the same for the same event; None where the message has nothing of what should tell it."""
    values = [_quiet(query, scope) for query in queries]
    if all(value is None for value in values):
        return None
    try:
        return hashlib.sha256(exact.dumps([kind, values])).hexdigest()
    except ValueError:
        raise _Failed(f"dedupe of {kind}: holds what is no JSON value") from None


def _value(query: Evaluate, scope: Scope, place: str) -> Any:
    try:
        return query(scope)
    except EvaluationError as error:
        raise _Failed(f"{place}: {error.message}") from None


def _quiet(query: Evaluate, scope: Scope) -> Any:
    try:
        value = query(scope)
    except EvaluationError:
        return None
    return None if value is ABSENT else value


def _holds(query: Evaluate, scope: Scope) -> bool:
    """A condition that can't be answered does not hold, as in every rule."""
    return holds(_quiet(query, scope))
