"""A thousand calls that wait for a slow provider: the process stays awake, and each costs little memory."""

from __future__ import annotations

import asyncio
import statistics
import time
from pathlib import Path

import aiohttp
import pytest

from tests.e2e.conftest import CREDENTIALS, acme
from tests.e2e.serving import Provider, Service, connect, serving, write_spec
from tests.support.specs import ID
from tests.support.upstream import Reply, Seen, answer

WAITING = 1_000
AT_THE_PROVIDER = 512  # the most that one host gets at once; the others wait for their turn
KB_EACH = 100  # a task, two sockets with their buffers, the request and what the log will say


def _after_a_while(_seen: Seen) -> Reply:
    reply = answer({"ok": True})
    return Reply(reply.status, reply.headers, reply.body, delay=4.0)


def memory_kb(service: Service) -> int:
    """Resident memory of the process, kB."""
    status = Path(f"/proc/{service.process.pid}/status").read_text("utf-8")
    return int(next(line for line in status.splitlines() if line.startswith("VmRSS")).split()[1])


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="reads memory from /proc, which this system lacks")
async def test_a_thousand_waiting_calls_cost_little_and_the_process_answers_others_meanwhile(tmp_path: Path):
    settings = {"INTEGRATIONS_TENANT_LIMIT": "100000"}
    specs = write_spec(tmp_path / "specs", acme())
    with Provider() as provider:
        wires = ("--specs", str(specs), "--upstream", f"{ID}={provider.origin}", "--quiet")
        with serving(tmp_path / "data", *wires, **settings) as service:
            with service.client() as client:
                connection = connect(client, ID, credentials=CREDENTIALS)
            await _all_at_once(service, connection, 100)  # code and pools are warm
            idle, provider.upstream.handler = memory_kb(service), _after_a_while
            provider.seen.clear()
            calls = asyncio.create_task(_all_at_once(service, connection, WAITING))
            await provider.has_seen(AT_THE_PROVIDER)
            waiting, pulse = memory_kb(service), await _pulse(service)
            assert await calls == WAITING
            assert (waiting - idle) / WAITING < KB_EACH
            assert pulse < 0.5, "somebody who only asked for /healthz waited with the others"


async def _all_at_once(service: Service, connection: str, count: int) -> int:
    """How many of that many calls succeed."""
    body = {"connectionId": connection, "actionId": "quote", "input": {}}

    async def one(client: aiohttp.ClientSession) -> bool:
        async with client.post(f"{service.url}/execute", json=body) as reply:
            return (await reply.json())["success"] is True

    wires = aiohttp.TCPConnector(limit=count)
    async with aiohttp.ClientSession(connector=wires, headers=service.headers()) as client:
        return sum(await asyncio.gather(*(one(client) for _ in range(count))))


async def _pulse(service: Service) -> float:
    """The middle of how long /healthz takes, seconds."""
    taken = []
    async with service.async_client() as client:
        for _ in range(21):
            began = time.perf_counter()
            assert (await client.get("/healthz")).json() == {"status": "ok"}
            taken.append(time.perf_counter() - began)
    return statistics.median(taken)
