"""Log lines: one JSON object per event, nothing secret in it, and never a reason for a call to wait."""

from __future__ import annotations

import asyncio
import base64
import json
import logging
import logging.config
import os
import urllib.parse
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from engine.cli.log_lines import LineWriter, calls_logged_to
from engine.telemetry import lines
from engine.telemetry.events import Fan
from engine.telemetry.lines import LOGGER, JsonLines, line_of
from engine.telemetry.metrics import Metrics
from engine.telemetry.otel import Traces
from tests.support.scene import running
from tests.support.specs import action, fields, spec, text
from tests.support.upstream import Reply, Seen, answer
from tests.telemetry.samples import attempt, call, delivery, message

CANARY = 'canary/+ "4711" of the tests'


def read(file: Path) -> list[Any]:
    return [json.loads(line) for line in file.read_text().splitlines()]


def test_a_line_is_one_json_object_and_what_is_unknown_is_left_out() -> None:
    known = json.loads(line_of(call(attempt(), error_code="TIMEOUT", http_status=None)))
    assert known == {
        "event": "call",
        "time": "2026-05-01T01:46:40.250000Z",
        "executionId": "01JTXK3V9QW8Z2M4N6P8R0S2T4",
        "tenantId": "tenant-a",
        "integrationId": "acme-shipping",
        "actionId": "quote",
        "connectionId": "connection-1",
        "status": "success",
        "latencyMs": 42,
        "attempts": 1,
        "errorCode": "TIMEOUT",
    }
    tried = json.loads(line_of(attempt(provider_code="a\nb", signs_in=True)))
    assert (tried["event"], tried["providerCode"], tried["signsIn"]) == ("attempt", "a\nb", True)
    assert "\n" not in line_of(attempt(provider_code="a\nb"))
    assert not {"errorCode", "isTest", "traceId"} & tried.keys()
    nowhere = json.loads(line_of(message(tenant_id=None, integration_id=None, connection_id=None, outcome="refused")))
    assert nowhere == {
        "event": "message",
        "time": "2026-05-01T01:46:40.250000Z",
        "outcome": "refused",
        "events": 1,
        "httpStatus": 200,
        "latencyMs": 3.5,
        "receivedBytes": 120,
    }
    undelivered = delivery(outcome="retry", http_status=None, reason="no whole answer came in time")
    assert json.loads(line_of(undelivered)) == {
        "event": "delivery",
        "time": "2026-05-01T01:46:40.250000Z",
        "tenantId": "tenant-a",
        "integrationId": "acme-shipping",
        "connectionId": "connection-1",
        "subscriptionId": "subscription-1",
        "deliveryId": "delivery-1",
        "eventId": "01JTXK3V9QW8Z2M4N6P8R0S2T4",
        "attempt": 1,
        "host": "hooks.example.com",
        "outcome": "retry",
        "reason": "no whole answer came in time",
        "latencyMs": 20.0,
        "lagMs": 45.0,
    }


_TEXTS = st.text(st.characters(exclude_categories=["Cs"]) | st.sampled_from('%"\\\n'), max_size=8)
_STATUSES = st.none() | st.integers(100, 599)
_CODES = {"error_code": st.none() | st.just("TIMEOUT"), "provider_code": st.none() | _TEXTS}
_IDS = dict.fromkeys(("tenant_id", "integration_id", "action_id", "connection_id"), _TEXTS)
_MS = st.floats(0, 1e9)
_AT = st.floats(1e9, 4e9) | st.integers(10**9, 4 * 10**9).map(float) | st.just(1_777_600_000.9999998)


def _time_of(at: float) -> str:
    return str(datetime.fromtimestamp(at, UTC).replace(tzinfo=None).isoformat()) + "Z"


def _known(**members: Any) -> str:
    """As the standard library writes what is known."""
    kept = {name: value for name, value in members.items() if value is not None}
    return json.dumps(kept, ensure_ascii=False, separators=(",", ":"))


def _same(line: str, **members: Any) -> bool:
    """The same members with the same values in the same order."""
    return list(json.loads(line).items()) == list(json.loads(_known(**members)).items())


