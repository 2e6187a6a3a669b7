"""Refreshing at a real authority whose refresh tokens rotate: one that is shown twice kills the whole grant.

So whatever happens here, with several processes, lost answers and kills, either one refresh is made or the tenant is
told to consent again; a grant is never lost without a word.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Iterator
from contextlib import AsyncExitStack, ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from engine.bootstrap import open_engine
from engine.locations import schemas_dir
from engine.model import Answer, Command
from engine.plugins import Registry
from engine.runtime.clock import SystemClock
from engine.settings import Settings
from engine.spec.load import load_catalog
from tests.e2e.serving import Service, connect, execute, start, write_spec
from tests.oauth.authority import APP, ID, Authority, authority, consent, spec
from tests.oauth.test_consent import set_app
from tests.support.ports import free_port

SHORT, LONG = 2, 3600
PROCESSES, CALLS = 4, 52


@dataclass
class Town:
    """A data directory with the authority's spec and app, and a service on it through which accounts are connected."""

    folder: Path
    authority: Authority
    service: Service


@dataclass
class Shop:
    """A connected account whose token has run out, and what is needed to serve it."""

    town: Town
    connection_id: str
    before: dict[str, int]

    @property
    def authority(self) -> Authority:
        return self.town.authority

    def start(self) -> Service:
        """One more process on the same data."""
        folder = self.town.folder
        return start(folder / "data", "--specs", str(folder / "specs"), "--upstream", f"{ID}={self.authority.origin}")

    def call(self, service: Service) -> dict[str, Any]:
        with service.client() as client:
            found: dict[str, Any] = execute(client, "who_am_i", connectionId=self.connection_id).json()
            return found

    def told(self) -> tuple[int, int]:
        """Refreshes, and refresh tokens that came twice, since the account was connected."""
        now = self.authority.told()
        return now["refreshes"] - self.before["refreshes"], now["reuses"] - self.before["reuses"]


@pytest.fixture(scope="module")
def town(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Town]:
    folder, port = tmp_path_factory.mktemp("town"), free_port()
    with authority(f"http://127.0.0.1:{port}/oauth/callback", SHORT) as there:
        write_spec(folder / "specs", spec())
        set_app(folder / "data", folder / "specs", APP)
        service = start(
            folder / "data", "--specs", str(folder / "specs"), "--upstream", f"{ID}={there.origin}", port=port
        )
        try:
            yield Town(folder, there, service)
        finally:
            service.stop()


@pytest.fixture
def shop(town: Town) -> Shop:
    town.authority.settle(SHORT)
    with town.service.client() as client:
        connection_id = connect(client, ID)
        invited = client.post(f"/connections/{connection_id}/authorize", json={}).json()
        back = httpx.get(consent(invited["authorizationUrl"]), trust_env=False, timeout=30)
        assert back.status_code == 200, back.text
    town.authority.settle(LONG)
    time.sleep(SHORT + 0.5)
    return Shop(town, connection_id, town.authority.told())


def test_fifty_calls_in_four_processes_make_one_refresh(shop: Shop):
    with ExitStack() as stack:
        services = [shop.start() for _ in range(PROCESSES)]
        for service in services:
            stack.callback(service.stop)

        answers = asyncio.run(_at_once(shop, services))

        assert [answer["success"] for answer in answers] == [True] * CALLS, answers
        assert shop.told() == (1, 0)


async def _at_once(shop: Shop, services: list[Service]) -> list[dict[str, Any]]:
    body = {"connectionId": shop.connection_id, "actionId": "who_am_i", "input": {}}
    async with AsyncExitStack() as stack:
        clients = [await stack.enter_async_context(service.async_client()) for service in services]
        sent = [clients[i % len(clients)].post("/execute", json=body) for i in range(CALLS)]
        return [answer.json() for answer in await asyncio.gather(*sent)]


def test_a_refresh_token_is_used_once_and_its_successor_is_kept(shop: Shop):
    shop.authority.settle(SHORT)
    service = shop.start()
    try:
        for count in (1, 2, 3):
            assert shop.call(service)["success"] is True
            assert shop.told() == (count, 0)
            time.sleep(SHORT + 0.5)
    finally:
        service.stop()


def test_a_failing_authority_is_no_lost_grant(shop: Shop):
    service = shop.start()
    try:
        shop.authority.fail(times=1, status=503)
        first = shop.call(service)
        assert first["success"] is True or first["error"]["code"] == "PROVIDER_UNAVAILABLE", first
        for _ in range(20):
            if shop.call(service)["success"]:
                break
            time.sleep(1)
        assert shop.call(service)["success"] is True
    finally:
        service.stop()
    assert shop.told() == (1, 0)


def test_a_kill_between_the_authoritys_answer_and_our_save_is_told(shop: Shop):
    """The authority has taken the old refresh token; the new one died with the process."""
    service = shop.start()
    shop.authority.fail(times=1, delay=20_000, after=True)
    with under_way(shop, service):
        assert shop.told() == (1, 0)
        service.kill()

    service = shop.start()
    try:
        lost = shop.call(service)
        assert lost["error"]["code"] == "REAUTH_REQUIRED"
        assert "cut off" in lost["error"]["message"]
        with service.client() as client:
            shown = client.get(f"/connections/{shop.connection_id}").json()
        assert shown["status"] == "error"
        assert "cut off" in shown["lastError"]
        assert shop.told() == (1, 1), "it was tried once, in case the authority forgives it"
    finally:
        service.stop()


def test_a_kill_before_the_authority_took_the_token_loses_nothing(shop: Shop):
    service = shop.start()
    shop.authority.fail(times=1, delay=20_000, status=503)
    with under_way(shop, service):
        service.kill()

    service = shop.start()
    try:
        assert shop.call(service)["success"] is True
    finally:
        service.stop()
    assert shop.told() == (1, 0)


@contextmanager
def under_way(shop: Shop, service: Service) -> Iterator[None]:
    """A call that waits at the authority, whose answer nobody gets: the service is killed meanwhile."""
    before = shop.authority.told()["faults"]
    caller = threading.Thread(target=_in_vain, args=(shop, service))
    caller.start()
    for _ in range(600):
        if shop.authority.told()["faults"] > before:
            break
        time.sleep(0.05)
    yield
    caller.join(30)
    assert not caller.is_alive()


def _in_vain(shop: Shop, service: Service) -> None:
    with suppress(httpx.TransportError):
        shop.call(service)


class Shifted(SystemClock):
    """The machine's clock, put on or back."""

    def __init__(self, ahead: float) -> None:
        self.ahead = ahead

    def now(self) -> float:
        return time.time() + self.ahead


@pytest.mark.parametrize("ahead", [-7200.0, -90.0, 90.0, 7200.0])
async def test_a_clock_that_is_wrong_costs_a_refresh_and_no_call(shop: Shop, ahead: float):
    folder, there = shop.town.folder, {ID: shop.authority.origin}
    found = load_catalog([folder / "specs"], Registry(), schemas_dir())
    engine = await open_engine(Settings(data_dir=folder / "data"), catalog=found, upstreams=there, clock=Shifted(ahead))
    try:
        answers: list[Answer] = [
            await engine.execute(Command("acme", "who_am_i", {}, connection_id=shop.connection_id)) for _ in range(3)
        ]
    finally:
        await engine.close()
    assert [answer.success for answer in answers] == [True] * 3, answers
    assert shop.told() == (1, 0)
