"""Viettel Post's logins over a socket: however many calls and processes want a token at once, one of them logs in.

The rules of logins in general are held in tests/runtime/test_call_token.py; here it is the real spec, with its two ways
to log in, its refusals inside HTTP 200 and its tokens that say their end in milliseconds.
"""

from __future__ import annotations

import asyncio
import json
import shutil
import time
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from engine.bootstrap import open_engine
from engine.locations import schemas_dir
from engine.model import Answer, Command, Connection
from engine.plugins import Registry
from engine.runtime.clock import SystemClock
from engine.runtime.execute import Engine
from engine.settings import Settings
from engine.spec.load import load_catalog
from tests.support.children import ROOT, child, go, lines, ready
from tests.support.scene import TENANT, connect
from tests.support.upstream import Reply, Seen, Upstream, answer

ID = "shipping-viettelpost"
SPEC = ROOT / "specs" / ID
HOUR = 3600.0
PASSWORD: Mapping[str, Any] = {
    "config": {"username": "0900000001", "environment": "development"},
    "credentials": {"password": "fake-password-0000"},
}
PORTAL: Mapping[str, Any] = {
    "config": {"environment": "development"},
    "credentials": {"portalToken": "fake-portal-token-0000"},
}
FIRST_STEP, SECOND_STEP, PORTAL_LOGIN = "/v2/user/Login", "/v2/user/ownerconnect", "/v2/user/LoginVTP"
ONE_LOGIN = {"password": {FIRST_STEP: 1, SECOND_STEP: 1}, "portal": {PORTAL_LOGIN: 1}}
METHODS = [pytest.param(PASSWORD, "password", id="password"), pytest.param(PORTAL, "portal", id="portal")]


class Shifted(SystemClock):
    """The machine's clock, put on or back by `ahead` seconds."""

    ahead = 0.0

    def now(self) -> float:
        return time.time() + self.ahead


@dataclass
class Carrier:
    """Gives long tokens that hold for an hour of its clock, and refuses everything else with HTTP 200."""

    clock: Shifted
    password: str = "fake-password-0000"
    good: dict[str, float] = field(default_factory=dict)
    logins: Counter[str] = field(default_factory=Counter)
    given: int = 0

    def __call__(self, seen: Seen) -> Reply:
        if not seen.path.startswith("/v2/user/Log") and seen.path != SECOND_STEP:
            is_good = self.good.get(seen.headers.get("token", ""), 0) > self.clock.now()
            return _said(data=[]) if is_good else _said("Token invalid or expired")
        self.logins[seen.path] += 1
        made = self._login(seen)
        return Reply(made.status, made.headers, made.body, delay=0.1)

    def _login(self, seen: Seen) -> Reply:
        if seen.path != PORTAL_LOGIN and seen.json()["PASSWORD"] != self.password:
            return _said("Invalid owner account or password!")
        if seen.path == SECOND_STEP and seen.headers["token"] != "short-token":
            return _said("Token invalid")
        if seen.path == FIRST_STEP:
            return _said(data={"token": "short-token", "expired": 0})
        self.given += 1
        token, end = f"long-token-{self.given}", self.clock.now() + HOUR
        self.good[token] = end
        return _said(data={"token": token, "expired": int(end * 1000)})

    def counted(self) -> dict[str, int]:
        """The logins since the last time."""
        counted = dict(self.logins)
        self.logins.clear()
        return counted


def _said(refusal: str = "", data: Any = None) -> Reply:
    return answer({"status": 200, "error": bool(refusal), "message": refusal or "OK", "data": data})


@dataclass
class Office:
    """Engines that share one data directory, and an account that all of them know."""

    engines: list[Engine]
    carrier: Carrier
    upstream: Upstream
    account: Connection

    async def calls(self, each: int) -> list[Answer]:
        """So many calls at once of every engine."""
        command = Command(TENANT, "list_stores", {}, connection_id=self.account.connection_id)
        return await asyncio.gather(*(engine.execute(command) for engine in self.engines * each))


