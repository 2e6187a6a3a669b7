"""`kill -9` at any moment: what was answered is in the log, and no order is booked twice."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.e2e.conftest import CREDENTIALS, acme
from tests.e2e.serving import Provider, Service, connect, start, write_spec
from tests.support.specs import ID
from tests.support.upstream import Reply, Seen, answer

CALLS = 240
BUSY = {"INTEGRATIONS_TENANT_LIMIT": "1000000"}


def _slowly(_seen: Seen) -> Reply:
    """An answer that takes a moment, so that a kill finds calls in every state."""
    reply = answer({"ok": True})
    return Reply(reply.status, reply.headers, reply.body, delay=random.uniform(0, 0.05))


async def _until_killed(service: Service, connection: str, first: int, enough: int) -> dict[int, str]:
    """Sends all orders at once and kills when `enough` are answered; order → executionId of each answer that came."""
    answered: dict[int, str] = {}

    async def one(client: httpx.AsyncClient, order: int) -> None:
        try:
            reply = await client.post("/execute", json=_ask(connection, order), headers=_key(order))
        except httpx.TransportError:
            return  # killed meanwhile: no answer was received
        assert reply.status_code == 200, reply.text
        answered[order] = reply.json()["executionId"]
        if len(answered) == enough:
            service.kill()

    async with service.async_client() as client:
        await asyncio.gather(*(one(client, order) for order in range(first, first + CALLS)))
    return answered


def _ask(connection: str, order: int) -> dict[str, Any]:
    """Every other call writes, under a key."""
    return {"connectionId": connection, "actionId": "book" if order % 2 else "quote", "input": _input(order)}


def _input(order: int) -> dict[str, int]:
    return {"order": order} if order % 2 else {"weight": order + 1}


def _key(order: int) -> dict[str, str]:
    return {"Idempotency-Key": f"order-{order}"} if order % 2 else {}


def _booked(provider: Provider) -> Counter[int]:
    return Counter(seen.json()["order"] for seen in provider.seen if seen.path == "/book")


@pytest.mark.parametrize("seed", [1, 2, *(pytest.param(seed, marks=pytest.mark.slow) for seed in range(3, 9))])
async def test_every_answer_that_was_received_is_in_the_log_after_a_kill(tmp_path: Path, seed: int):
    chance = random.Random(seed)
    specs = write_spec(tmp_path / "specs", acme())
    with Provider(_slowly) as provider:
        wires = ["--specs", str(specs), "--upstream", f"{ID}={provider.origin}"]
        service = await asyncio.to_thread(start, tmp_path / "data", *wires)
        with service.client() as client:
            connection = connect(client, ID, credentials=CREDENTIALS)
        answered = await _until_killed(service, connection, 0, chance.randrange(1, CALLS))
        assert service.process.returncode == -9
        again = await asyncio.to_thread(start, tmp_path / "data", *wires)
        try:
            await _all_logged(again, answered)
            await _nothing_twice(again, provider, connection, answered, CALLS)
        finally:
            again.stop()


@pytest.mark.slow
async def test_a_thousand_writes_and_nine_kills_lose_nothing_and_write_nothing_twice(tmp_path: Path):
    """One data dir, killed again and again at random moments while 2,160 calls are made, every other a write."""
    rounds, chance = 9, random.Random(4711)
    specs = write_spec(tmp_path / "specs", acme())
    with Provider(_slowly) as provider:
        wires = ["--specs", str(specs), "--upstream", f"{ID}={provider.origin}"]
        connection, answered = "", dict[int, str]()
        for number in range(rounds):
            service = await asyncio.to_thread(start, tmp_path / "data", *wires, environment=BUSY)
            if not connection:
                with service.client() as client:
                    connection = connect(client, ID, credentials=CREDENTIALS)
            answered |= await _until_killed(service, connection, number * CALLS, chance.randrange(1, CALLS))
            assert service.process.returncode == -9
        again = await asyncio.to_thread(start, tmp_path / "data", *wires, environment=BUSY)
        try:
            await _all_logged(again, answered)
            await _nothing_twice(again, provider, connection, answered, rounds * CALLS)
        finally:
            again.stop()


async def _all_logged(service: Service, answered: dict[int, str]) -> None:
    assert answered
    async with service.async_client() as client:
        for order, execution_id in answered.items():
            row = await client.get(f"/executions/{execution_id}")
            assert row.status_code == 200, f"order {order} was answered, and its row is gone"
            assert (row.json()["status"], row.json()["input"]) == ("success", _input(order)), row.text


async def _nothing_twice(
    service: Service, provider: Provider, connection: str, answered: dict[int, str], calls: int
) -> None:
    """The caller repeats every write with its key, as it must after a lost answer."""
    before = _booked(provider)
    async with service.async_client() as client:
        for order in range(1, calls, 2):
            reply = await client.post("/execute", json=_ask(connection, order), headers=_key(order))
            body = reply.json()
            if order in answered:
                assert body["executionId"] == answered[order]
                assert reply.headers["idempotent-replayed"] == "true"
            elif reply.status_code == 409:  # begun by the process that is gone; its time is not over yet
                assert body["code"] == "CONFLICT"
            elif not body["success"]:  # begun by one that is gone for long: nobody knows, so nobody sends it again
                assert body["error"]["code"] == "OUTCOME_UNKNOWN"
    after = _booked(provider)
    assert max(after.values()) == 1
    assert set(before) <= set(after)