@given(
    st.fixed_dictionaries(
        {**_IDS, **_CODES, "step_id": _TEXTS, "host": _TEXTS, "at": _AT, "waited_ms": _MS, "latency_ms": _MS}
        | {"http_status": _STATUSES, "signs_in": st.booleans(), "number": st.integers(1, 9)}
        | {"sent_bytes": st.integers(0, 2**40), "received_bytes": st.integers(0, 2**40)}
    )
)
def test_a_line_of_an_attempt_holds_every_field_in_its_place(given_fields: dict[str, Any]) -> None:
    one = attempt(**given_fields)
    assert _same(
        line_of(one), event="attempt", time=_time_of(one.at), executionId=one.execution_id, tenantId=one.tenant_id,
        integrationId=one.integration_id, actionId=one.action_id, connectionId=one.connection_id, step=one.step_id,
        attempt=one.number, method=one.method, host=one.host, waitedMs=round(one.waited_ms, 1),
        latencyMs=round(one.latency_ms, 1), sentBytes=one.sent_bytes, receivedBytes=one.received_bytes,
        signsIn=one.signs_in or None, httpStatus=one.http_status, errorCode=one.error_code,
        providerCode=one.provider_code,
    )  # fmt: skip


@given(
    st.fixed_dictionaries(
        {**_IDS, **_CODES, "action_id": st.none() | _TEXTS, "at": _AT, "latency_ms": st.integers(0, 2**40)}
        | {"http_status": _STATUSES, "is_test": st.booleans(), "status": st.sampled_from(["success", "timeout"])}
        | {"trace_id": st.none() | st.just("0af7651916cd43dd8448eb211c80319c")}
    ),
    st.integers(0, 3),
)
def test_a_line_of_a_call_holds_every_field_in_its_place(given_fields: dict[str, Any], attempts: int) -> None:
    one = call(*[attempt()] * attempts, **given_fields)
    assert _same(
        line_of(one), event="call", time=_time_of(one.at), executionId=one.execution_id, tenantId=one.tenant_id,
        integrationId=one.integration_id, connectionId=one.connection_id, status=one.status, latencyMs=one.latency_ms,
        attempts=attempts, actionId=one.action_id, isTest=one.is_test or None, httpStatus=one.http_status,
        traceId=one.trace_id, errorCode=one.error_code, providerCode=one.provider_code,
    )  # fmt: skip


def test_what_is_kept_of_lines_does_not_grow_with_the_number_of_connections() -> None:
    made = [line_of(attempt(connection_id=f"connection-{number}")) for number in (*range(2500), 0)]
    assert [json.loads(line)["connectionId"] for line in made] == [f"connection-{n}" for n in (*range(2500), 0)]
    assert 0 < len(lines._ATTEMPTS) <= 1000


async def test_lines_come_in_the_order_of_the_events_and_none_is_lost_at_the_end(tmp_path: Path) -> None:
    file = tmp_path / "lines"
    descriptor = os.open(file, os.O_WRONLY | os.O_CREAT)
    with calls_logged_to(descriptor) as observer:
        for number in range(2500):
            observer.attempt(attempt(number=number))
            observer.call(call(latency_ms=number))
    os.close(descriptor)
    found = read(file)
    assert [line["attempt"] for line in found[::2]] == list(range(2500))
    assert [line["latencyMs"] for line in found[1::2]] == list(range(2500))


async def test_lines_are_written_soon_without_being_asked_for(tmp_path: Path) -> None:
    file = tmp_path / "lines"
    descriptor = os.open(file, os.O_WRONLY | os.O_CREAT)
    with calls_logged_to(descriptor) as observer:
        observer.call(call())
        for _ in range(500):
            if file.stat().st_size:
                break
            await asyncio.sleep(0.01)
        assert len(read(file)) == 1
    os.close(descriptor)