@asynccontextmanager
async def office(tmp_path: Path, account: Mapping[str, Any], engines: int) -> AsyncIterator[Office]:
    shutil.copytree(SPEC, tmp_path / "specs" / ID)
    clock = Shifted()
    async with AsyncExitStack() as stack:
        upstream = await stack.enter_async_context(Upstream(Carrier(clock)))
        opened = []
        for _ in range(engines):
            engine = await open_engine(
                Settings(data_dir=tmp_path / "data"),
                catalog=load_catalog([tmp_path / "specs"], Registry(), schemas_dir()),
                clock=clock,
                upstreams={ID: upstream.origin},
            )
            stack.push_async_callback(engine.close)
            opened.append(engine)
        made = await connect(opened[0], ID, **account)
        assert isinstance(upstream.handler, Carrier)
        yield Office(opened, upstream.handler, upstream, made)


def codes(answers: list[Answer]) -> set[str | None]:
    return {one.error.code if one.error else None for one in answers}


@pytest.mark.parametrize(("account", "method"), METHODS)
async def test_each_period_of_a_token_has_one_login_over_all_engines(
    tmp_path: Path, account: Mapping[str, Any], method: str
) -> None:
    async with office(tmp_path, account, engines=4) as here:
        for _ in range(3):
            assert codes(await here.calls(each=6)) == {None}
            assert here.carrier.counted() == ONE_LOGIN[method]
            assert codes(await here.calls(each=2)) == {None}
            assert here.carrier.counted() == {}
            here.carrier.clock.ahead += HOUR


@pytest.mark.parametrize(("account", "method"), METHODS)
async def test_a_token_that_is_refused_inside_http_200_is_renewed_once_by_all(
    tmp_path: Path, account: Mapping[str, Any], method: str
) -> None:
    async with office(tmp_path, account, engines=3) as here:
        assert codes(await here.calls(each=2)) == {None}
        for _ in range(3):
            here.carrier.counted()
            here.carrier.good.clear()
            here.carrier.clock.ahead += 60  # the limits of calls are another matter
            assert codes(await here.calls(each=4)) == {None}
            assert here.carrier.counted() == ONE_LOGIN[method]


async def test_a_wrong_password_is_tried_once_by_all(tmp_path: Path) -> None:
    """Accounts lock after a few of these, and nobody asks for the second token after the first was refused."""
    async with office(tmp_path, PASSWORD, engines=3) as here:
        here.carrier.password = "another-password"
        assert codes(await here.calls(each=4)) == {"AUTH_FAILED"}
        assert here.carrier.counted() == {FIRST_STEP: 1}


async def test_the_short_token_of_the_first_login_is_never_used_for_a_call(tmp_path: Path) -> None:
    async with office(tmp_path, PASSWORD, engines=2) as here:
        assert codes(await here.calls(each=5)) == {None}
        used = {seen.headers["token"] for seen in here.upstream.seen if seen.path == "/v2/user/listInventory"}
        assert used == {"long-token-1"}


async def test_several_processes_that_find_an_expired_token_log_in_once(tmp_path: Path) -> None:
    async with office(tmp_path, PASSWORD, engines=1) as here:
        here.carrier.clock.ahead = -2 * HOUR
        assert codes(await here.calls(each=1)) == {None}
        assert here.carrier.counted() == ONE_LOGIN["password"]
        here.carrier.clock.ahead = 0.0
        assert await _processes(tmp_path, here, processes=3, calls=8) == [None] * 24
        assert here.carrier.counted() == ONE_LOGIN["password"]
        assert codes(await here.calls(each=1)) == {None}
        assert here.carrier.counted() == {}


async def _processes(folder: Path, here: Office, processes: int, calls: int) -> list[str | None]:
    """The codes of that many calls at once in each of that many new processes on the same data."""
    words = ("once", folder, here.upstream.origin, TENANT, here.account.connection_id, "list_stores", "", calls)
    with ExitStack() as stack:
        started = [stack.enter_context(child(*words)) for _ in range(processes)]
        for process in started:
            await ready(process)
        for process in started:
            await go(process)
        said = [line for process in started for line in await lines(process)]
    return [json.loads(line)["code"] for line in said]
