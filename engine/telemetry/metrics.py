"""Counters and histograms of this process, and their text for a scrape.

    integrations_calls_total{integration,action,code}      code OK = success, action empty = no such action
    integrations_call_seconds{integration}                 histogram
    integrations_attempts_total{integration,http_class}    2xx … 5xx; none = no answer came
    integrations_upstream_seconds{integration}             histogram: one attempt each
    integrations_rejected_by_limit_total{integration}      refused by a limit before anything was sent
    integrations_circuits_open{integration}                read at the scrape
    integrations_messages_total{integration,outcome}       messages from providers
    integrations_deliveries_total{integration,outcome}     attempts to deliver an event: delivered, retry or dead
    integrations_delivery_lag_seconds{integration}         histogram: from an event to a subscriber's 2xx

Labels come from the catalogue and from closed lists, so the number of series is bounded. A tenant, a connection, or a
host (a tenant may name one) is never a label.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterable, Mapping

from engine.telemetry import prometheus
from engine.telemetry.events import AttemptEvent, CallEvent, DeliveryEvent, MessageEvent
from engine.telemetry.prometheus import Labels

BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
"""Upper bounds in seconds."""


class Histogram:
    """Counts per bucket, each for itself; the last is what is above all bounds."""

    __slots__ = ("counts", "total")

    def __init__(self) -> None:
        self.counts = [0] * (len(BUCKETS) + 1)
        self.total = 0.0

    def note(self, seconds: float) -> None:
        self.counts[bisect_left(BUCKETS, seconds)] += 1
        self.total += seconds

    def add(self, other: Histogram) -> None:
        self.counts = [mine + theirs for mine, theirs in zip(self.counts, other.counts, strict=True)]
        self.total += other.total


class Metrics:
    """An observer that counts. All on the event loop, so nothing is locked.

    Calls and attempts are noted once each, by what the event says; a scrape makes every family of these notes.
    """

    def __init__(self) -> None:
        self.calls: dict[tuple[str, str | None, str | None], Histogram] = defaultdict(Histogram)
        self.attempts: dict[tuple[str, int | None], Histogram] = defaultdict(Histogram)
        self.rejected: dict[Labels, int] = defaultdict(int)
        self.messages: dict[Labels, int] = defaultdict(int)
        self.deliveries: dict[Labels, int] = defaultdict(int)
        self.delivery_lag: dict[str, Histogram] = defaultdict(Histogram)

    def attempt(self, event: AttemptEvent) -> None:
        self.attempts[event.integration_id, event.http_status].note(event.latency_ms / 1000)

    def call(self, event: CallEvent) -> None:
        code = event.error_code
        self.calls[event.integration_id, event.action_id, code].note(event.latency_ms / 1000)
        if code is not None and event.refused_by_limit:
            self.rejected[event.integration_id,] += 1

    def message(self, event: MessageEvent) -> None:
        self.messages[event.integration_id or "", event.outcome] += 1

    def delivery(self, event: DeliveryEvent) -> None:
        self.deliveries[event.integration_id, event.outcome] += 1
        if event.outcome == "delivered":
            self.delivery_lag[event.integration_id].note(event.lag_ms / 1000)

    def text(self, open_circuits: Mapping[str, int] | None) -> str:
        """Prometheus text 0.0.4. `open_circuits`: how many by integration; None = the store can't be asked."""
        calls = [((one, action or "", code or "OK"), noted) for (one, action, code), noted in self.calls.items()]
        attempts = [((one, _class_of(status)), noted) for (one, status), noted in self.attempts.items()]
        families = [
            prometheus.counter(
                "integrations_calls_total", "Calls by outcome.", ("integration", "action", "code"), _counted(calls)
            ),
            prometheus.histogram(
                "integrations_call_seconds", "Calls from the command to the answer.", BUCKETS, _timed(calls)
            ),
            prometheus.counter(
                "integrations_attempts_total",
                "Requests to providers.",
                ("integration", "http_class"),
                _counted(attempts),
            ),
            prometheus.histogram("integrations_upstream_seconds", "Requests to providers.", BUCKETS, _timed(attempts)),
            prometheus.counter(
                "integrations_rejected_by_limit_total", "Calls refused by a limit.", ("integration",), self.rejected
            ),
            prometheus.counter(
                "integrations_messages_total", "Messages from providers.", ("integration", "outcome"), self.messages
            ),
            prometheus.counter(
                "integrations_deliveries_total",
                "Attempts to deliver an event.",
                ("integration", "outcome"),
                self.deliveries,
            ),
            prometheus.histogram(
                "integrations_delivery_lag_seconds",
                "From an event to its subscriber's 2xx.",
                BUCKETS,
                self.delivery_lag,
            ),
            prometheus.gauge(
                "integrations_store_up", "The store can be asked.", (), {(): int(open_circuits is not None)}
            ),
        ]
        if open_circuits is not None:
            counts: dict[Labels, int] = {(name,): count for name, count in open_circuits.items()}
            families.append(
                prometheus.gauge("integrations_circuits_open", "Hosts not called for now.", ("integration",), counts)
            )
        return "".join(families)


def _class_of(status: int | None) -> str:
    return f"{status // 100}xx" if status is not None else "none"


def _counted(noted: Iterable[tuple[Labels, Histogram]]) -> Mapping[Labels, int]:
    """How many there were by labels."""
    found: dict[Labels, int] = defaultdict(int)
    for labels, one in noted:
        found[labels] += sum(one.counts)
    return found


def _timed(noted: Iterable[tuple[Labels, Histogram]]) -> Mapping[str, Histogram]:
    """How long they took by integration, which is the first of the labels."""
    found: dict[str, Histogram] = defaultdict(Histogram)
    for (integration, *_), one in noted:
        found[integration].add(one)
    return found
