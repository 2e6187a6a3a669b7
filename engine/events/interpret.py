"""What a message says, top to bottom: readable? → handshake? → the right method? → proved? → read → each → events.

A message to an app is about accounts, not about one connection: there `each` gives parts, each with the account that it
is about, and what a part becomes is read for each connection of that account (`told`).

Pure: what is known comes in, a `Reading` comes out, nothing is raised and nothing is stored.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import field
from typing import Any, Literal

from engine.catalog import Evaluate, EventPlan, Route, Signature, Webhook, WebhookAnswer
from engine.compiled.fault import EvaluationError
from engine.compiled.query import holds
from engine.compiled.scope import Scope
from engine.frozen import frozen
from engine.library import exact
from engine.library.absent import ABSENT
from engine.plugins import Signer
from engine.runtime.message import Message, Seen, bare, see
from engine.runtime.parse import Unreadable
from engine.runtime.verify import Evidence, decide

MOST_ITEMS = 2000
"""Elements of `each`."""
SENDER_DOUBTED = "the proof of the sender does not fit"
HANDSHAKE_DOUBTED = "the proof of a handshake does not fit"
_LARGEST_DATA = 5 * 1024 * 1024


@frozen
class Known:
    """What is known beside the message. `made`: url, token and secret of the webhook. `now`: epoch seconds.

    Of a message to an app neither config nor credentials are known.
    """

    config: Mapping[str, Any] = field(repr=False)
    credentials: Mapping[str, Any] = field(repr=False)
    made: Mapping[str, Any] = field(repr=False)
    signers: Mapping[str, Signer] = field(repr=False)
    now: float
    app: Mapping[str, Any] = field(default_factory=dict, repr=False)


@frozen
class Happening:
    """One event that a message tells of. `data` is JSON text; `dedupe` None: nothing tells it from another one.

    `fetch`: the action that fills it in, and its input as JSON text.
    """

    type: str
    data: bytes = field(repr=False)
    dedupe: str | None
    answer: WebhookAnswer | None
    fetch: tuple[str, bytes] | None = field(default=None, repr=False)


@frozen
class Part:
    """What a message to an app says of one account; `account` is what the spec compares with a field of the config."""

    account: Any = field(repr=False)
    scope: Scope = field(repr=False)


@frozen
class Reading:
    """`reason` says why, without a value of the message. `scope` is what the answer may read.

    Understood are the `happenings`, or of a message to an app the `parts`.
    """

    outcome: Literal["understood", "handshake", "refused", "failed"]
    scope: Scope = field(repr=False)
    reason: str = ""
    answer: WebhookAnswer | None = None
    happenings: tuple[Happening, ...] = ()
    parts: tuple[Part, ...] = ()


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
        items = _items(webhook, _queries(seen, known))
        if webhook.route is not None:
            return Reading("understood", scope, parts=_parts(webhook.route, items))
        happenings, answer = _understand(webhook, items)
    except _Failed as failure:
        return Reading("failed", scope, str(failure))
    return Reading("understood", scope, answer=answer, happenings=happenings)


def told(webhook: Webhook, parts: Iterable[Part], config: Mapping[str, Any]) -> Reading:
    """What these parts of a message to an app become at a connection with this config."""
    scopes = [part.scope.having(config=config) for part in parts]
    try:
        happenings, answer = _understand(webhook, scopes)
    except _Failed as failure:
        return Reading("failed", Scope({}), str(failure))
    return Reading("understood", Scope({}), answer=answer, happenings=happenings)


def alleged(webhook: Webhook, message: Message, known: Known) -> tuple[Part, ...]:
    """Whom a message that nobody has proved yet names. Only to look for whoever could prove it."""
    try:
        return _parts(webhook.route, _items(webhook, _queries(see(message), known))) if webhook.route else ()
    except (Unreadable, _Failed):
        return ()


def _parts(route: Route, items: Iterable[Scope]) -> tuple[Part, ...]:
    return tuple(Part(_quiet(route.value, item), item) for item in items)


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
            "app": dict(known.app),
        }
    )
    queries = _queries(seen, known).having(request=key)
    return Evidence(queries, templates, seen.for_plugin, known.signers, known.now)


def _understand(webhook: Webhook, items: Iterable[Scope]) -> tuple[tuple[Happening, ...], WebhookAnswer | None]:
    """The events of the message in its order, and the answer of the first that has one of its own."""
    happenings: list[Happening] = []
    answer: WebhookAnswer | None = None
    for inner in items:
        plan = next((plan for plan in webhook.events if plan.when is None or _holds(plan.when, inner)), None)
        if plan is None:
            continue
        answer = answer or plan.answer
        if plan.type is not None:
            happenings.append(_happening(plan, plan.type, inner))
    if sum(len(one.data) for one in happenings) > _LARGEST_DATA:
        raise _Failed(f"the events hold more than {_LARGEST_DATA} bytes")
    return tuple(happenings), answer


def _read(webhook: Webhook, scope: Scope) -> Scope:
    values: dict[str, Any] = {}
    scope = scope.having(read=values)
    for name, query in webhook.read:
        value = _value(query, scope, f"read.{name}")
        values[name] = None if value is ABSENT else value
    return scope


def _items(webhook: Webhook, scope: Scope) -> list[Scope]:
    scope = _read(webhook, scope)
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
    data = _written(plan.data, scope, f"data of {kind}")
    fetch = None
    if plan.fetch is not None:
        fetch = (plan.fetch.action_id, _written(plan.fetch.input, scope, f"fetch of {kind}"))
    return Happening(kind, data, _identity(kind, plan.dedupe, scope), plan.answer, fetch)


def _written(tree: Evaluate | None, scope: Scope, place: str) -> bytes:
    """The object that a tree makes, as JSON text."""
    value = _value(tree, scope, place) if tree is not None else {}
    try:
        return exact.dumps(value if isinstance(value, dict) else {})
    except ValueError:
        raise _Failed(f"{place}: holds what is no JSON value") from None


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
