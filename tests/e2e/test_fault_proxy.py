"""A network that breaks at every place: each call is answered truly, and no write is ever made twice."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.e2e.conftest import CREDENTIALS, acme
from tests.e2e.serving import Provider, connect, start, write_spec
from tests.support.fault_proxy import FAULTS, Fault, FaultProxy
from tests.support.specs import ID

CALLS = 240


@asynccontextmanager
async def _broken_network(
    tmp_path: Path, choose: Callable[[int], Fault | None]
) -> AsyncIterator[tuple[httpx.AsyncClient, str, Provider, FaultProxy]]:
    """A service whose provider is reached over a proxy that breaks what `choose` says."""
    specs = write_spec(tmp_path / "specs", acme())
    with Provider() as provider:
        async with FaultProxy(provider.upstream.port, choose) as proxy:
            wires = ("--specs", str(specs), "--upstream", f"{ID}={proxy.origin}")
            service = await asyncio.to_thread(start, tmp_path / "data", *wires)
            try:
                with service.client() as client:
                    connection = connect(client, ID, credentials=CREDENTIALS)
                async with service.async_client() as caller:
                    yield caller, connection, provider, proxy
            finally:
                await asyncio.to_thread(service.stop)
            assert "Traceback" not in service.output


async def _execute(client: httpx.AsyncClient, connection: str, action: str, given: dict[str, Any]) -> dict[str, Any]:
    reply = await client.post("/execute", json={"connectionId": connection, "actionId": action, "input": given})
    assert reply.status_code == 200, reply.text
    body: dict[str, Any] = reply.json()
    return body


def _orders(provider: Provider) -> Counter[int]:
    return Counter(seen.json()["order"] for seen in provider.seen if seen.path == "/book")


async def test_a_read_that_meets_a_fault_is_made_again(tmp_path: Path):
    planned: list[Fault] = []
    async with _broken_network(tmp_path, lambda _: planned.pop() if planned else None) as (
        client,
        connection,
        _,
        proxy,
    ):
        for fault in FAULTS:
            planned, before = [fault], proxy.requests
            assert (await _execute(client, connection, "quote", {"weight": 1}))["success"] is True
            assert proxy.requests - before == (1 if fault == "late" else 2), fault
        assert set(proxy.played) == set(FAULTS)


async def test_a_write_whose_answer_is_lost_is_unknown_and_never_sent_again(tmp_path: Path):
    planned: list[Fault] = []
    async with _broken_network(tmp_path, lambda _: planned.pop() if planned else None) as (
        client,
        connection,
        provider,
        _,
    ):
        for order, fault in enumerate(FAULTS):
            planned = [fault]
            done = await _execute(client, connection, "book", {"order": order})
            assert _orders(provider)[order] == (0 if fault == "reset before" else 1), fault
            if fault == "late":
                assert done["success"] is True
            else:
                assert (done["error"]["code"], done["error"]["retryable"]) == ("OUTCOME_UNKNOWN", False), fault
            assert planned == []


@pytest.mark.parametrize("seed", [1, *(pytest.param(seed, marks=pytest.mark.slow) for seed in range(2, 8))])
async def test_among_random_faults_every_answer_is_true(tmp_path: Path, seed: int):
    """A third of all requests break; reads and writes are mixed, twenty at a time."""
    chance = random.Random(seed)
    async with _broken_network(tmp_path, lambda _: chance.choice(FAULTS) if chance.random() < 1 / 3 else None) as (
        client,
        connection,
        provider,
        proxy,
    ):
        gate, said = asyncio.Semaphore(20), dict[int, dict[str, Any]]()

        async def one(order: int) -> None:
            async with gate:
                is_write = order % 2 == 1
                given = {"order": order} if is_write else {"weight": order + 1}
                said[order] = await _execute(client, connection, "book" if is_write else "quote", given)

        await asyncio.gather(*map(one, range(CALLS)))
        assert set(proxy.played) == set(FAULTS)
        booked = _orders(provider)
        assert max(booked.values()) == 1, "a write was sent twice"
        for order, answer in said.items():
            _is_true(order, answer, booked)


def _is_true(order: int, answer: dict[str, Any], booked: Counter[int]) -> None:
    """A success was done, "not reached" was not done, and what is not known is said to be unknown."""
    code = None if answer["success"] else answer["error"]["code"]
    if order % 2 == 0:
        assert code in (None, "PROVIDER_UNAVAILABLE", "CIRCUIT_OPEN"), answer
        assert code is None or answer["error"]["retryable"] is True
    elif code is None:
        assert booked[order] == 1
    elif code == "OUTCOME_UNKNOWN":
        assert answer["error"]["retryable"] is False
    else:
        assert code in ("PROVIDER_UNAVAILABLE", "CIRCUIT_OPEN"), answer
        assert booked[order] == 0
