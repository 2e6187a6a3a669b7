"""What calls and tests do to a connection's status, and what a test says."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from engine.connections.service import Change, ConnectionService
from engine.model import Connection
from tests.support.scene import KEY, START, TENANT, Stillstand, connect, replies, running
from tests.support.specs import CONNECTED, action, fields, login_spec, secret, setting, spec
from tests.support.upstream import Reply, Seen, answer

WHO = action("who", output={"got": "body"})
TESTED = spec(WHO, action(), test={"action": "who"})


class Changing:
    """A provider whose answer a test changes."""

    def __init__(self, reply: Reply) -> None:
        self.reply = reply

    def __call__(self, _: Seen) -> Reply:
        return self.reply


OK, REFUSED = answer({"shops": [885]}), answer({"message": "bad key"}, 401)


def status(connection: Connection) -> tuple[Any, ...]:
    return connection.status, connection.last_error, connection.last_error_at


async def test_a_refused_call_makes_the_connection_error_and_a_success_makes_it_active(tmp_path: Path) -> None:
    clock, provider = Stillstand(), Changing(REFUSED)
    said = spec(WHO, action(), answer={"message": "body.message"})
    async with running(tmp_path, said, provider, clock=clock) as scene:
        clock.passed = 5
        await scene.code()
        assert status(await scene.stored()) == ("error", "bad key", START + 5)
        provider.reply = OK
        await scene.call()
        assert status(await scene.stored()) == ("active", None, START + 5)
        assert (await scene.stored()).last_tested_at is None


@pytest.mark.parametrize("reply", [answer({}, code) for code in (400, 403, 404, 409, 429, 500)])
async def test_other_failures_do_not_blame_the_credentials(tmp_path: Path, reply: Reply) -> None:
    async with running(tmp_path, TESTED, Changing(reply)) as scene:
        await scene.code()
        assert (await scene.stored()).status == "active"
        broken = await connect(scene.engine, status="error", last_error="before")
        await scene.code(connection_id=broken.connection_id)
        stored = await scene.engine.store.connections.get(TENANT, broken.connection_id)
        assert stored is not None
        assert (stored.status, stored.last_error) == ("error", "before")


async def test_a_login_may_say_that_the_account_must_be_connected_again(tmp_path: Path) -> None:
    made = login_spec(errors=[{"status": 403, "code": "REAUTH_REQUIRED"}])
    async with running(tmp_path, made, replies({}, 403), **CONNECTED) as scene:
        assert await scene.code() == "REAUTH_REQUIRED"
        assert (await scene.stored()).status == "error"


async def test_a_call_does_not_overwrite_what_somebody_changed_meanwhile(tmp_path: Path) -> None:
    async with running(tmp_path, TESTED, lambda _: Reply(401, delay=0.3)) as scene:
        slow = asyncio.create_task(scene.code())
        await scene.upstream.arrived()
        change = Change(credentials={"apiKey": "the-right-key"})
        await ConnectionService(scene.engine).update(TENANT, scene.connection.connection_id, change)
        assert await slow == "AUTH_FAILED"
        assert (await scene.stored()).status == "active"


async def test_a_test_that_succeeds_notes_its_time(tmp_path: Path) -> None:
    clock = Stillstand()
    async with running(tmp_path, TESTED, replies(), clock=clock) as scene:
        clock.passed = 7
        proof = await scene.engine.test(scene.connection)
        assert (proof.success, proof.tested_at) == (True, START + 7)
        assert (await scene.stored()).last_tested_at == START + 7
        row = (await scene.log())[0]
        assert (row.action_id, row.caller_service) == ("who", "connection-test")


async def test_a_test_that_is_refused_makes_the_connection_error(tmp_path: Path) -> None:
    provider = Changing(REFUSED)
    async with running(
        tmp_path, spec(WHO, test={"action": "who"}, answer={"message": "body.message"}), provider
    ) as scene:
        proof = await scene.engine.test(scene.connection)
        assert (proof.success, proof.message) == (False, "bad key")
        stored = await scene.stored()
        assert (stored.status, stored.last_error, stored.last_tested_at) == ("error", "bad key", START)
        provider.reply = OK
        assert (await scene.engine.test(stored)).success
        assert status(await scene.stored()) == ("active", None, START)


async def test_a_test_that_fails_otherwise_notes_its_time_and_changes_nothing_else(tmp_path: Path) -> None:
    async with running(tmp_path, TESTED, replies({}, 503)) as scene:
        assert not (await scene.engine.test(scene.connection)).success
        stored = await scene.stored()
        assert (stored.status, stored.last_tested_at is not None) == ("active", True)


async def test_a_test_of_a_connection_that_is_inactive_says_so(tmp_path: Path) -> None:
    async with running(tmp_path, TESTED) as scene:
        inactive = await connect(scene.engine, status="inactive")
        proof = await scene.engine.test(inactive)
        assert not proof.success
        assert "inactive" in proof.message
        assert scene.seen == 0


SHOP = fields(("apiKey",), apiKey=secret(), shopId=setting())


def shop_test(**test: Any) -> dict[str, Any]:
    return spec(WHO, action(), configSchema=SHOP, test={"action": "who", **test})


EXPECT = {"expect": "contains(body.shops, to_number(config.shopId))", "message": "shopId is no shop of this key"}


@pytest.mark.parametrize(("shop", "good"), [("885", True), ("999", False)])
async def test_an_answer_must_show_what_the_test_expects(tmp_path: Path, shop: str, good: bool) -> None:
    async with running(tmp_path, shop_test(**EXPECT), lambda _: OK, config={"shopId": shop}) as scene:
        proof = await scene.engine.test(scene.connection)
        assert proof.success is good
        assert good or proof.message == "shopId is no shop of this key"


async def test_a_test_that_does_not_see_what_it_expects_makes_nothing_active(tmp_path: Path) -> None:
    async with running(tmp_path, shop_test(**EXPECT), lambda _: OK, config={"shopId": "999"}) as scene:
        broken = await connect(scene.engine, status="error", last_error="before", config={"shopId": "999"})
        assert not (await scene.engine.test(broken)).success
        stored = await scene.engine.store.connections.get(TENANT, broken.connection_id)
        assert stored is not None
        assert (stored.status, stored.last_error, stored.last_tested_at) == ("error", "before", START)


async def test_an_accepted_refusal_proves_the_credentials(tmp_path: Path) -> None:
    made = shop_test(accept={"code": ["NOT_FOUND", "REJECTED"]})
    provider = Changing(answer({}, 404))
    async with running(tmp_path, made, provider) as scene:
        broken = await connect(scene.engine, status="error", last_error="before")
        assert (await scene.engine.test(broken)).success
        stored = await scene.engine.store.connections.get(TENANT, broken.connection_id)
        assert stored is not None
        assert (stored.status, stored.last_error) == ("active", None)
        provider.reply = answer({}, 409)
        assert not (await scene.engine.test(stored)).success


@pytest.mark.parametrize(("body", "good"), [({"code": "42"}, True), ({}, False), ("<html>Not Found</html>", False)])
async def test_an_accepted_refusal_must_be_the_providers_own_word(tmp_path: Path, body: Any, good: bool) -> None:
    """Where it has codes: a page of a proxy says 404 too."""
    made = shop_test(accept={"code": ["NOT_FOUND"]})
    async with running(tmp_path, {**made, "answer": {"code": "body.code"}}, replies(body, 404)) as scene:
        proof = await scene.engine.test(scene.connection)
        assert proof.success is good
        assert good or "the provider's own words" in proof.message


@pytest.mark.parametrize(("code", "good"), [("42", True), ("13", False)])
async def test_of_the_refusals_of_one_kind_only_the_named_ones_prove_anything(
    tmp_path: Path, code: str, good: bool
) -> None:
    made = shop_test(accept={"code": ["NOT_FOUND"], "providerCode": ["42"]})
    async with running(tmp_path, {**made, "answer": {"code": "body.code"}}, replies({"code": code}, 404)) as scene:
        proof = await scene.engine.test(scene.connection)
        assert proof.success is good
        assert good or proof.message != "the credentials work"


@pytest.mark.parametrize(
    ("first", "second", "good", "sent"),
    [(200, 200, True, 1), (404, 200, True, 2), (404, 404, False, 2), (401, 200, False, 1)],
)
async def test_another_way_to_test_is_tried_unless_the_credentials_were_refused(
    tmp_path: Path, first: int, second: int, good: bool, sent: int
) -> None:
    made = shop_test(orElse={"action": "quote"})
    handler = lambda seen: answer({}, first if seen.path == "/who" else second)  # noqa: E731
    async with running(tmp_path, made, handler) as scene:
        assert (await scene.engine.test(scene.connection)).success is good
        assert scene.seen == sent


async def test_an_integration_without_a_test_says_that_nothing_was_proved(tmp_path: Path) -> None:
    async with running(tmp_path, spec()) as scene:
        proof = await scene.engine.test(scene.connection)
        assert proof.success
        assert "no test" in proof.message
        assert (await scene.stored()).last_tested_at == START
        assert scene.seen == 0


async def test_a_test_gives_its_action_an_input_of_its_own(tmp_path: Path) -> None:
    one = action("who", inputSchema=fields(shop={"type": "string", "description": "A shop."}))
    one["request"] = {"method": "GET", "path": "/who/{{ input.shop | default('none') }}"}
    made = spec(one, configSchema=SHOP, test={"action": "who", "input": {"shop": "{{ config.shopId }}-{{ call.key }}"}})
    async with running(tmp_path, made, config={"shopId": "885"}) as scene:
        assert (await scene.engine.test(scene.connection)).success
        assert scene.upstream.seen[0].path.startswith("/who/885-")


async def test_a_connection_deleted_during_its_test_stays_deleted(tmp_path: Path) -> None:
    async with running(tmp_path, TESTED, lambda _: Reply(200, delay=0.3)) as scene:
        testing = asyncio.create_task(scene.engine.test(scene.connection))
        await scene.upstream.arrived()
        await ConnectionService(scene.engine).delete(TENANT, scene.connection.connection_id)
        assert (await testing).success
        assert await scene.engine.store.connections.get(TENANT, scene.connection.connection_id) is None
    assert KEY.encode() not in b"".join(file.read_bytes() for file in (tmp_path / "data").iterdir())
