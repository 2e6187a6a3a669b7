"""OpenTelemetry: spans and metrics through the API, taken by a real SDK; the caller's trace goes on."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry import metrics, trace
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode

from engine.telemetry import caller, otel
from tests.house.source import ROOT
from tests.support.scene import replies, running
from tests.support.specs import spec
from tests.support.upstream import answer
from tests.telemetry.samples import AT, attempt, call, delivery, message

TRACE_ID = "0af7651916cd43dd8448eb211c80319c"
PARENT = f"00-{TRACE_ID}-b7ad6b7169203331-01".encode()


@pytest.fixture
def exporter() -> InMemorySpanExporter:
    return InMemorySpanExporter()


@pytest.fixture
def tracers(exporter: InMemorySpanExporter) -> Iterator[TracerProvider]:
    made = TracerProvider(shutdown_on_exit=False)
    made.add_span_processor(SimpleSpanProcessor(exporter))
    yield made
    made.shutdown()
    caller.remember({})


def test_a_call_is_a_span_with_a_child_for_each_attempt_at_the_measured_times(tracers, exporter) -> None:
    first = attempt(http_status=503, error_code="PROVIDER_UNAVAILABLE", at=AT + 0.001)
    second = attempt(number=2, at=AT + 0.2, latency_ms=30.5)
    otel.Traces(tracers).call(call(first, second, latency_ms=231))
    one, two, whole = exporter.get_finished_spans()
    assert (whole.name, one.name, two.name) == ("execute quote", "GET", "GET")
    assert one.parent.span_id == two.parent.span_id == whole.context.span_id
    assert (one.kind, whole.parent) == (SpanKind.CLIENT, None)
    assert (whole.start_time, whole.end_time - whole.start_time) == (round(AT * 1e9), 231_000_000)
    assert two.end_time - two.start_time == 30_500_000
    assert (one.status.status_code, two.status.status_code) == (StatusCode.ERROR, StatusCode.UNSET)
    assert one.attributes["http.response.status_code"] == 503
    assert one.attributes["error.type"] == "PROVIDER_UNAVAILABLE"
    assert whole.attributes["integrations.attempts"] == 2


def test_the_callers_trace_goes_on(tracers, exporter) -> None:
    caller.remember({b"traceparent": PARENT, b"tracestate": b"vendor=1"})
    otel.Traces(tracers).call(call(attempt()))
    child, whole = exporter.get_finished_spans()
    assert f"{whole.context.trace_id:032x}" == f"{child.context.trace_id:032x}" == TRACE_ID
    assert f"{whole.parent.span_id:016x}" == "b7ad6b7169203331"
    assert whole.context.trace_state["vendor"] == "1"


def test_a_span_that_the_deployers_server_opened_is_the_nearer_parent(tracers, exporter) -> None:
    caller.remember({b"traceparent": PARENT})
    with tracers.get_tracer("server").start_as_current_span("POST /execute") as outer:
        otel.Traces(tracers).call(call())
    whole = exporter.get_finished_spans()[0]
    assert whole.parent.span_id == outer.get_span_context().span_id


def test_a_request_without_a_trace_is_not_in_the_one_before(tracers, exporter) -> None:
    caller.remember({b"traceparent": PARENT})
    caller.remember({})
    otel.Traces(tracers).call(call())
    assert exporter.get_finished_spans()[0].parent is None


@pytest.mark.parametrize(
    "given",
    [
        b"",
        b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331",
        b"00-00000000000000000000000000000000-b7ad6b7169203331-01",
        b"00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01",
        b"00-0AF7651916CD43DD8448EB211C80319C-b7ad6b7169203331-01",
        b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01\n",
        b'{"canary": "4711"}',
    ],
)
def test_a_malformed_traceparent_is_none(given: bytes) -> None:
    caller.remember({b"traceparent": given})
    assert (caller.trace_id(), caller.carrier()) == (None, {})
    caller.remember({})


@given(st.binary(max_size=80), st.binary(max_size=80))
def test_whatever_a_caller_sends_a_trace_id_is_hex_or_nothing(parent: bytes, state: bytes) -> None:
    caller.remember({b"traceparent": parent, b"tracestate": state})
    found = caller.trace_id()
    assert found is None or (len(found) == 32 and set(found) <= set("0123456789abcdef"))
    caller.remember({})


async def test_a_trace_is_not_handed_on_to_a_provider(tmp_path: Path, tracers) -> None:
    """The spec says every header of a request."""
    caller.remember({b"traceparent": PARENT})
    async with running(tmp_path, spec(), observer=otel.Traces(tracers)) as scene:
        await scene.call()
        assert "traceparent" not in scene.upstream.seen[0].headers


async def test_the_spans_of_a_real_call_tell_its_attempts(tmp_path: Path, tracers, exporter) -> None:
    async with running(tmp_path, spec(), replies({}, 503), observer=otel.Traces(tracers)) as scene:
        done = await scene.call()
    *tries, whole = exporter.get_finished_spans()
    assert len(tries) == 3
    assert {span.attributes["integrations.execution.id"] for span in (*tries, whole)} == {done.execution_id}


def test_a_message_is_a_span_and_one_to_nowhere_names_nobody(tracers, exporter) -> None:
    traces = otel.Traces(tracers)
    traces.message(message())
    traces.message(message(tenant_id=None, integration_id=None, connection_id=None, outcome="refused", http_status=401))
    known, stray = exporter.get_finished_spans()
    assert (known.name, known.kind, known.end_time - known.start_time) == ("receive", SpanKind.SERVER, 3_500_000)
    assert known.attributes["integrations.connection.id"] == "connection-1"
    assert dict(stray.attributes) == {"integrations.outcome": "refused", "http.response.status_code": 401}


def _points(reader: InMemoryMetricReader) -> dict[str, list[Any]]:
    found = reader.get_metrics_data()
    assert found is not None
    every = [metric for of in found.resource_metrics for scope in of.scope_metrics for metric in scope.metrics]
    return {metric.name: list(metric.data.data_points) for metric in every}


def test_an_attempt_to_deliver_is_a_span_of_its_own_that_belongs_to_no_request(tracers, exporter) -> None:
    caller.remember({b"traceparent": PARENT})
    otel.Traces(tracers).delivery(delivery(http_status=503, outcome="retry", reason="the subscriber answered 503"))
    (span,) = exporter.get_finished_spans()
    assert (span.name, span.kind, span.parent) == ("deliver", SpanKind.CLIENT, None)
    assert (span.start_time, span.end_time - span.start_time) == (round(AT * 1e9), 20_000_000)
    assert span.status.status_code is StatusCode.ERROR
    assert span.attributes["integrations.subscription.id"] == "subscription-1"


async def test_metrics_name_no_tenant_connection_or_host(tmp_path: Path) -> None:
    reader = InMemoryMetricReader()
    meters = MeterProvider([reader], shutdown_on_exit=False)
    observer = otel.Meters(meters)
    async with running(tmp_path, spec(), lambda _seen: answer({"ok": True}), observer=observer) as scene:
        await scene.call()
    observer.call(call(error_code="RATE_LIMITED", http_status=None))
    observer.message(message())
    observer.delivery(delivery())
    points = _points(reader)
    assert {name: len(found) for name, found in points.items()} == {
        "integrations.call.duration": 2,
        "integrations.upstream.duration": 1,
        "integrations.rejected_by_limit": 1,
        "integrations.messages": 1,
        "integrations.deliveries": 1,
    }
    keys = {key for found in points.values() for point in found for key in point.attributes}
    assert keys == {
        "integrations.integration",
        "integrations.action",
        "integrations.outcome",
        "error.type",
        "http.response.status_code",
    }
    meters.shutdown()


def test_where_no_sdk_is_set_up_nobody_observes(tracers) -> None:
    assert otel.observers(trace.ProxyTracerProvider(), metrics.NoOpMeterProvider()) == ()
    assert otel.observers() == ()
    (one,) = otel.observers(tracers, metrics.NoOpMeterProvider())
    assert isinstance(one, otel.Traces)


_WITHOUT = """
import sys
from importlib.abc import MetaPathFinder

class Absent(MetaPathFinder):
    def find_spec(self, name, path, target=None):
        if name.partition(".")[0] == "opentelemetry":
            raise ModuleNotFoundError(name)

sys.meta_path.insert(0, Absent())
from engine.bootstrap import open_observer
from engine.telemetry.metrics import Metrics

open_observer(Metrics())
print(any(name.startswith("opentelemetry") for name in sys.modules))
"""


def test_without_the_extra_the_engine_runs_all_the_same() -> None:
    done = subprocess.run(
        [sys.executable, "-c", _WITHOUT], cwd=ROOT, capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.returncode, done.stdout.strip()) == (0, "False"), done.stderr


def test_events_can_not_be_changed_by_an_observer() -> None:
    with pytest.raises(AttributeError):
        attempt().host = "elsewhere"  # type: ignore[misc]
