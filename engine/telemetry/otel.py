"""Calls as OpenTelemetry spans and metrics, through the API package alone: which SDK takes them is the deployer's.

Import this file only where the `otel` extra may be installed. Spans are made when a call ends, with the times that
were measured: `execute ACTION`, and below it one span per attempt. The call continues the trace that is current (a
deployer's own instrumentation of the server), else the caller's `traceparent`.

It is handed on to a provider only where the spec says `http: {trace: true}`: a spec says every header that a request
carries, and signatures may cover them.
"""

from __future__ import annotations

from collections.abc import Mapping

from opentelemetry import metrics, trace
from opentelemetry.context import Context
from opentelemetry.trace import Span, SpanKind, Status, StatusCode, Tracer
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from engine.telemetry import caller
from engine.telemetry.events import AttemptEvent, CallEvent, DeliveryEvent, MessageEvent, Observer

NAME = "integrations"
_W3C = TraceContextTextMapPropagator()
_Attributes = dict[str, str | int | bool]


def observers(
    tracers: trace.TracerProvider | None = None, meters: metrics.MeterProvider | None = None
) -> tuple[Observer, ...]:
    """An observer for each provider that the deployer set up (globally, unless given); nobody listens to the others."""
    tracers = tracers or trace.get_tracer_provider()
    meters = meters or metrics.get_meter_provider()
    found: list[Observer] = []
    if _is_set_up(tracers):
        found.append(Traces(tracers))
    if _is_set_up(meters):
        found.append(Meters(meters))
    return tuple(found)


def _is_set_up(provider: object) -> bool:
    """The API's own providers drop what they get."""
    return not type(provider).__module__.startswith(("opentelemetry.trace", "opentelemetry.metrics"))


class Traces:
    """A span per call with a child per attempt."""

    def __init__(self, provider: trace.TracerProvider) -> None:
        self._tracer: Tracer = provider.get_tracer(NAME)

    def attempt(self, event: AttemptEvent) -> None:
        """Its span is made with that of the call, which is its parent."""

    def call(self, event: CallEvent) -> None:
        parent = _parent()
        began = _nanoseconds(event.at)
        span = self._tracer.start_span(
            f"execute {event.action_id or 'unknown action'}", parent, start_time=began, attributes=_of_call(event)
        )
        if span.is_recording():
            within = trace.set_span_in_context(span, parent)
            for attempt in event.attempts:
                self._attempt(attempt, within)
        _end(span, event.error_code, began + round(event.latency_ms * 1e6))

    def message(self, event: MessageEvent) -> None:
        began = _nanoseconds(event.at)
        found: _Attributes = {"integrations.outcome": event.outcome, "http.response.status_code": event.http_status}
        if event.integration_id is not None and event.connection_id is not None:
            found["integrations.integration"] = event.integration_id
            found["integrations.connection.id"] = event.connection_id
        span = self._tracer.start_span("receive", _parent(), kind=SpanKind.SERVER, start_time=began, attributes=found)
        _end(span, None, began + round(event.latency_ms * 1e6))

    def delivery(self, event: DeliveryEvent) -> None:
        began = _nanoseconds(event.at)
        found: _Attributes = {
            "integrations.outcome": event.outcome,
            "integrations.integration": event.integration_id,
            "integrations.event.id": event.event_id,
            "integrations.subscription.id": event.subscription_id,
            "integrations.attempt": event.number,
            "server.address": event.host,
        }
        if event.http_status is not None:
            found["http.response.status_code"] = event.http_status
        span = self._tracer.start_span("deliver", Context(), kind=SpanKind.CLIENT, start_time=began, attributes=found)
        _end(span, event.reason or None, began + round(event.latency_ms * 1e6))

    def _attempt(self, event: AttemptEvent, within: Context) -> None:
        began = _nanoseconds(event.at)
        span = self._tracer.start_span(
            event.method, within, kind=SpanKind.CLIENT, start_time=began, attributes=_of_attempt(event)
        )
        _end(span, event.error_code, began + round(event.latency_ms * 1e6))


def _parent() -> Context | None:
    """None = the current context."""
    if trace.get_current_span().get_span_context().is_valid:
        return None
    carried = caller.carrier()
    return _W3C.extract(carried) if carried else None


def _nanoseconds(epoch: float) -> int:
    return round(epoch * 1e9)


def _end(span: Span, error_code: str | None, at: int) -> None:
    if error_code is not None:
        span.set_status(Status(StatusCode.ERROR, error_code))
    span.end(at)


def _of_call(event: CallEvent) -> _Attributes:
    found: _Attributes = {
        "integrations.execution.id": event.execution_id,
        "integrations.tenant.id": event.tenant_id,
        "integrations.connection.id": event.connection_id,
        "integrations.integration": event.integration_id,
        "integrations.attempts": len(event.attempts),
    }
    if event.action_id is not None:
        found["integrations.action"] = event.action_id
    return _with_codes(found, event.error_code, event.provider_code)


def _of_attempt(event: AttemptEvent) -> _Attributes:
    found: _Attributes = {
        "http.request.method": event.method,
        "server.address": event.host,
        "http.request.body.size": event.sent_bytes,
        "http.response.body.size": event.received_bytes,
        "integrations.execution.id": event.execution_id,
        "integrations.step": event.step_id,
        "integrations.attempt": event.number,
        "integrations.waited_ms": round(event.waited_ms),
    }
    if event.http_status is not None:
        found["http.response.status_code"] = event.http_status
    return _with_codes(found, event.error_code, event.provider_code)


def _with_codes(found: _Attributes, error_code: str | None, provider_code: str | None) -> _Attributes:
    if error_code is not None:
        found["error.type"] = error_code
    if provider_code is not None:
        found["integrations.provider_code"] = provider_code
    return found


class Meters:
    """The figures of `Metrics` as OpenTelemetry instruments; no tenant, connection or host among the attributes."""

    def __init__(self, provider: metrics.MeterProvider) -> None:
        meter = provider.get_meter(NAME)
        self._calls = meter.create_histogram("integrations.call.duration", "s", "Calls from command to answer")
        self._upstream = meter.create_histogram("integrations.upstream.duration", "s", "Requests to providers")
        self._rejected = meter.create_counter("integrations.rejected_by_limit", "{call}", "Calls refused by a limit")
        self._messages = meter.create_counter("integrations.messages", "{message}", "Messages from providers")
        self._deliveries = meter.create_counter("integrations.deliveries", "{attempt}", "Attempts to deliver an event")

    def attempt(self, event: AttemptEvent) -> None:
        found: _Attributes = {"integrations.integration": event.integration_id}
        if event.http_status is not None:
            found["http.response.status_code"] = event.http_status
        self._upstream.record(event.latency_ms / 1000, _with_codes(found, event.error_code, None))

    def call(self, event: CallEvent) -> None:
        found: Mapping[str, str] = {"integrations.integration": event.integration_id}
        labels: _Attributes = {**found, "integrations.action": event.action_id or ""}
        self._calls.record(event.latency_ms / 1000, _with_codes(labels, event.error_code, None))
        if event.refused_by_limit:
            self._rejected.add(1, found)

    def message(self, event: MessageEvent) -> None:
        known = event.integration_id or ""
        self._messages.add(1, {"integrations.integration": known, "integrations.outcome": event.outcome})

    def delivery(self, event: DeliveryEvent) -> None:
        found: _Attributes = {"integrations.integration": event.integration_id, "integrations.outcome": event.outcome}
        self._deliveries.add(1, found)
