"""Minutes of mixed calls with faults: memory and open files stay as they are, and no write is done twice.

SOAK_SECONDS says how long (300 unless given); a short run shows that the test works, not that nothing leaks.
"""

from __future__ import annotations

import asyncio
import os
import random
import statistics
import time
from collections import Counter
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from tests.e2e.conftest import CREDENTIALS, acme
from tests.e2e.serving import Provider, Service, connect, serving, write_spec
from tests.support.specs import ID
from tests.support.upstream import Reply, Seen, answer

SECONDS = float(os.environ.get("SOAK_SECONDS", "300"))
CALLERS = 16
ENOUGH_SECONDS = 240
ALLOWED_KB, ALLOWED_KB_AT_FIRST = 60, 2_000
"""Growth per 1,000 calls in the second half: of a whole run, and of a short one, whose caches are still filling."""
ALLOWED_FILES = 24

JSON = {"content-type": "application/json"}
FAULTS: list[Reply] = [
    Reply(200, JSON, b"{}", fault="drop"),
    Reply(200, JSON, b'{"half": true}', fault="half"),
    Reply(200, JSON, b"{}", fault="bad chunk"),
    Reply(200, JSON, b"{}", fault="garbage"),
    Reply(200, JSON, b"no json"),
    Reply(200, {**JSON, "content-length": "1"}, b"{}"),
    Reply(200, JSON, stream=[b"[" + b" " * 100_000] * 60),
    answer({}, 503),
    answer({}, 429),
    answer({"message": "no"}, 400),
    answer({}, 500, retry_after="0"),
]


@dataclass
class Weather:
    """The provider: well most of the time. `booked` counts the writes that it may have done, by order."""

    chance: random.Random = field(default_factory=lambda: random.Random(4711))
    booked: Counter[int] = field(default_factory=Counter)

    def __call__(self, seen: Seen) -> Reply:
        fault = self.chance.random() < 0.15
        reply = self.chance.choice(FAULTS) if fault else answer({"town": "hue", "fee": self.chance.randrange(10**6)})
        if seen.path == "/book" and reply.status != 429:
            self.booked[seen.json()["order"]] += 1
        return reply


@dataclass
class Sample:
    calls: int
    memory_kb: int
    files: int


@dataclass
class Soak:
    service: Service
    client: aiohttp.ClientSession
    connection: str
    calls: int = 0
    orders: int = 0
    statuses: Counter[int] = field(default_factory=Counter)
    samples: list[Sample] = field(default_factory=list)

    async def ask(self, method: str, path: str, body: Any = None, **headers: str) -> Any:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        async with self.client.request(method, self.service.url + path, json=body, headers=named) as reply:
            self.statuses[reply.status] += 1
            self.calls += 1
            return await reply.json(content_type=None)

    async def execute(self, action_id: str, given: dict[str, Any], key: str = "") -> Any:
        body = {"connectionId": self.connection, "actionId": action_id, "input": given}
        return await self.ask("POST", "/execute", body, **({"Idempotency_Key": key} if key else {}))

    async def quote(self) -> None:
        await self.execute(
            "quote", {"weight": random.randrange(1, 999), "town": random.choice(["hue", "vinh", "sapa"])}
        )

    async def book(self) -> None:
        self.orders += 1
        await self.execute("book", {"order": self.orders})

    async def book_with_a_key(self) -> None:
        """And once more, as a caller does who did not hear the answer."""
        self.orders += 1
        order = self.orders
        first = await self.execute("book", {"order": order}, f"order-{order}")
        again = await self.execute("book", {"order": order}, f"order-{order}")
        assert again["executionId"] == first["executionId"] or first["error"]["retryable"]

    async def pay(self) -> None:
        self.orders += 1
        await self.execute("pay", {"order": self.orders})

    async def mistake(self) -> None:
        await self.execute("quote", {"weight": -1})
        await self.ask("POST", "/execute", {"actionId": "quote"})
        await self.ask("GET", f"/executions/{random.randrange(10**9)}")

    async def look(self) -> None:
        page = await self.ask("GET", "/executions?limit=5")
        for row in page["executions"][:2]:
            await self.ask("GET", f"/executions/{row['executionId']}")
        await self.ask("GET", "/connections")

    async def change(self) -> None:
        await self.ask("PATCH", f"/connections/{self.connection}", {"credentials": CREDENTIALS})
        await self.ask("POST", f"/connections/{self.connection}/test")

    async def hang_up(self) -> None:
        asked = asyncio.create_task(self.execute("quote", {"weight": 1}))
        await asyncio.sleep(0.002)
        asked.cancel()
        await asyncio.gather(asked, return_exceptions=True)

    async def caller(self, until: float) -> None:
        often: list[Callable[[], Coroutine[Any, Any, None]]] = [
            *[self.quote] * 12,
            *[self.book] * 4,
            *[self.book_with_a_key] * 4,
            *[self.pay] * 4,
            self.mistake,
            self.look,
            self.change,
            self.hang_up,
        ]
        while time.monotonic() < until:
            await random.choice(often)()

    async def watch(self, until: float) -> None:
        while time.monotonic() < until:
            self.samples.append(Sample(self.calls, memory_kb(self.service), open_files(self.service)))
            await asyncio.sleep(0.5)


