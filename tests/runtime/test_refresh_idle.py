"""Grants that nobody uses are renewed before the provider forgets them."""

from __future__ import annotations

from pathlib import Path

from tests.support.authority import (
    Authority,
    account_of,
    clock_of,
    granted,
    refuses,
)
from tests.support.specs import consent_spec

HOUR = 3600.0


async def test_an_idle_grant_is_renewed_at_four_fifths_of_its_life(tmp_path: Path) -> None:
    authority = Authority(answers={"ttl": 1000})
    made = consent_spec(token={"refreshExpiresIn": "body.ttl"})
    async with granted(tmp_path, authority, made=made) as scene:
        clock, tokens = clock_of(scene), scene.engine.tokens
        began = clock.now()
        assert await tokens.refresh_idle(await account_of(scene)) == began + 800
        clock.passed += 799
        assert await tokens.refresh_idle(await account_of(scene)) == began + 800
        assert authority.refreshes == 0
        clock.passed += 1
        assert await tokens.refresh_idle(await account_of(scene)) == began + 1600
        assert authority.refreshes == 1


async def test_a_life_that_no_refresh_prolongs_is_not_tried_again_and_again(tmp_path: Path) -> None:
    authority = Authority(rotates=False, answers={"ttl": 1000})
    made = consent_spec(token={"refreshExpiresIn": "body.ttl"})
    async with granted(tmp_path, authority, made=made) as scene:
        authority.answers = {}
        clock_of(scene).passed += 850
        assert await scene.engine.tokens.refresh_idle(await account_of(scene)) is None
        assert authority.refreshes == 1
        assert await scene.engine.tokens.refresh_idle(await account_of(scene)) is None
        assert authority.refreshes == 1


async def test_a_grant_whose_life_is_not_known_is_left_alone(tmp_path: Path) -> None:
    authority = Authority()
    async with granted(tmp_path, authority) as scene:
        assert await scene.engine.tokens.refresh_idle(await account_of(scene)) is None
        assert authority.refreshes == 0


async def test_an_idle_grant_that_ended_puts_its_connection_in_error(tmp_path: Path) -> None:
    authority = Authority(answers={"ttl": 1000})
    made = consent_spec(token={"refreshExpiresIn": "body.ttl"})
    async with granted(tmp_path, authority, made=made) as scene:
        authority.fault = refuses(400)
        clock_of(scene).passed += 900
        assert await scene.engine.tokens.refresh_idle(await account_of(scene)) is None
        assert (await scene.stored()).status == "error"


async def test_an_idle_grant_that_could_not_be_renewed_is_tried_later(tmp_path: Path) -> None:
    authority = Authority(answers={"ttl": 10_000})
    made = consent_spec(token={"refreshExpiresIn": "body.ttl"})
    async with granted(tmp_path, authority, made=made) as scene:
        authority.fault = refuses(503)
        clock_of(scene).passed += 8500
        again = await scene.engine.tokens.refresh_idle(await account_of(scene))
        assert again is not None
        assert 590 < again - scene.engine.clock.now() <= 600
        assert (await scene.stored()).status == "active"
