"""What a provider sends to us, and how it is asked to."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from engine.catalog.requests import Evaluate, Step
from engine.catalog.signatures import Signature
from engine.frozen import frozen


@frozen
class WebhookAnswer:
    """What the provider is answered. `body` is a tree of the kind; without a kind there is no body."""

    status: int
    headers: Evaluate | None = None
    kind: Literal["json", "form", "xml", "text"] | None = None
    body: Evaluate | None = None


@frozen
class Handshake:
    """A message that is only answered. Without `verify` nothing proves the sender."""

    when: Evaluate
    verify: tuple[Signature, ...]
    answer: WebhookAnswer


@frozen
class Fetch:
    """The read that fills in an event of which the message only gives the id; its output is added to the data."""

    action_id: str
    input: Evaluate | None


@frozen
class EventPlan:
    """What messages become where `when` holds. `type` None: they are accepted and dropped."""

    type: str | None
    when: Evaluate | None
    dedupe: tuple[Evaluate, ...]
    data: Evaluate | None
    answer: WebhookAnswer | None
    fetch: Fetch | None = None


@frozen
class Route:
    """Whose message it is: those connections whose config field `name` equals what `value` finds, as text."""

    value: Evaluate
    name: str


@frozen
class SubscribeCall:
    """A request about our subscription at the provider; `capture` is kept as `webhook.captured`."""

    step: Step
    capture: Mapping[str, Evaluate]
    expires_at: Evaluate | None


@frozen
class Subscribe:
    """Without `renew` a new one is made, then the old one deleted. One for each topic, where there are `topics`."""

    create: SubscribeCall
    renew: SubscribeCall | None
    delete: SubscribeCall | None
    topics: tuple[str, ...] = ()


@frozen
class Webhook:
    """What the provider sends to us, how its sender is proved, what it becomes, and what is answered.

    `uses`: what the engine makes that the proof needs: `key` (of the path), `token`, `secret`.
    """

    method: str
    handshakes: tuple[Handshake, ...]
    verify: tuple[Signature, ...]
    read: tuple[tuple[str, Evaluate], ...]
    each: Evaluate | None
    events: tuple[EventPlan, ...]
    accepted: WebhookAnswer
    duplicate: WebhookAnswer | None
    """None: like accepted."""
    refused: WebhookAnswer
    failed: WebhookAnswer
    uses: frozenset[Literal["key", "token", "secret"]]
    route: Route | None = None
    """`scope: app`: one URL for all connections of the integration. None: each has its own."""
    subscribe: Subscribe | None = None
