"""Who wants an event? Each subscription that does gets a delivery of its own, exactly one.

Whoever took the message from the provider left an arrival; this happens later, so receiving costs the same however
many subscribers there are, and a process that dies in between has lost nothing.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator

from ulid import ULID

from engine.events.wanted import wants
from engine.model import Delivery, Subscription
from engine.storage.ports import Arrival, Store

_BATCH = 50


async def spread(store: Store, now: float) -> bool:
    """Works off a batch of arrivals; True where there may be more."""
    arrivals = await store.deliveries.arrivals(_BATCH)
    if not arrivals:
        return False
    tenants = {arrival.tenant_id for arrival in arrivals}
    known = {tenant: await store.subscriptions.find(tenant) for tenant in tenants}
    plans = [(arrival, list(_deliveries(arrival, known[arrival.tenant_id], now))) for arrival in arrivals]
    await store.deliveries.spread(plans)
    return len(arrivals) == _BATCH


def _deliveries(arrival: Arrival, subscriptions: Iterable[Subscription], now: float) -> Iterator[Delivery]:
    for one in subscriptions:
        is_meant = one.status == "active" and one.created_at <= arrival.received_at
        if is_meant and wants(one.event_types, arrival.type):
            yield Delivery(
                delivery_id=delivery_id(arrival.event_id, one.subscription_id),
                tenant_id=arrival.tenant_id,
                subscription_id=one.subscription_id,
                event_id=arrival.event_id,
                connection_id=arrival.connection_id,
                event_type=arrival.type,
                created_at=arrival.received_at,
                queued_at=now,
                due_at=now,
            )


def delivery_id(event_id: str, subscription_id: str) -> str:
    """A ULID of the event's time; always the same for these two."""
    digest = hashlib.sha256(f"{event_id}|{subscription_id}".encode()).digest()
    return event_id[:10] + str(ULID.from_bytes(bytes(6) + digest[:10]))[10:]
