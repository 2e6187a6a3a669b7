"""A refresh that fails costs no call that can still be made, and no grant is lost in silence."""

from __future__ import annotations

import asyncio
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from engine.runtime.apps import AppBook
from engine.runtime.clock import SystemClock
from tests.support import children
from tests.support.authority import (
    OAUTH_APP,
    Authority,
    account_of,
    clock_of,
    connect_account,
    failure,
    granted,
    refuses,
)
from tests.support.scene import TENANT
from tests.support.specs import ID
from tests.support.upstream import Reply, Seen, answer

HOUR = 3600.0


@pytest.mark.parametrize(
    ("fault", "code", "retryable"),
    [
        (refuses(503, "busy"), "PROVIDER_UNAVAILABLE", True),
        (refuses(503, "invalid_grant"), "PROVIDER_UNAVAILABLE", True),
        (refuses(400, "invalid_request"), "REJECTED", False),
        (refuses(401, "invalid_client"), "REJECTED", False),
        (lambda _seen: answer({"error": "slow down"}, 429, retry_after="600"), "RATE_LIMITED", True),
        (lambda _seen: answer({"odd": True}), "INVALID_RESPONSE", False),
        (lambda _seen: Reply(fault="drop"), "PROVIDER_UNAVAILABLE", True),
        (lambda _seen: Reply(200, {"content-type": "text/html"}, b"<html>"), "INVALID_RESPONSE", False),
    ],
    ids=["503", "503 with the words", "400", "401", "429", "no token", "lost", "html"],
)
async def test_only_a_declared_code_ends_a_grant(tmp_path: Path, fault: Any, code: str, retryable: bool) -> None:
    authority = Authority(fault=fault)
    async with granted(tmp_path, authority) as scene:
        clock_of(scene).passed = HOUR
        assert failure(await scene.call()) == (code, retryable)
        assert (await scene.stored()).status == "active"
        authority.fault = None
        clock_of(scene).passed += 601
        assert (await scene.call()).success


async def test_a_failed_refresh_is_not_tried_again_at_once_and_each_failure_doubles_the_pause(tmp_path: Path) -> None:
    authority = Authority(fault=refuses(401, "invalid_client"))
    async with granted(tmp_path, authority) as scene:
        clock = clock_of(scene)
        clock.passed = HOUR
        tried = []
        for _ in range(200):
            before = authority.refreshes
            assert failure(await scene.call())[0] == "REJECTED"
            if authority.refreshes > before:
                tried.append(clock.passed - HOUR)
            clock.passed += 5
        gaps = [later - sooner for sooner, later in pairwise(tried)]
        assert gaps[:7] == [5, 10, 20, 40, 80, 160, 300]


async def test_the_pause_says_when_to_come_again(tmp_path: Path) -> None:
    authority = Authority(fault=refuses(503, "busy"))
    async with granted(tmp_path, authority) as scene:
        clock_of(scene).passed = HOUR
        first, second = await scene.call(), await scene.call()
        assert first.error is not None
        assert second.error is not None
        assert first.error.retry_after_ms == 5000
        assert 0 < (second.error.retry_after_ms or 0) <= 5000
        assert authority.refreshes == 2, "one, and one more for the answer that was lost"


async def test_other_calls_go_on_with_a_token_that_still_holds(tmp_path: Path) -> None:
    authority = Authority(fault=refuses(503, "busy"))
    async with granted(tmp_path, authority) as scene:
        clock_of(scene).passed = HOUR - 30
        for _ in range(3):
            assert (await scene.call()).success
        assert authority.refreshes == 2
        clock_of(scene).passed = HOUR
        assert failure(await scene.call()) == ("PROVIDER_UNAVAILABLE", True)


async def test_a_grant_that_ended_is_told_and_not_asked_for_again(tmp_path: Path) -> None:
    authority = Authority(fault=refuses(400))
    async with granted(tmp_path, authority) as scene:
        clock_of(scene).passed = HOUR - 30
        assert (await scene.call()).success, "the old token holds for half a minute more"
        clock_of(scene).passed = HOUR
        for _ in range(3):
            done = await scene.call()
            assert failure(done) == ("REAUTH_REQUIRED", False)
            assert done.error is not None
            assert done.error.message == "said invalid_grant: connect the account again"
            clock_of(scene).passed += 1000
        assert authority.refreshes == 1
        stored = await scene.stored()
        assert (stored.status, stored.last_error) == ("error", "said invalid_grant: connect the account again")
        account = await account_of(scene)
        assert not await scene.engine.tokens.has_grant(account, account.integration.methods[0])


async def test_a_new_consent_revives_the_connection(tmp_path: Path) -> None:
    authority = Authority(fault=refuses(400))
    async with granted(tmp_path, authority) as scene:
        clock_of(scene).passed = HOUR
        assert await scene.code() == "REAUTH_REQUIRED"
        authority.fault = None
        await connect_account(scene, authority)
        assert (await scene.call()).success
        assert (await scene.stored()).status == "active"


