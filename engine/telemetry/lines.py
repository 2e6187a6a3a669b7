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
from math import floor
from typing import Any, TypeVar

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
        events = self._events
        if not events:
            asyncio.get_running_loop().call_later(_PAUSE_SECONDS, self.flush)
        events.append(event)
        if len(events) >= _MOST:
            self.flush()

    attempt = call = message = delivery = _add

    def flush(self) -> None:
        events, self._events = self._events, []
        if events and self._logger.isEnabledFor(logging.INFO):
            self._logger.info(b"\n".join([_LINES[type(event)](event) for event in events]).decode())


def line_of(event: _Event) -> str:
    """One JSON object without line breaks."""
    return _LINES[type(event)](event).decode()


# ---------------------------------------------------------------- attempts and calls
# Most of such a line is the same for all calls of an action on a connection. It is written once, as a form; what
# differs is filled in, for half of what it takes to write the whole. Ids of executions are ours: letters and digits.

_K = TypeVar("_K")


class _Kept(dict[_K, bytes]):
    """Texts by what they are written from. When they are many, all are forgotten and written anew."""

    def __init__(self, write: Callable[[_K], bytes]) -> None:
        self._write = write

    def __missing__(self, key: _K) -> bytes:
        if len(self) >= _MOST:
            self.clear()
        self[key] = written = self._write(key)
        return written


def _attempt(event: AttemptEvent) -> bytes:
    (execution_id, tenant, integration, action, connection, step, number, signs_in, at, waited_ms, latency_ms,
     method, host, status, error_code, provider_code, sent, received) = event  # fmt: skip
    form = _ATTEMPTS[tenant, integration, action, connection, step, number, method, host, signs_in, status]
    line = form % (_utc(at), execution_id.encode(), waited_ms, latency_ms, sent, received)
    if error_code is None and provider_code is None:
        return line
    return _with(line, {"errorCode": error_code, "providerCode": provider_code})


def _attempt_form(key: tuple[str, str, str, str, str, int, str, str, bool, int | None]) -> bytes:
    *first, signs_in, status = key
    names = ("tenantId", "integrationId", "actionId", "connectionId", "step", "attempt", "method", "host")
    figures = b'"waitedMs":%.1f,"latencyMs":%.1f,"sentBytes":%d,"receivedBytes":%d'
    last = {"signsIn": signs_in or None, "httpStatus": status}
    return _form("attempt", dict(zip(names, first, strict=True)), figures, last)


def _call(event: CallEvent) -> bytes:
    (execution_id, tenant, integration, action, connection, at, latency_ms, ending, error_code, provider_code,
     status, attempts, is_test, trace_id) = event  # fmt: skip
    form = _CALLS[tenant, integration, connection, ending, len(attempts), action, is_test, status]
    line = form % (_utc(at), execution_id.encode(), latency_ms)
    if error_code is None and provider_code is None and trace_id is None:
        return line
    return _with(line, {"traceId": trace_id, "errorCode": error_code, "providerCode": provider_code})


def _call_form(key: tuple[str, str, str, str, int, str | None, bool, int | None]) -> bytes:
    tenant, integration, connection, ending, attempts, action, is_test, status = key
    first = {"tenantId": tenant, "integrationId": integration, "connectionId": connection, "status": ending}
    last = {"attempts": attempts, "actionId": action, "isTest": is_test or None, "httpStatus": status}
    return _form("call", first, b'"latencyMs":%d', last)


def _form(kind: str, before: Mapping[str, Any], figures: bytes, after: Mapping[str, Any]) -> bytes:
    """To be filled in with time, execution id, and the figures."""
    head, first, last = (_written(part)[1:-1].replace(b"%", b"%%") for part in ({"event": kind}, before, after))
    return b'{%b,"time":"%%b","executionId":"%%b",%b,%b%b}' % (head, first, figures, b"," + last if last else b"")


def _with(line: bytes, more: Mapping[str, Any]) -> bytes:
    return line[:-1] + b"," + _written(more)[1:]


def _utc(at: float) -> bytes:
    """Epoch seconds as RFC 3339 text, to the microsecond as datetime rounds it."""
    second = floor(at)
    micro = round((at - second) * 1e6)
    if 0 < micro < 1_000_000:
        return b"%b.%06dZ" % (_SECONDS[second], micro)
    return _SECONDS[second + bool(micro)] + b"Z"


def _second(epoch: int) -> bytes:
    return datetime.fromtimestamp(epoch, UTC).strftime("%Y-%m-%dT%H:%M:%S").encode()


_ATTEMPTS, _CALLS, _SECONDS = _Kept(_attempt_form), _Kept(_call_form), _Kept(_second)


# ---------------------------------------------------------------- messages and deliveries


def _message(event: MessageEvent) -> bytes:
    line = {
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
    return _written(line)


def _delivery(event: DeliveryEvent) -> bytes:
    line = {
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
    return _written(line)


def _written(members: Mapping[str, Any]) -> bytes:
    """A JSON object of what is known."""
    known = {name: value for name, value in members.items() if value is not None}
    return orjson.dumps(known, option=orjson.OPT_UTC_Z)


_LINES: Mapping[type[_Event], Callable[[Any], bytes]] = {
    AttemptEvent: _attempt,
    CallEvent: _call,
    MessageEvent: _message,
    DeliveryEvent: _delivery,
}
