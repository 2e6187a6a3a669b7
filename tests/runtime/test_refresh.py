"""Grants are renewed once, in time, by one process, and as the provider allows."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from engine.bootstrap import open_engine
from engine.model import Command
from engine.runtime.clock import SystemClock
from engine.runtime.execute import Engine
from engine.settings import Settings
from tests.support.authority import (
    Authority,
    clock_of,
    failure,
    granted,
    kept,
    refuses,
)
from tests.support.scene import TENANT, Scene
from tests.support.specs import consent_spec
from tests.support.upstream import answer

HOUR = 3600.0


async def another_process(scene: Scene, tmp_path: Path) -> Engine:
    return await open_engine(
        Settings(data_dir=tmp_path / "data"),
        catalog=scene.engine.catalog,
        clock=scene.engine.clock,
        upstreams=dict.fromkeys(scene.engine.catalog.integrations, scene.upstream.origin),
    )


async def test_a_token_is_renewed_before_it_ends_in_the_form_of_the_standard(tmp_path: Path) -> None:
    authority = Authority()
    async with granted(tmp_path, authority) as scene:
        clock_of(scene).passed = HOUR - 61
        assert (await scene.call()).success
        assert authority.refreshes == 0
        clock_of(scene).passed = HOUR - 59
        assert (await scene.call()).success
        assert authority.forms == [
            {
                "grant_type": "refresh_token",
                "refresh_token": "refresh-0000-1",
                "client_id": "fake-client-0000",
                "client_secret": "fake-client-secret-0000",
            }
        ]
        assert (await kept(scene))["refresh"] == "refresh-0000-2"


async def test_twenty_calls_of_two_engines_make_one_refresh(tmp_path: Path) -> None:
    authority = Authority(expires_in=1, delay=0.2)
    async with granted(tmp_path, authority, SystemClock()) as scene:
        other = await another_process(scene, tmp_path)
        await asyncio.sleep(1.05)
        authority.expires_in = 3600
        command = Command(TENANT, "quote", {}, connection_id=scene.connection.connection_id)
        done = await asyncio.gather(*(engine.execute(command) for engine in [scene.engine, other] * 10))
        await other.close()
        assert [one.success for one in done] == [True] * 20
        assert authority.refreshes == 1


async def test_a_refused_token_is_renewed_once_for_all_calls(tmp_path: Path) -> None:
    authority = Authority(delay=0.1)
    async with granted(tmp_path, authority, SystemClock()) as scene:
        authority.given += 1  # the provider took the token back
        done = await asyncio.gather(*(scene.call() for _ in range(10)))
        assert all(one.success for one in done)
        assert authority.refreshes == 1


async def test_who_has_a_token_that_still_holds_does_not_wait_for_its_successor(tmp_path: Path) -> None:
    authority = Authority(keeps_old=True)
    async with granted(tmp_path, authority) as scene:
        clock_of(scene).passed = HOUR - 30
        authority.delay = 2.0
        renewing = asyncio.create_task(scene.call())
        while not authority.refreshes:
            await asyncio.sleep(0.01)
        assert (await scene.call()).success
        assert not renewing.done()
        assert (await renewing).success
        assert authority.refreshes == 1


async def test_a_caller_that_goes_away_does_not_take_the_answer_with_it(tmp_path: Path) -> None:
    authority = Authority(expires_in=1, delay=0.3)
    async with granted(tmp_path, authority, SystemClock()) as scene:
        await asyncio.sleep(1.05)
        authority.expires_in = 3600
        gone = asyncio.create_task(scene.call())
        await asyncio.sleep(0.15)
        gone.cancel()
        with pytest.raises(asyncio.CancelledError):
            await gone
        assert (await scene.call()).success
        assert authority.refreshes == 1


async def test_a_token_without_an_end_is_good_until_it_is_refused(tmp_path: Path) -> None:
    authority = Authority(expires_in=None)
    async with granted(tmp_path, authority) as scene:
        clock_of(scene).passed = 400 * 86_400.0
        assert (await scene.call()).success
        assert authority.refreshes == 0
        authority.given += 1
        assert (await scene.call()).success
        assert authority.refreshes == 1


@pytest.mark.parametrize("back", [90.0, 86_400.0])
async def test_a_clock_that_runs_back_costs_a_refresh_at_most(tmp_path: Path, back: float) -> None:
    authority = Authority()
    async with granted(tmp_path, authority) as scene:
        clock_of(scene).passed = -back
        assert (await scene.call()).success
        authority.given += 1
        assert (await scene.call()).success
        assert authority.refreshes == 1


async def test_a_refresh_token_that_is_not_given_again_stays(tmp_path: Path) -> None:
    authority = Authority(rotates=False, answers={"scope": "read"})
    made = consent_spec(scopes={"request": ["read"]})
    async with granted(tmp_path, authority, made=made) as scene:
        authority.answers = {}
        for hours in (1, 2):
            clock_of(scene).passed = hours * HOUR
            assert (await scene.call()).success
        assert authority.refreshes == 2
        record = await kept(scene)
        assert (record["refresh"], record["scope"]) == ("refresh-0000-1", ["read"])


async def test_what_is_captured_is_captured_again_at_each_refresh(tmp_path: Path) -> None:
    authority = Authority(answers={"region": "eu"})
    async with granted(tmp_path, authority, made=consent_spec(capture={"region": "body.region"})) as scene:
        authority.answers = {"region": "us"}
        clock_of(scene).passed = HOUR
        assert (await scene.call()).success
        assert (await scene.stored()).config["region"] == "us"


async def test_a_refresh_may_have_a_request_of_its_own(tmp_path: Path) -> None:
    authority = Authority()
    own = {"path": "/token", "json": {"grant_type": "refresh_token", "refresh_token": "{{ token.refresh }}"}}
    async with granted(tmp_path, authority, made=consent_spec(refresh={"request": own})) as scene:
        clock_of(scene).passed = HOUR
        assert (await scene.call()).success
        assert authority.forms == [{"grant_type": "refresh_token", "refresh_token": "refresh-0000-1"}]


async def test_no_more_refreshes_than_the_provider_allows(tmp_path: Path) -> None:
    authority = Authority(expires_in=60)
    made = consent_spec(refresh={"atMost": {"count": 2, "per": 600}})
    async with granted(tmp_path, authority, made=made) as scene:
        clock = clock_of(scene)
        for _ in range(2):
            clock.passed += 60
            assert (await scene.call()).success
        clock.passed += 45
        assert (await scene.call()).success, "the token holds for some seconds more"
        clock.passed += 15
        done = await scene.call()
        assert failure(done) == ("RATE_LIMITED", True)
        assert done.error is not None
        assert 400_000 < (done.error.retry_after_ms or 0) <= 600_000
        assert authority.refreshes == 2
        assert (await scene.stored()).status == "active"


async def test_what_is_sent_again_after_a_lost_answer_counts_too(tmp_path: Path) -> None:
    authority = Authority(fault=refuses(503, "busy"))
    made = consent_spec(refresh={"atMost": {"count": 1, "per": 600}})
    async with granted(tmp_path, authority, made=made) as scene:
        clock_of(scene).passed = HOUR
        assert failure(await scene.call()) == ("PROVIDER_UNAVAILABLE", True)
        assert authority.refreshes == 1


async def test_a_token_endpoint_that_is_busy_holds_back_no_call(tmp_path: Path) -> None:
    authority = Authority(fault=lambda _seen: answer({"error": "slow down"}, 429, retry_after="600"))
    async with granted(tmp_path, authority) as scene:
        clock_of(scene).passed = HOUR - 30
        for _ in range(3):
            assert (await scene.call()).success
        assert authority.refreshes == 1
