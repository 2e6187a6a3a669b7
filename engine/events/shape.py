"""An event as it is shown: the same at `GET /events`, and in what subscribers are sent."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from engine.library import exact
from engine.model import Event


def moment(epoch: float) -> str:
    """RFC 3339 in UTC with milliseconds."""
    return datetime.fromtimestamp(epoch, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def shown(event: Event) -> dict[str, Any]:
    """`data` of the event is JSON text."""
    return {
        "eventId": event.event_id,
        "tenantId": event.tenant_id,
        "connectionId": event.connection_id,
        "integrationId": event.integration_id,
        "type": event.type,
        "data": exact.loads(event.data),
        "receivedAt": moment(event.received_at),
    }


def message(event: Event) -> bytes:
    """The body that subscribers get, with the fields that Standard Webhooks recommends; the same every time."""
    return exact.dumps({"type": event.type, "timestamp": moment(event.received_at), "data": shown(event)})
