"""Figures: counted right, written as Prometheus reads them, and bounded in number."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from engine.telemetry import prometheus
from engine.telemetry.metrics import BUCKETS, Metrics
from tests.support.scene import running
from tests.support.specs import HOST, action, spec
from tests.support.upstream import answer
from tests.telemetry.samples import attempt, call, delivery

_SAMPLE = re.compile(r'([a-z_]+)(?:\{((?:[a-z_]+="(?:[^"\\\n]|\\[\\"n])*",?)*)\})? (\S+)')


def samples(text: str) -> dict[tuple[str, str], float]:
    """Every sample of a scrape; a line that is none and no comment is an AssertionError."""
    found: dict[tuple[str, str], float] = {}
    for line in text.removesuffix("\n").split("\n"):
        if line.startswith(("# HELP ", "# TYPE ")):
            continue
        match = _SAMPLE.fullmatch(line)
        assert match, line
        name, labels, value = match.groups(default="")
        assert (name, labels) not in found
        found[name, labels] = float(value)
    return found


def scrape(metrics: Metrics, open_circuits: Any = None) -> dict[tuple[str, str], float]:
    return samples(metrics.text({} if open_circuits is None else open_circuits))


def test_calls_are_counted_by_outcome() -> None:
    metrics = Metrics()
    for event in (call(), call(), call(error_code="TIMEOUT"), call(action_id=None, error_code="ACTION_NOT_FOUND")):
        metrics.call(event)
    found = scrape(metrics)
    labels = 'integration="acme-shipping",action="{}",code="{}"'
    counts = {(a, c): found["integrations_calls_total", labels.format(a, c)] for a, c in (
        ("quote", "OK"), ("quote", "TIMEOUT"), ("", "ACTION_NOT_FOUND"))}  # fmt: skip
    assert list(counts.values()) == [2, 1, 1]


def test_attempts_are_counted_by_class_of_status() -> None:
    metrics = Metrics()
    for status in (200, 204, 302, 429, 503, None):
        metrics.attempt(attempt(http_status=status))
    found = scrape(metrics)
    counts = {
        kind: found["integrations_attempts_total", f'integration="acme-shipping",http_class="{kind}"']
        for kind in ("2xx", "3xx", "4xx", "5xx", "none")
    }
    assert counts == {"2xx": 2, "3xx": 1, "4xx": 1, "5xx": 1, "none": 1}


def test_attempts_to_deliver_are_counted_by_outcome_and_the_lag_is_that_of_what_got_through() -> None:
    metrics = Metrics()
    for outcome, lag in (("retry", 20.0), ("retry", 5_100.0), ("delivered", 305_000.0), ("dead", 9e8)):
        metrics.delivery(delivery(outcome=outcome, lag_ms=lag))
    found = scrape(metrics)
    own = 'integration="acme-shipping"'
    counts = {k: found["integrations_deliveries_total", f'{own},outcome="{k}"'] for k in ("retry", "delivered", "dead")}
    assert counts == {"retry": 2, "delivered": 1, "dead": 1}
    assert found["integrations_delivery_lag_seconds_count", own] == 1
    assert found["integrations_delivery_lag_seconds_sum", own] == 305


def test_refusals_of_our_limits_are_counted_and_those_of_providers_are_not() -> None:
    metrics = Metrics()
    metrics.call(call(error_code="RATE_LIMITED", http_status=None))
    metrics.call(call(error_code="RATE_LIMITED", http_status=429))
    assert scrape(metrics)["integrations_rejected_by_limit_total", 'integration="acme-shipping"'] == 1


@given(st.lists(st.integers(0, 60_000), max_size=50))
def test_a_histogram_holds_every_call_once_in_its_bucket(latencies: list[int]) -> None:
    metrics = Metrics()
    for latency in latencies:
        metrics.call(call(latency_ms=latency))
    found = scrape(metrics)
    if latencies:
        own = 'integration="acme-shipping"'
        for bound in BUCKETS:
            count = found["integrations_call_seconds_bucket", f'{own},le="{bound!r}"']
            assert count == sum(latency / 1000 <= bound for latency in latencies)
        assert found["integrations_call_seconds_bucket", f'{own},le="+Inf"'] == len(latencies)
        assert found["integrations_call_seconds_count", own] == len(latencies)
        assert abs(found["integrations_call_seconds_sum", own] - sum(latencies) / 1000) < 1e-6


def test_open_circuits_are_read_at_the_scrape() -> None:
    found = scrape(Metrics(), {"acme-shipping": 2})
    assert found["integrations_circuits_open", 'integration="acme-shipping"'] == 2
    assert found["integrations_store_up", ""] == 1


def test_without_a_store_the_rest_is_told_all_the_same() -> None:
    metrics = Metrics()
    metrics.call(call())
    found = samples(metrics.text(None))
    assert found["integrations_store_up", ""] == 0
    assert any(name == "integrations_calls_total" for name, _ in found)
    assert not any(name == "integrations_circuits_open" for name, _ in found)


@given(st.text(st.characters(codec="utf-8", exclude_categories=["Cc"]) | st.sampled_from('"\\\n'), max_size=20))
def test_a_label_of_any_text_stays_one_label(value: str) -> None:
    text = prometheus.counter("c", "A count.", ("of",), {(value,): 1})
    ((_, labels),) = samples(text)
    written = labels.removeprefix('of="').removesuffix('"')
    assert re.sub(r"\\(.)", lambda found: {"n": "\n"}.get(found[1], found[1]), written) == value


async def test_no_tenant_connection_or_host_is_a_label_and_callers_make_no_series(tmp_path: Path) -> None:
    metrics = Metrics()
    made = spec(action(), action("book", "write"))
    async with running(tmp_path, made, lambda _seen: answer({}, 503), observer=metrics) as scene:
        for number in range(5):
            await scene.call("book")
            await scene.call(f"no_such_action_{number}")
        text = metrics.text({})
        assert sum(name == "integrations_calls_total" for name, _ in samples(text)) == 2
        for unwanted in (scene.connection.tenant_id, scene.connection.connection_id, HOST, "no_such_action"):
            assert unwanted not in text
