"""What every route works with: one deployment of the engine."""

from __future__ import annotations

from dataclasses import field

from engine.connections.consent import Consents
from engine.connections.ports import Engine
from engine.connections.service import ConnectionService
from engine.events.book import EventBook
from engine.events.endpoint import Endpoints
from engine.events.receive import Receiver
from engine.events.subscriptions import SubscriptionService
from engine.frozen import frozen
from engine.telemetry.metrics import Metrics


@frozen
class Site:
    """`public_url`: base of URLs that answers show; `metrics`: of this process; `document`: the OpenAPI text.

    `sandbox`: calls go to the provider sandbox.
    """

    engine: Engine
    connections: ConnectionService
    consents: Consents
    receiver: Receiver
    endpoints: Endpoints
    events: EventBook
    subscriptions: SubscriptionService
    public_url: str
    metrics: Metrics
    document: bytes = field(repr=False)
    sandbox: bool = False
