"""Cases: recorded exchanges that a spec must reproduce, as values.

Case
└── Turn            one call over the connection: what is given, what goes over the wire, what comes of it
    └── Exchange    the request that is expected, and the answer that is given to it
WebhookCase         a message from the provider, what it is answered, and the events that it becomes
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from engine.diagnostics import Position


@dataclass(frozen=True, slots=True)
class Exchange:
    """`expect` and `answer` as the case wrote them."""

    expect: Mapping[str, Any]
    answer: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Turn:
    """One call. Exactly one of `result` and `error` is there; `has_result` tells them apart.

    `sets` names what of `given` is fixed anew at this call; clock and randomness else go on from the call before.
    """

    action: str
    given: Mapping[str, Any]
    sets: frozenset[str]
    exchanges: tuple[Exchange, ...]
    any_order: bool
    has_result: bool
    result: Any
    error: Mapping[str, Any]
    sent: int | None
    waited_ms: int | None


@dataclass(frozen=True, slots=True)
class Case:
    """`position` is where it stands in its file."""

    name: str
    integration_id: str
    source: str
    unconfirmed: bool
    turns: tuple[Turn, ...]
    position: Position = field(repr=False)


@dataclass(frozen=True, slots=True)
class WebhookCase:
    """One message. `events` None: not looked at. `tampers`: changes to the message that must each be refused."""

    name: str
    integration_id: str
    source: str
    unconfirmed: bool
    given: Mapping[str, Any]
    receive: Mapping[str, Any]
    answer: Mapping[str, Any]
    events: tuple[Mapping[str, Any], ...] | None
    again: bool
    """The same message once more is a duplicate."""
    tampers: tuple[Mapping[str, Any], ...]
    position: Position = field(repr=False)
