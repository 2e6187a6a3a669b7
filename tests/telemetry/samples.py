"""Events and observers that these tests share."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from engine.telemetry.events import AttemptEvent, CallEvent, DeliveryEvent, MessageEvent

AT = 1_777_600_000.25


def attempt(**fields: Any) -> AttemptEvent:
    values: dict[str, Any] = {
        "execution_id": "01JTXK3V9QW8Z2M4N6P8R0S2T4",
        "tenant_id": "tenant-a",
        "integration_id": "acme-shipping",
        "action_id": "quote",
        "connection_id": "connection-1",
        "step_id": "request",
        "number": 1,
        "signs_in": False,
        "at": AT,
        "waited_ms": 0.5,
        "latency_ms": 40.0,
        "method": "GET",
        "host": "api.acme.example",
        "http_status": 200,
        "error_code": None,
        "provider_code": None,
        "sent_bytes": 0,
        "received_bytes": 12,
    }
    return AttemptEvent(**values | fields)


def call(*attempts: AttemptEvent, **fields: Any) -> CallEvent:
    values: dict[str, Any] = {
        "execution_id": "01JTXK3V9QW8Z2M4N6P8R0S2T4",
        "tenant_id": "tenant-a",
        "integration_id": "acme-shipping",
        "action_id": "quote",
        "connection_id": "connection-1",
        "at": AT,
        "latency_ms": 42,
        "status": "success",
        "error_code": None,
        "provider_code": None,
        "http_status": 200,
        "attempts": attempts,
        "is_test": False,
        "trace_id": None,
    }
    return CallEvent(**values | fields)


def message(**fields: Any) -> MessageEvent:
    values: dict[str, Any] = {
        "tenant_id": "tenant-a",
        "integration_id": "acme-shipping",
        "connection_id": "connection-1",
        "at": AT,
        "latency_ms": 3.5,
        "outcome": "accepted",
        "reason": "",
        "event_count": 1,
        "http_status": 200,
        "received_bytes": 120,
    }
    return MessageEvent(**values | fields)


def delivery(**fields: Any) -> DeliveryEvent:
    values: dict[str, Any] = {
        "tenant_id": "tenant-a",
        "integration_id": "acme-shipping",
        "connection_id": "connection-1",
        "subscription_id": "subscription-1",
        "delivery_id": "delivery-1",
        "event_id": "01JTXK3V9QW8Z2M4N6P8R0S2T4",
        "at": AT,
        "latency_ms": 20.0,
        "lag_ms": 45.0,
        "number": 1,
        "host": "hooks.example.com",
        "outcome": "delivered",
        "http_status": 200,
        "reason": "",
    }
    return DeliveryEvent(**values | fields)


@dataclass
class Diary:
    """An observer that keeps what it is told."""

    attempts: list[AttemptEvent] = field(default_factory=list)
    calls: list[CallEvent] = field(default_factory=list)
    messages: list[MessageEvent] = field(default_factory=list)
    deliveries: list[DeliveryEvent] = field(default_factory=list)

    def attempt(self, event: AttemptEvent) -> None:
        self.attempts.append(event)

    def call(self, event: CallEvent) -> None:
        self.calls.append(event)

    def message(self, event: MessageEvent) -> None:
        self.messages.append(event)

    def delivery(self, event: DeliveryEvent) -> None:
        self.deliveries.append(event)