async def test_a_server_that_configures_logging_anew_does_not_silence_the_lines(tmp_path: Path) -> None:
    file = tmp_path / "lines"
    descriptor = os.open(file, os.O_WRONLY | os.O_CREAT)
    before = logging.root.handlers[:]
    with calls_logged_to(descriptor) as observer:
        logging.config.dictConfig({"version": 1, "disable_existing_loggers": False})
        observer.call(call())
    logging.root.handlers[:] = before
    os.close(descriptor)
    assert len(read(file)) == 1


async def test_without_somebody_who_wants_them_no_line_is_made(caplog: pytest.LogCaptureFixture) -> None:
    observer = JsonLines()
    with caplog.at_level(logging.WARNING, LOGGER):
        observer.call(call())
        observer.flush()
    assert caplog.records == []


def test_a_pipe_that_nobody_reads_holds_up_nobody_and_what_is_dropped_is_told() -> None:
    reader, writer = os.pipe()
    handler = LineWriter(writer)
    text = "\n".join(["x" * 999] * 1000)  # a megabyte
    for _ in range(20):
        handler.emit(logging.LogRecord(LOGGER, logging.INFO, "", 0, text, None, None))
    received = b""
    while b"dropped" not in received:
        received = received[-100:] + os.read(reader, 1 << 20)
    handler.end()
    os.close(writer)
    received += os.read(reader, 1 << 20)
    os.close(reader)
    dropped = json.loads(received[received.index(b'{"event"') :].splitlines()[0])
    assert dropped["event"] == "dropped"
    assert 0 < dropped["lines"] < 20_000


def test_a_reader_that_is_gone_does_no_harm() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    handler = LineWriter(writer)
    for _ in range(3):
        handler.emit(logging.LogRecord(LOGGER, logging.INFO, "", 0, "line", None, None))
    handler.end()
    os.close(writer)


# ---------------------------------------------------------------- canary


def _spellings(secret: str) -> list[str]:
    raw = secret.encode()
    return [
        secret,
        urllib.parse.quote(secret, safe=""),
        urllib.parse.quote_plus(secret),
        json.dumps(secret)[1:-1],
        *(base64.b64encode(b"\0" * ahead + raw).decode()[4:-4] for ahead in range(3)),
    ]


def _echo(seen: Seen) -> Reply:
    """A provider that repeats all it was told, wherever it can."""
    said = f"{seen.headers.get('authorization')} {seen.query} {seen.body.decode()}"
    return answer({"code": f"E {CANARY}", "why": said}, 422, x_request_id=CANARY)


async def test_no_secret_and_nothing_of_the_input_is_in_any_line_figure_or_span(tmp_path: Path) -> None:
    exporter, tracers, metrics = InMemorySpanExporter(), TracerProvider(), Metrics()
    tracers.add_span_processor(SimpleSpanProcessor(exporter))
    file = tmp_path / "lines"
    descriptor = os.open(file, os.O_WRONLY | os.O_CREAT)
    shout = action(
        inputSchema=fields(("note", "receiverPhone"), note=text(), receiverPhone=text()),
        request={
            "method": "GET",
            "path": "/shout/{{ input.note }}",
            "query": {"phone": "{{ input.receiverPhone }}"},
        },
    )
    made = spec(shout, answer={"code": "body.code", "message": "body.why"})
    made["auth"][0]["apply"] = {
        "headers": {"Authorization": "Bearer {{ credentials.apiKey | base64 }}"},
        "query": {"key": "{{ credentials.apiKey }}"},
    }
    with calls_logged_to(descriptor) as observer:
        everybody = Fan((observer, metrics, Traces(tracers)))
        async with running(tmp_path, made, _echo, credentials={"apiKey": CANARY}, observer=everybody) as scene:
            await scene.call("quote", {"note": "note-of-the-input", "receiverPhone": "0900000001"})
            assert scene.seen == 1
    os.close(descriptor)
    spans = " ".join(span.to_json() for span in exporter.get_finished_spans())
    everything = file.read_text() + metrics.text({}) + spans
    assert "INVALID_INPUT" in everything
    assert "E ***" in everything
    for secret in (*_spellings(CANARY), "note-of-the-input", "0900000001", "/shout"):
        assert secret not in everything
    tracers.shutdown()