async def test_without_a_refresh_token_the_end_of_the_token_is_the_end(tmp_path: Path) -> None:
    authority = Authority(answers={"refresh_token": None})
    async with granted(tmp_path, authority) as scene:
        clock_of(scene).passed = HOUR - 1
        assert (await scene.call()).success
        clock_of(scene).passed = HOUR
        done = await scene.call()
        assert failure(done) == ("REAUTH_REQUIRED", False)
        assert authority.refreshes == 0


async def test_a_refused_token_that_nothing_can_renew_is_the_providers_word(tmp_path: Path) -> None:
    authority = Authority(expires_in=None, answers={"refresh_token": None})
    async with granted(tmp_path, authority) as scene:
        authority.given += 1
        done = await scene.call()
        assert failure(done) == ("AUTH_FAILED", False)
        assert scene.seen == 1


async def test_an_app_that_is_gone_is_the_operators_to_bring_back(tmp_path: Path) -> None:
    authority = Authority()
    async with granted(tmp_path, authority) as scene:
        clock_of(scene).passed = HOUR
        await AppBook(scene.engine.store).remove(ID)
        scene.engine.accounts._cache.clear()
        done = await scene.call()
        assert failure(done) == ("CONNECTION_INACTIVE", False)
        assert done.error is not None
        assert "integrations apps set acme-shipping" in done.error.message
        await AppBook(scene.engine.store).put(ID, OAUTH_APP)
        scene.engine.accounts._cache.clear()
        assert (await scene.call()).success


async def test_a_provider_that_names_no_time_is_left_in_peace_too(tmp_path: Path) -> None:
    authority = Authority(fault=lambda _seen: answer({"error": "slow down"}, 429))
    async with granted(tmp_path, authority) as scene:
        clock_of(scene).passed = HOUR
        await scene.call()
        tried = authority.refreshes
        assert failure(await scene.call()) == ("RATE_LIMITED", True)
        assert authority.refreshes == tried


def once(fault: Any) -> Any:
    left = [fault]
    return lambda seen: left.pop()(seen) if left else None


def taken(authority: Authority) -> Any:
    """The provider takes the refresh token, and its answer never arrives."""

    def lose(seen: Seen) -> Reply:
        authority.grants(dict(seen.form()))
        return Reply(fault="drop")

    return lose


async def test_a_lost_answer_is_asked_for_once_more(tmp_path: Path) -> None:
    authority = Authority(forgives=True)
    authority.fault = once(taken(authority))
    async with granted(tmp_path, authority) as scene:
        authority.fault = once(taken(authority))
        clock_of(scene).passed = HOUR
        assert (await scene.call()).success
        assert [form["refresh_token"] for form in authority.forms] == ["refresh-0000-1"] * 2


async def test_a_refresh_token_that_was_used_up_by_a_lost_answer_is_told(tmp_path: Path) -> None:
    authority = Authority()
    async with granted(tmp_path, authority) as scene:
        authority.fault = once(taken(authority))
        clock_of(scene).passed = HOUR
        done = await scene.call()
        assert failure(done) == ("REAUTH_REQUIRED", False)
        assert done.error is not None
        assert "cut off before an answer could be stored" in done.error.message


async def test_a_doubt_stays_until_the_provider_has_spoken(tmp_path: Path) -> None:
    """The answer was lost, then the provider was down: whether the refresh token is used up is still not known."""
    authority = Authority()
    async with granted(tmp_path, authority) as scene:
        faults = [taken(authority), refuses(401, "invalid_client"), refuses(503, "busy"), refuses(503, "busy")]
        authority.fault = lambda seen: faults.pop(0)(seen) if faults else None
        for seconds, code in ((HOUR, "REJECTED"), (HOUR + 10, "PROVIDER_UNAVAILABLE")):
            clock_of(scene).passed = seconds
            assert failure(await scene.call())[0] == code
        clock_of(scene).passed = HOUR + 60
        done = await scene.call()
        assert failure(done) == ("REAUTH_REQUIRED", False)
        assert done.error is not None
        assert "cut off before an answer could be stored" in done.error.message


async def test_a_process_that_dies_between_the_answer_and_the_store_is_told_by_the_next(tmp_path: Path) -> None:
    authority = Authority(expires_in=1)
    async with granted(tmp_path, authority, SystemClock()) as scene:

        def taken_and_slow(seen: Seen) -> Reply:
            made = authority.grants(dict(seen.form()))
            return Reply(made.status, made.headers, made.body, delay=60)

        authority.fault = once(taken_and_slow)
        await asyncio.sleep(1.05)
        words = (tmp_path, scene.upstream.origin, TENANT, scene.connection.connection_id, "quote", "", 1)
        with children.child("once", *words) as process:
            await children.ready(process)
            await children.go(process)
            await scene.upstream.arrived(1)
            process.kill()

        done = await scene.call()
        assert failure(done) == ("REAUTH_REQUIRED", False)
        assert done.error is not None
        assert "cut off before an answer could be stored" in done.error.message
        assert [form["refresh_token"] for form in authority.forms] == ["refresh-0000-1"] * 2
