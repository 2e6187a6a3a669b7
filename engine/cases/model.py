"""Cases: recorded exchanges that a spec must reproduce, as values.

Case
└── Turn            one call over the connection: what is given, what goes over the wire, what comes of it
    └── Exchange    the request that is expected, and the answer that is given to it
WebhookCase         a message from the provider, what it is answered, and the events that it becomes
ConsentCase         a person consents: the page, what comes back, and what the code is exchanged for
ErrandCase          what the engine does for a connection outside of any action
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from typing import Any, Final, Literal, TypeAlias, get_args

from engine.diagnostics import Position
from engine.frozen import frozen

Errand = Literal["test", "revoke", "subscribe", "renew", "unsubscribe"]
ERRANDS: Final[tuple[Errand, ...]] = get_args(Errand)


@frozen
class Exchange:
    """`expect` and `answer` as the case wrote them."""

    expect: Mapping[str, Any]
    answer: Mapping[str, Any]


@frozen
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


@frozen
class Case:
    """`position` is where it stands in its file."""

    name: str
    integration_id: str
    source: str
    unconfirmed: bool
    turns: tuple[Turn, ...]
    position: Position = field(repr=False)


@frozen
class WebhookCase:
    """One message. `events` None: not looked at. `tampers`: changes to the message that must each be refused.

    `exchanges`: the reads that fill its events in; without any these are looked at as the message told them.
    """

    name: str
    integration_id: str
    source: str
    unconfirmed: bool
    given: Mapping[str, Any]
    receive: Mapping[str, Any]
    answer: Mapping[str, Any]
    exchanges: tuple[Exchange, ...]
    events: tuple[Mapping[str, Any], ...] | None
    again: bool
    """The same message once more is a duplicate."""
    tampers: tuple[Mapping[str, Any], ...]
    position: Position = field(repr=False)


@frozen
class ConsentCase:
    """One consent. `authorize` None: the page is not looked at. Exactly one of `result` and `error` is there.

    `tampers`: changes to the callback that must each be refused before anything is sent, and leave the state good.
    """

    name: str
    integration_id: str
    source: str
    unconfirmed: bool
    given: Mapping[str, Any]
    authorize: Mapping[str, Any] | None
    callback: Mapping[str, Any]
    exchanges: tuple[Exchange, ...]
    result: Mapping[str, Any] | None
    error: Mapping[str, Any]
    tampers: tuple[Mapping[str, Any], ...]
    position: Position = field(repr=False)


@frozen
class ErrandCase:
    """One errand. Exactly one of `result` and `error` is there."""

    name: str
    integration_id: str
    source: str
    unconfirmed: bool
    does: Errand
    given: Mapping[str, Any]
    exchanges: tuple[Exchange, ...]
    result: Mapping[str, Any] | None
    error: Mapping[str, Any]
    position: Position = field(repr=False)


AnyCase: TypeAlias = Case | WebhookCase | ConsentCase | ErrandCase
