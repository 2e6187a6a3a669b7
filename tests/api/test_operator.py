"""What operators watch: `/metrics` and `/status`, with the token and without a tenant."""

from __future__ import annotations

from pathlib import Path

import httpx
import pytest

from engine.runtime import breaker
from engine.runtime.limits import block
from engine.storage.sqlite import open_store
from tests.api.conformance import Checked
from tests.api.support import AUTHORISED, START, SmallEngine, app_over


@pytest.mark.parametrize("path", ["/metrics", "/status"])
async def test_they_need_the_token_and_no_tenant(engine, path):
    transport = Checked(httpx.ASGITransport(app_over(engine)))
    async with httpx.AsyncClient(transport=transport, base_url="http://api") as client:
        assert (await client.get(path)).status_code == 401
        assert (await client.get(path, headers=AUTHORISED)).status_code == 200
        assert (await client.post(path, headers=AUTHORISED)).status_code == 405


async def _break(engine, key: str, failures: int) -> None:
    for _ in range(failures):
        await breaker.note(engine.store.state, key, START, "TIMEOUT")


async def test_status_shows_the_open_circuits_and_readyz_does_not_mind(api, engine):
    await _break(engine, breaker.key_of("acme-parcels", "api.example.com"), 10)
    await _break(engine, breaker.key_of("acme-parcels", "other.example.com"), 9)
    await block(engine.store.state, "blocked:acme:1", START, 600)
    status = (await api.get("/status")).json()
    (circuit,) = status.pop("openCircuits")
    assert status == {"store": "ok", "integrations": 2, "waitingConnections": 1}
    assert 0 < circuit.pop("retryInMs") <= 30_000
    assert circuit == {
        "integrationId": "acme-parcels",
        "host": "api.example.com",
        "since": "2026-05-01T01:46:40.000Z",
    }
    assert (await api.get("/readyz")).status_code == 200


async def test_metrics_count_the_open_circuits_by_integration(api, engine):
    for host in ("a.example.com", "b.example.com"):
        await _break(engine, breaker.key_of("acme-parcels", host), 10)
    answer = await api.get("/metrics")
    assert 'integrations_circuits_open{integration="acme-parcels"} 2\n' in answer.text
    assert "example.com" not in answer.text


async def test_without_a_store_both_still_answer(tmp_path: Path):
    store = open_store(data_dir=tmp_path)
    await store.lifetime.close()
    transport = Checked(httpx.ASGITransport(app_over(SmallEngine(store))))
    async with httpx.AsyncClient(transport=transport, base_url="http://api", headers=AUTHORISED) as client:
        assert (await client.get("/status")).json() == {"store": "unavailable", "integrations": 2}
        assert "integrations_store_up 0\n" in (await client.get("/metrics")).text
