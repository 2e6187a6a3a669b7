"""A provider is asked to tell us, is asked again before that ends, and is told when we want no more."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from engine.connections.service import ConnectionService
from engine.errors import RequestError
from engine.events.receipt import Receipt
from engine.events.wanted import ENDED, known_types
from engine.runtime.watches import ASKED_SECONDS, KIND
from tests.events.subscribing import CREATE, LIFE, RENEW, URL, Provider, played, status
from tests.support.scene import KEY, START
from tests.support.upstream import Reply, Seen, answer


async def test_opening_a_webhook_subscribes_signed_in_and_says_until_when(tmp_path: Path) -> None:
    async with played(tmp_path) as play:
        opened = await play.open()
        (seen,) = play.scene.upstream.seen
        (channel,) = (one["channelId"] for one in (await play.stored())["watches"].values())
        assert opened.url == f"{URL}/webhooks/{play.connection.connection_id}"
        assert opened.expires_at == START + LIFE
        assert (opened.token, opened.secret) == (None, None)  # the provider was told them, nobody else needs to know
        token = (await play.stored())["token"]
        assert seen.json() == {"id": channel, "address": opened.url, "token": token}
        assert (channel.isdecimal(), int(channel) < 2**53) == (True, True)
        assert seen.headers["x-api-key"] == KEY
        assert (await play.tell(token)).outcome == "accepted"
        assert (await play.tell(token + "x")).outcome == "refused"


async def test_the_first_message_may_come_before_the_answer_to_the_request(tmp_path: Path) -> None:
    async with played(tmp_path) as play:
        early: list[asyncio.Task[Receipt]] = []

        def create(seen: Seen) -> Reply:
            early.append(asyncio.create_task(play.tell(seen.json()["token"])))
            return replace(Provider(play.clock)(seen), delay=0.3)

        play.provider.fails["watch"] = create
        await play.open()
        assert [(await one).outcome for one in early] == ["accepted"]


@pytest.mark.parametrize(("number", "code"), [(403, "CONFLICT"), (422, "CONFLICT"), (429, "SERVICE_UNAVAILABLE")])
async def test_a_refusal_leaves_nothing_half_open_and_says_so(tmp_path: Path, number: int, code: str) -> None:
    async with played(tmp_path) as play:
        play.provider.fails["watch"] = status(number)
        with pytest.raises(RequestError, match="did not subscribe us") as refused:
            await play.open()
        assert refused.value.code == code
        assert await play.stored() == {}
        token = play.scene.upstream.seen[0].json()["token"]
        assert token not in str(refused.value)
        assert (await play.tell(token)).outcome == "refused"
        await play.go()
        assert await play.events() == []


async def test_a_lost_answer_is_to_be_asked_again_and_what_may_have_been_made_is_not_believed(tmp_path: Path) -> None:
    async with played(tmp_path) as play:
        play.provider.fails["watch"] = lambda _seen: Reply(fault="drop")
        with pytest.raises(RequestError, match="try again") as unknown:
            await play.open()
        assert unknown.value.code == "SERVICE_UNAVAILABLE"
        assert (await play.tell(play.scene.upstream.seen[0].json()["token"])).outcome == "refused"
        play.provider.fails.clear()
        await play.open()
        assert len(play.provider.held) == 1


async def test_a_refused_change_leaves_the_webhook_as_it_was(tmp_path: Path) -> None:
    async with played(tmp_path) as play:
        await play.open()
        before = await play.stored()
        play.provider.fails["watch"] = status(403)
        with pytest.raises(RequestError):
            await play.open()
        assert await play.stored() == before
        assert (await play.tell(before["token"])).outcome == "accepted"


async def test_opening_again_makes_new_secrets_and_takes_the_old_subscription_back(tmp_path: Path) -> None:
    async with played(tmp_path) as play:
        await play.open()
        old = (await play.stored())["token"]
        await play.open()
        assert list(play.provider.held) == ["r2"]
        assert (await play.tell(old)).outcome == "refused"
        assert (await play.tell((await play.stored())["token"])).outcome == "accepted"


async def test_of_two_who_open_at_once_one_wins_and_nothing_of_the_other_stays(tmp_path: Path) -> None:
    async with played(tmp_path) as play:
        results = await asyncio.gather(*(play.open() for _ in range(4)), return_exceptions=True)
        errors = [one for one in results if isinstance(one, BaseException)]
        assert all(isinstance(one, RequestError) and one.code == "CONFLICT" for one in errors)
        assert len(errors) < 4
        (watch,) = (await play.stored())["watches"].values()
        assert list(play.provider.held) == [watch["captured"]["resourceId"]]


async def test_a_kill_between_the_answer_and_the_record_leaves_what_was_there_and_can_be_asked_again(
    tmp_path: Path,
) -> None:
    """Its messages are believed while it may still be being opened, and then no more."""
    async with played(tmp_path) as play:
        await play.open()
        before = await play.stored()

        class Killed(BaseException):
            pass

        inner, asked = play.scene.engine.store.secrets.put, 0

        async def put(*given: Any, **more: Any) -> int:
            nonlocal asked
            asked += 1
            if asked == 2:
                raise Killed
            return await inner(*given, **more)

        play.scene.engine.store.secrets.put = put  # type: ignore[method-assign]
        with pytest.raises(Killed):
            await play.open()
        play.scene.engine.store.secrets.put = inner  # type: ignore[method-assign]
        orphan = play.provider.held["r2"]["token"]
        assert (await play.tell(before["token"], 1)).outcome == "accepted"
        assert (await play.tell(orphan, 2)).outcome == "accepted"
        await play.pass_(ASKED_SECONDS + 1)
        assert (await play.tell(orphan, 3)).outcome == "refused"
        assert (await play.tell(before["token"], 4)).outcome == "accepted"
        await play.open()
        assert (await play.tell((await play.stored())["token"], 5)).outcome == "accepted"
        assert "asked" not in await play.stored()


async def test_a_subscription_is_renewed_at_four_fifths_of_its_life_and_not_before(tmp_path: Path) -> None:
    async with played(tmp_path, renew=RENEW) as play:
        await play.open()
        token = (await play.stored())["token"]
        await play.pass_(0.8 * LIFE - 2)
        await play.go()
        assert play.asked == ["POST /watch"]
        await play.pass_(3)
        await play.go()
        assert play.asked == ["POST /watch", "PUT /watch/r1"]
        (watch,) = (await play.stored())["watches"].values()
        assert watch["expiresAt"] == play.clock.now() + LIFE
        assert (await play.stored())["token"] == token
        await play.pass_(0.8 * LIFE + 2)
        await play.go()
        assert play.asked[2:] == ["PUT /watch/r1"]


async def test_without_renew_a_new_one_is_made_then_the_old_one_deleted_under_the_same_secrets(tmp_path: Path) -> None:
    async with played(tmp_path) as play:
        await play.open()
        before = await play.stored()
        await play.pass_(0.8 * LIFE + 1)
        await play.go()
        assert play.asked == ["POST /watch", "POST /watch", "POST /stop/r1"]
        after = await play.stored()
        assert (after["token"], after["secret"]) == (before["token"], before["secret"])
        assert after["watches"][""]["channelId"] != before["watches"][""]["channelId"]
        stopped = play.scene.upstream.seen[2].json()["id"]
        assert stopped == before["watches"][""]["channelId"]


async def test_one_that_the_provider_forgot_is_made_anew(tmp_path: Path) -> None:
    async with played(tmp_path, renew=RENEW) as play:
        await play.open()
        play.provider.held.clear()
        await play.pass_(0.8 * LIFE + 1)
        await play.go()
        assert play.asked[1:3] == ["PUT /watch/r1", "POST /watch"]
        assert list(play.provider.held) == ["r2"]


async def test_a_failing_renewal_is_tried_until_the_end_then_told_once_and_mended_later(
    tmp_path: Path,
) -> None:
    async with played(tmp_path, renew=RENEW) as play:
        await play.open()
        play.provider.fails["renew"] = status(503)
        await play.pass_(0.8 * LIFE + 1)
        for _ in range(8):
            await play.go()
            await play.pass_(61)
            if play.clock.now() < START + LIFE:
                assert await play.events() == []
        assert play.asked.count("PUT /watch/r1") >= 3
        await play.go()
        (told,) = await play.events()
        assert (told.type, told.connection_id) == (ENDED, play.connection.connection_id)
        data = json.loads(told.data)
        assert (data["code"], data["endedAt"][:10]) == ("PROVIDER_UNAVAILABLE", "2026-05-01")
        assert ENDED in known_types(play.scene.engine.catalog)
        for _ in range(3):
            await play.pass_(3601)
            await play.go()
        assert len(await play.events()) == 1
        play.provider.fails.clear()
        await play.pass_(3601)
        await play.go()
        (watch,) = (await play.stored())["watches"].values()
        assert watch["expiresAt"] > play.clock.now()


async def test_what_can_not_be_had_again_for_days_is_left_alone(tmp_path: Path) -> None:
    async with played(tmp_path) as play:
        await play.open()
        play.provider.fails["watch"] = status(403)
        await play.pass_(LIFE + 1)
        await play.go()
        await play.pass_(8 * 86_400)
        await play.go()
        count = len(play.asked)
        await play.pass_(86_400)
        await play.go()
        assert len(play.asked) == count


async def test_one_that_does_not_end_is_never_renewed(tmp_path: Path) -> None:
    create = {name: part for name, part in CREATE.items() if name != "expiresAt"}
    async with played(tmp_path, create=create) as play:
        assert (await play.open()).expires_at is None
        assert await play.scene.engine.store.state.find("agenda:") == []


async def test_closing_takes_the_subscription_back_and_nothing_is_believed_any_more(tmp_path: Path) -> None:
    async with played(tmp_path) as play:
        await play.open()
        token = (await play.stored())["token"]
        await play.close()
        assert (play.provider.held, await play.stored()) == ({}, {})
        assert (await play.tell(token)).outcome == "refused"
        assert await play.scene.engine.store.state.find(f"agenda:{KIND}:") == []
        await play.close()  # again does no harm


@pytest.mark.parametrize("number", [404, 403, 410])
async def test_closing_succeeds_where_the_provider_knows_of_nothing_or_lets_us_in_no_more(
    tmp_path: Path, number: int
) -> None:
    async with played(tmp_path) as play:
        await play.open()
        play.provider.fails["stop"] = status(number)
        await play.close()
        assert await play.stored() == {}


@pytest.mark.parametrize("number", [429, 503])
async def test_closing_that_the_provider_may_do_later_says_so_and_leaves_it_open(tmp_path: Path, number: int) -> None:
    async with played(tmp_path) as play:
        await play.open()
        before = await play.stored()
        play.provider.fails["stop"] = status(number)
        with pytest.raises(RequestError, match="try again") as later:
            await play.close()
        assert (later.value.code, await play.stored()) == ("SERVICE_UNAVAILABLE", before)


@pytest.mark.parametrize("number", [200, 403, 503])
async def test_a_deleted_connection_takes_its_subscription_along_if_it_can_and_goes_anyway(
    tmp_path: Path, number: int
) -> None:
    async with played(tmp_path) as play:
        await play.open()
        if number != 200:
            play.provider.fails["stop"] = status(number)
        await ConnectionService(play.scene.engine).delete(*play.ids)
        assert "POST /stop/r1" in play.asked
        assert await play.scene.engine.store.connections.get(*play.ids) is None
        assert await play.scene.engine.store.state.find(f"agenda:{KIND}:") == []
        await play.pass_(LIFE)
        await play.go()


async def test_a_renewal_of_what_was_closed_meanwhile_leaves_nothing_at_the_provider(tmp_path: Path) -> None:
    async with played(tmp_path) as play:
        await play.open()
        await play.pass_(0.8 * LIFE + 1)
        provider = play.provider

        closing: list[asyncio.Task[None]] = []

        def create(seen: Seen) -> Reply:
            provider.fails.clear()
            closing.append(asyncio.create_task(play.close()))
            return replace(provider(seen), delay=0.5)

        provider.fails["watch"] = create
        await play.go()
        await asyncio.gather(*closing)
        assert (await play.stored(), provider.held) == ({}, {})


async def test_an_answer_without_what_is_captured_is_a_failure(tmp_path: Path) -> None:
    async with played(tmp_path) as play:
        play.provider.fails["watch"] = status(200, {"until": 1})
        with pytest.raises(RequestError, match="lacks resourceId"):
            await play.open()
        play.provider.fails["watch"] = status(200, {"resource": "r", "until": "tomorrow"})
        with pytest.raises(RequestError, match="readable"):
            await play.open()
        assert await play.stored() == {}


# --- topics ---

TOPICAL = {
    **CREATE,
    "request": {**CREATE["request"], "json": {**CREATE["request"]["json"], "topic": "{{ webhook.topic }}"}},  # type: ignore[dict-item, index]
}


async def test_each_topic_has_a_subscription_of_its_own(tmp_path: Path) -> None:
    async with played(tmp_path, create=TOPICAL, renew=RENEW, topics=["orders/create", "orders/paid"]) as play:
        await play.open()
        assert [one["topic"] for one in play.provider.held.values()] == ["orders/create", "orders/paid"]
        assert len({one["id"] for one in play.provider.held.values()}) == 2
        await play.pass_(0.8 * LIFE + 1)
        await play.go()
        assert play.asked[2:] == ["PUT /watch/r1", "PUT /watch/r2"]
        await play.close()
        assert play.provider.held == {}


async def test_a_topic_that_fails_takes_the_others_back(tmp_path: Path) -> None:
    async with played(tmp_path, create=TOPICAL, topics=["one", "two", "three"]) as play:

        def create(seen: Seen) -> Any:
            if seen.json()["topic"] == "three":
                return answer({"error": "no"}, 403)
            play.provider.fails.clear()
            made = play.provider(seen)
            play.provider.fails["watch"] = create
            return made

        play.provider.fails["watch"] = create
        with pytest.raises(RequestError, match="did not subscribe us"):
            await play.open()
        assert (play.provider.held, await play.stored(), play.provider.made) == ({}, {}, 2)
