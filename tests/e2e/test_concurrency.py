"""Many callers at once: everybody is answered, and the process stays awake meanwhile."""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path

import httpx

from tests.e2e.conftest import CREDENTIALS, Place, acme
from tests.e2e.serving import Provider, connect, serving, start, write_spec
from tests.support.specs import ID
from tests.support.upstream import Reply, Seen, answer

CALLS = 300


def _slowly(_seen: Seen) -> Reply:
    reply = answer({"ok": True})
    return Reply(reply.status, reply.headers, reply.body, delay=0.3)


class Pulse:
    """Asks for /healthz again and again, on a thread of its own, until it is told to stop."""

    def __init__(self, url: str) -> None:
        self.answered = 0
        self._url = url
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> Pulse:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        with httpx.Client(base_url=self._url, trust_env=False, verify=False, timeout=60) as client:
            while not self._stop.wait(0.02):
                assert client.get("/healthz").json() == {"status": "ok"}
                self.answered += 1


async def test_three_hundred_calls_at_once_are_all_answered_and_logged(place: Place):
    place.provider.answers(_slowly)
    body = {"connectionId": place.connection_id, "actionId": "quote", "input": {}}
    async with place.service.async_client(place.tenant) as client:
        with Pulse(place.service.url) as pulse:
            replies = await asyncio.gather(*(client.post("/execute", json=body) for _ in range(CALLS)))
            beats = pulse.answered
        done = [reply.json() for reply in replies]
        assert [one["success"] for one in done] == [True] * CALLS
        ids = {one["executionId"] for one in done}
        assert len(ids) == CALLS
        assert len(place.provider.seen) == CALLS
        assert beats >= 5, "the process answered nobody else while calls were under way"
        assert await _logged(client) == ids


async def _logged(client: httpx.AsyncClient) -> set[str]:
    """Every id of the log, page by page."""
    found: set[str] = set()
    cursor: dict[str, str] = {}
    for _ in range(10):
        page = (await client.get("/executions", params={"limit": 100, **cursor})).json()
        found |= {row["executionId"] for row in page["executions"]}
        if "nextCursor" not in page:
            break
        cursor = {"cursor": page["nextCursor"]}
    return found


async def test_callers_who_hang_up_disturb_nobody(place: Place):
    """Half of the callers leave while the provider works; the others get their answers."""
    place.provider.answers(_slowly)
    body = {"connectionId": place.connection_id, "actionId": "quote", "input": {}}
    async with place.service.async_client(place.tenant) as client:
        leaving = [asyncio.create_task(client.post("/execute", json=body)) for _ in range(50)]
        staying = [asyncio.create_task(client.post("/execute", json=body)) for _ in range(50)]
        await place.provider.has_seen(50)
        for task in leaving:
            task.cancel()
        done = await asyncio.gather(*staying)
        assert all(reply.json()["success"] for reply in done)
        assert (await client.get("/readyz")).status_code == 200
        assert {reply.json()["executionId"] for reply in done} <= await _logged(client)


async def test_a_stop_lets_running_calls_end(tmp_path: Path):
    specs = write_spec(tmp_path / "specs", acme())
    with Provider(_slowly) as provider:
        wires = ["--specs", str(specs), "--upstream", f"{ID}={provider.origin}"]
        service = await asyncio.to_thread(start, tmp_path / "data", *wires)
        with service.client() as client:
            connection = connect(client, ID, credentials=CREDENTIALS)
        body = {"connectionId": connection, "actionId": "quote", "input": {}}
        async with service.async_client() as caller:
            running = [asyncio.create_task(caller.post("/execute", json=body)) for _ in range(40)]
            await provider.has_seen(40)
            assert await asyncio.to_thread(service.stop) == 0
            replies = await asyncio.gather(*running)
        assert [reply.json()["success"] for reply in replies] == [True] * 40
        with serving(tmp_path / "data", *wires) as again, again.client() as reader:
            rows = reader.get("/executions").json()["executions"]
        assert {row["executionId"] for row in rows} == {reply.json()["executionId"] for reply in replies}
