"""Calls and messages of the recorded cases that tell of the same thing: what was made, and what became of it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import field
from typing import Any

from engine.cases.callback import IDS
from engine.cases.model import Case, Turn, WebhookCase
from engine.cases.replay_webhook import Heard, hear
from engine.catalog import Catalog
from engine.frozen import frozen

_ORDERED = "order.created"
"""What everybody waits for who has a shop."""
_GOOD_ENDS = ("paid", "delivered", "picked_up", "succeeded")


@frozen
class Told:
    """A case whose message became events."""

    case: WebhookCase
    heard: Heard = field(repr=False)

    @property
    def data(self) -> Mapping[str, Any]:
        """Of the first event."""
        data: Mapping[str, Any] = self.heard.events[0]["data"]
        return data


@frozen
class Story:
    """A call that made something, and a message about it; `made` None: the message is about nothing of ours."""

    made: Case | None
    told: Told

    @property
    def call(self) -> Turn | None:
        return self.made.turns[0] if self.made is not None else None


async def told(cases: Iterable[WebhookCase], catalog: Catalog) -> list[Told]:
    """The cases whose messages become events, as they stand in their files."""
    return [Told(case, heard) for case in cases if (heard := await hear(case, catalog)) is not None]


def nearest(messages: Iterable[Told], facts: Mapping[str, Any]) -> Told | None:
    """The message about the same kind of thing, with a good end if there is one; of several the first."""
    return max(messages, key=lambda one: _nearness(one.data, facts), default=None)


def _nearness(data: Mapping[str, Any], facts: Mapping[str, Any]) -> tuple[bool, bool, int, int]:
    """What an event is about is the first id in it. The state that a call found is no news, so it counts least."""
    about = next((name for name in data if IDS.fullmatch(name)), None)
    return about in facts, data.get("status") in _GOOD_ENDS, len(data.keys() & facts.keys()), _shared(data, facts)


def best_story(cases: Iterable[Case], messages: list[Told]) -> Story | None:
    """A call that may be made with an open webhook, and the message about the very thing that it made.

    Where there is no such call it is a message alone: some providers tell of what others do, as a shop of orders.
    """
    orders = [message for message in messages if _kind(message) == _ORDERED]
    found = [
        (_rank(case, message), Story(case, message))
        for case in cases
        if _makes(case.turns[0])
        for message in messages
        if _is_about(message.data, facts_of(case.turns[0]))
    ]
    if found and not orders:
        return max(found, key=lambda one: one[0])[1]
    news = max(orders or messages, key=_news, default=None)
    return Story(None, news) if news is not None else None


def _kind(message: Told) -> str:
    kind: str = message.heard.events[0]["type"]
    return kind


def _news(message: Told) -> tuple[bool, ...]:
    """Something new, of which the provider is known to tell."""
    return _kind(message).endswith(".created"), not message.case.unconfirmed


def facts_of(turn: Turn) -> Mapping[str, Any]:
    """What a call said and got, by field."""
    got = turn.result if isinstance(turn.result, dict) else {}
    return {**turn.given.get("input", {}), **got}


def _makes(turn: Turn) -> bool:
    return turn.has_result and turn.action.startswith("create_")


def _is_about(data: Mapping[str, Any], facts: Mapping[str, Any]) -> bool:
    return any(IDS.fullmatch(name) and facts.get(name) == value for name, value in data.items())


def _rank(case: Case, message: Told) -> tuple[bool | int, ...]:
    """With the webhook's address; a page that is paid; a good end that is news; alike in most fields; in few calls."""
    turn, facts = case.turns[0], facts_of(case.turns[0])
    return (
        "webhook" in turn.given,
        message.data.get("status") in _GOOD_ENDS,
        facts.get("status") != message.data.get("status"),
        "paymentUrl" in facts,
        "idempotencyKey" not in turn.given,
        _shared(message.data, facts),
        not case.unconfirmed,
        -len(turn.exchanges),
    )


def _shared(data: Mapping[str, Any], facts: Mapping[str, Any]) -> int:
    return sum(1 for name, value in data.items() if name in facts and facts[name] == value)