def memory_kb(service: Service) -> int:
    status = Path(f"/proc/{service.process.pid}/status").read_text("utf-8")
    return int(next(line for line in status.splitlines() if line.startswith("VmRSS")).split()[1])


def open_files(service: Service) -> int:
    return len(list(Path(f"/proc/{service.process.pid}/fd").iterdir()))


def growth(samples: list[Sample]) -> float:
    """kB of memory per 1,000 calls, by least squares."""
    slope, _ = statistics.linear_regression([one.calls for one in samples], [one.memory_kb for one in samples])
    return 1_000 * slope


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="reads memory and open files from /proc")
async def test_minutes_of_mixed_calls_with_faults_leave_memory_and_files_as_they_were(tmp_path: Path):
    random.seed(4711)
    weather = Weather()
    specs = write_spec(tmp_path / "specs", acme())
    with Provider(weather) as provider:
        wires = ("--specs", str(specs), "--upstream", f"{ID}={provider.origin}", "--quiet")
        with serving(tmp_path / "data", *wires, INTEGRATIONS_TENANT_LIMIT="10000000") as service:
            with service.client() as client:
                connection = connect(client, ID, config={"shop": "17"}, credentials=CREDENTIALS)
            async with aiohttp.ClientSession(headers=service.headers()) as session:
                soak = Soak(service, session, connection)
                until = time.monotonic() + SECONDS
                provider_forgets = asyncio.create_task(_forget(provider, until))
                await asyncio.gather(soak.watch(until), *(soak.caller(until) for _ in range(CALLERS)))
                await provider_forgets
            _judge(soak, weather)


async def _forget(provider: Provider, until: float) -> None:
    """What it saw is of no interest, and there is much of it."""
    while time.monotonic() < until:
        provider.seen.clear()
        await asyncio.sleep(1)


def _judge(soak: Soak, weather: Weather) -> None:
    second_half = soak.samples[len(soak.samples) // 2 :]
    first_files = max(one.files for one in soak.samples[: len(soak.samples) // 2])
    grown, files = growth(second_half), max(one.files for one in second_half)
    figures = {
        "calls": soak.calls,
        "memory kB": (soak.samples[0].memory_kb, second_half[0].memory_kb, second_half[-1].memory_kb),
        "kB per 1,000 calls": round(grown, 1),
        "open files": (first_files, files),
        "statuses": dict(soak.statuses),
    }
    assert "Traceback" not in soak.service.output
    assert set(soak.statuses) <= {200, 400, 404, 409}, figures
    assert max(weather.booked.values()) == 1, figures
    assert len(weather.booked) > soak.orders / 4, figures
    assert files <= first_files + ALLOWED_FILES, figures
    assert grown < (ALLOWED_KB if SECONDS >= ENOUGH_SECONDS else ALLOWED_KB_AT_FIRST), figures
