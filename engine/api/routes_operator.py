"""What operators watch: figures for a scrape, and what is out of order now. Needs the service token, no tenant."""

from __future__ import annotations

import math
from collections import Counter
from typing import Any

from engine.api import views
from engine.api.fields import NOON, ref
from engine.api.operations import Operation
from engine.api.site import Site
from engine.api.wire import Call, Reply, ok
from engine.errors import StorageError
from engine.runtime.circuits import OpenCircuit, open_circuits, waiting_connections
from engine.telemetry.prometheus import CONTENT_TYPE


async def metrics(site: Site, _call: Call) -> Reply:
    """Never fails for the store: what this process counted is told all the same."""
    found: Counter[str] | None
    try:
        found = Counter(one.integration_id for one in await _open_circuits(site))
    except StorageError:
        found = None
    return Reply(site.metrics.text(found).encode(), content_type=CONTENT_TYPE.encode())


async def status(site: Site, _call: Call) -> Reply:
    """Always 200: it tells; `/readyz` judges."""
    view: dict[str, Any] = {"store": "ok", "integrations": len(site.engine.catalog.integrations)}
    if site.sandbox:
        view["sandbox"] = True
    try:
        view["openCircuits"] = [_circuit(one) for one in await _open_circuits(site)]
        view["waitingConnections"] = await waiting_connections(site.engine.store.state)
    except StorageError:
        view["store"] = "unavailable"
    return ok(view)


async def _open_circuits(site: Site) -> list[OpenCircuit]:
    await site.engine.store.lifetime.check()
    return await open_circuits(site.engine.store.state, site.engine.clock.now())


def _circuit(one: OpenCircuit) -> dict[str, Any]:
    return {
        "integrationId": one.integration_id,
        "host": one.host,
        "since": views.moment(one.since),
        "retryInMs": math.ceil(one.retry_in * 1000),
    }


_HEALTHY = {"store": "ok", "integrations": 20, "openCircuits": [], "waitingConnections": 0}
_OPEN = {"integrationId": "shipping-acme", "host": "api.example.com", "since": NOON, "retryInMs": 21000}
_SCRAPE = """\
# HELP integrations_calls_total Calls by outcome.
# TYPE integrations_calls_total counter
integrations_calls_total{integration="shipping-acme",action="calculate_fee",code="OK"} 41
"""

OPERATIONS: tuple[Operation, ...] = (
    Operation(
        "metrics.get",
        "GET",
        "/metrics",
        metrics,
        "Figures of this process, in the text format of Prometheus.",
        {"type": "string"},
        access="token",
        answer_type=CONTENT_TYPE,
        examples={"scrape": _SCRAPE},
    ),
    Operation(
        "status.get",
        "GET",
        "/status",
        status,
        "What is out of order now: the store, and the hosts that are not called for a while.",
        ref("Status"),
        access="token",
        examples={"healthy": _HEALTHY, "a provider is down": {**_HEALTHY, "openCircuits": [_OPEN]}},
    ),
)
