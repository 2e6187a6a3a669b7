"""One JSON object per line and event, through the standard logger `integrations.calls`.

    {"event": "attempt", "time": "…Z", "executionId": "…", "step": "request", "attempt": 1, "httpStatus": 503, …}
    {"event": "call", "time": "…Z", "executionId": "…", "status": "error", "errorCode": "PROVIDER_UNAVAILABLE", …}
    {"event": "message", "time": "…Z", "connectionId": "…", "outcome": "duplicate", "httpStatus": 200, …}
    {"event": "delivery", "time": "…Z", "subscriptionId": "…", "eventId": "…", "outcome": "retry", "attempt": 1, …}

What is not known is left out. Where the lines go, and whether they go anywhere, is the logger's configuration.

Events are collected for a moment and written together, several lines in one log record: a record each, made between
other work, costs a call several times as much. What a crash may lose of these lines stands in the execution log.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

import orjson

from engine.telemetry.events import AttemptEvent, CallEvent, DeliveryEvent, MessageEvent

LOGGER = "integrations.calls"
_PAUSE_SECONDS = 0.05
_MOST = 1000
_Event = AttemptEvent | CallEvent | MessageEvent | DeliveryEvent


class JsonLines:
    """Writes each event as a line at level INFO, a moment later; `flush` at the end writes what is left."""

    def __init__(self) -> None:
        self._logger = logging.getLogger(LOGGER)
        self._events: list[_Event] = []

    def _add(self, event: _Event) -> None:
        self._events.append(event)
        if len(self._events) == 1:
            asyncio.get_running_loop().call_later(_PAUSE_SECONDS, self.flush)
        elif len(self._events) >= _MOST:
            self.flush()

    attempt = call = message = delivery = _add

    def flush(self) -> None:
        events, self._events = self._events, []
        if events and self._logger.isEnabledFor(logging.INFO):
            self._logger.info("\n".join([line_of(event) for event in events]))


def line_of(event: _Event) -> str:
    """One JSON object without line breaks."""
    return orjson.dumps(_LINES[type(event)](event), option=orjson.OPT_UTC_Z).decode()


def _attempt(event: AttemptEvent) -> dict[str, Any]:
    line: dict[str, Any] = {
        "event": "attempt",
        "time": datetime.fromtimestamp(event.at, UTC),
        "executionId": event.execution_id,
        "tenantId": event.tenant_id,
        "integrationId": event.integration_id,
        "actionId": event.action_id,
        "connectionId": event.connection_id,
        "step": event.step_id,
        "attempt": event.number,
        "method": event.method,
        "host": event.host,
        "waitedMs": round(event.waited_ms, 1),
        "latencyMs": round(event.latency_ms, 1),
        "sentBytes": event.sent_bytes,
        "receivedBytes": event.received_bytes,
    }
    if event.signs_in:
        line["signsIn"] = True
    if event.http_status is not None:
        line["httpStatus"] = event.http_status
    return _with_codes(line, event.error_code, event.provider_code)


def _call(event: CallEvent) -> dict[str, Any]:
    line: dict[str, Any] = {
        "event": "call",
        "time": datetime.fromtimestamp(event.at, UTC),
        "executionId": event.execution_id,
        "tenantId": event.tenant_id,
        "integrationId": event.integration_id,
        "connectionId": event.connection_id,
        "status": event.status,
        "latencyMs": event.latency_ms,
        "attempts": len(event.attempts),
    }
    if event.action_id is not None:
        line["actionId"] = event.action_id
    if event.is_test:
        line["isTest"] = True
    if event.http_status is not None:
        line["httpStatus"] = event.http_status
    if event.trace_id is not None:
        line["traceId"] = event.trace_id
    return _with_codes(line, event.error_code, event.provider_code)


def _message(event: MessageEvent) -> dict[str, Any]:
    line: dict[str, Any] = {
        "event": "message",
        "time": datetime.fromtimestamp(event.at, UTC),
        "tenantId": event.tenant_id,
        "integrationId": event.integration_id,
        "connectionId": event.connection_id,
        "outcome": event.outcome,
        "reason": event.reason or None,
        "events": event.event_count,
        "httpStatus": event.http_status,
        "latencyMs": round(event.latency_ms, 1),
        "receivedBytes": event.received_bytes,
    }
    return {name: value for name, value in line.items() if value is not None}


def _delivery(event: DeliveryEvent) -> dict[str, Any]:
    line: dict[str, Any] = {
        "event": "delivery",
        "time": datetime.fromtimestamp(event.at, UTC),
        "tenantId": event.tenant_id,
        "integrationId": event.integration_id,
        "connectionId": event.connection_id,
        "subscriptionId": event.subscription_id,
        "deliveryId": event.delivery_id,
        "eventId": event.event_id,
        "attempt": event.number,
        "host": event.host,
        "outcome": event.outcome,
        "reason": event.reason or None,
        "httpStatus": event.http_status,
        "latencyMs": round(event.latency_ms, 1),
        "lagMs": round(event.lag_ms, 1),
    }
    return {name: value for name, value in line.items() if value is not None}


def _with_codes(line: dict[str, Any], error_code: str | None, provider_code: str | None) -> dict[str, Any]:
    if error_code is not None:
        line["errorCode"] = error_code
    if provider_code is not None:
        line["providerCode"] = provider_code
    return line


_LINES: Mapping[type[_Event], Callable[[Any], dict[str, Any]]] = {
    AttemptEvent: _attempt,
    CallEvent: _call,
    MessageEvent: _message,
    DeliveryEvent: _delivery,
}
