"""Requests outside of actions go the way of all requests, and leave no row in the log."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from engine.catalog import AnswerPlan, EncodeOptions, RequestPlan, Step
from engine.errors import CallError
from engine.runtime.errand import errand
from engine.telemetry.events import AttemptEvent, CallEvent, DeliveryEvent, MessageEvent
from tests.support.authority import Authority, account_of, connect_account
from tests.support.scene import KEY, running
from tests.support.specs import ID, consent_spec, spec
from tests.support.upstream import Reply, Seen, answer


def step(url: str = "https://api.acme.example/hooks", effect: Any = "write") -> Step:
    """POSTs the root `webhook` as JSON."""
    options = EncodeOptions()
    plan = RequestPlan(
        "POST", None, None, lambda _: url, None, None, "json", lambda s: s["webhook"], None, None, options, options
    )
    return Step("subscribe", effect, plan, AnswerPlan(), (), outputs={})


HOOK = {"webhook": {"address": "https://integrations.test/w"}}


async def test_an_errand_is_signed_as_an_action_is_and_leaves_no_row(tmp_path: Path) -> None:
    async with running(tmp_path, spec()) as scene:
        reply = await scene.engine.errand(await account_of(scene), step(), HOOK, signed=True)
        assert reply.scope["body"] == {"ok": True}
        assert scene.upstream.seen[0].headers["x-api-key"] == KEY
        assert scene.upstream.seen[0].json() == HOOK["webhook"]
        assert await scene.log() == []


async def test_an_errand_that_is_not_signed_holds_no_credential(tmp_path: Path) -> None:
    async with running(tmp_path, spec()) as scene:
        await errand(scene.engine, await account_of(scene), step(), HOOK, signed=False)
        assert "x-api-key" not in scene.upstream.seen[0].headers


async def test_its_token_is_made_ready_and_renewed_once(tmp_path: Path) -> None:
    authority = Authority()
    async with running(tmp_path, consent_spec(), authority, credentials={}) as scene:
        await connect_account(scene, authority)
        authority.given += 1
        await scene.engine.errand(await account_of(scene), step(), HOOK, signed=True)
        assert authority.refreshes == 1


async def test_it_goes_to_the_hosts_of_the_spec_only(tmp_path: Path) -> None:
    async with running(tmp_path, spec()) as scene:
        with pytest.raises(CallError) as refused:
            await scene.engine.errand(await account_of(scene), step("https://evil.test/"), HOOK, signed=True)
        assert refused.value.code == "FORBIDDEN"
        assert scene.seen == 0


async def test_a_write_whose_answer_is_lost_is_not_sent_again(tmp_path: Path) -> None:
    async with running(tmp_path, spec(), lambda _: Reply(fault="drop")) as scene:
        with pytest.raises(CallError) as lost:
            await scene.engine.errand(await account_of(scene), step(), HOOK, signed=True)
        assert (lost.value.code, scene.seen) == ("OUTCOME_UNKNOWN", 1)


async def test_a_read_is_sent_again(tmp_path: Path) -> None:
    left = [answer({}, 503), answer({}, 503)]
    async with running(tmp_path, spec(), lambda _: left.pop() if left else answer({"ok": True})) as scene:
        await scene.engine.errand(await account_of(scene), step(effect="read"), HOOK, signed=True)
        assert scene.seen == 3


async def test_it_uses_up_no_calls_of_the_tenant_but_those_that_the_provider_counts(tmp_path: Path) -> None:
    limits = [{"scope": "connection", "calls": 2, "per": 60}]
    settings = {"tenant_calls_per_minute": 1}
    async with running(tmp_path, spec(limits=limits), settings=settings) as scene:
        account = await account_of(scene)
        for _ in range(2):
            await scene.engine.errand(account, step(), HOOK, signed=True)
        with pytest.raises(CallError) as refused:
            await scene.engine.errand(account, step(), HOOK, signed=True)
        assert refused.value.code == "RATE_LIMITED"


class Watching:
    """Keeps what it is told."""

    def __init__(self) -> None:
        self.attempts: list[AttemptEvent] = []

    def attempt(self, event: AttemptEvent) -> None:
        self.attempts.append(event)

    def call(self, event: CallEvent) -> None:
        raise AssertionError("an errand is no call")

    def message(self, event: MessageEvent) -> None:
        raise AssertionError("an errand is no message")

    def delivery(self, event: DeliveryEvent) -> None:
        raise AssertionError("an errand is no delivery")


async def test_who_observes_is_told_of_the_attempt(tmp_path: Path) -> None:
    watching = Watching()
    async with running(tmp_path, spec(), observer=watching) as scene:
        await scene.engine.errand(await account_of(scene), step(), HOOK, signed=True)
    assert [(one.integration_id, one.step_id, one.http_status) for one in watching.attempts] == [(ID, "subscribe", 200)]


async def test_a_grant_is_given_back_when_it_is_revoked(tmp_path: Path) -> None:
    authority = Authority()
    made = consent_spec(revoke={"request": {"path": "/revoke"}})
    async with running(tmp_path, made, authority, credentials={}) as scene:
        await connect_account(scene, authority)
        await scene.engine.tokens.revoke(await account_of(scene))
        assert authority.revoked == ["refresh-0000-1"]


async def test_revoking_never_fails(tmp_path: Path) -> None:
    authority = Authority()

    def down(seen: Seen) -> Reply:
        return answer({}, 503) if seen.path == "/revoke" else authority(seen)

    made = consent_spec(revoke={"request": {"path": "/revoke"}})
    async with running(tmp_path, made, down, credentials={}) as scene:
        await scene.engine.tokens.revoke(await account_of(scene))
        await connect_account(scene, authority)
        await scene.engine.tokens.revoke(await account_of(scene))
        assert [seen.path for seen in scene.upstream.seen] == ["/revoke"]


async def test_what_a_test_captures_becomes_config(tmp_path: Path) -> None:
    made = consent_spec()
    made["test"] = {"action": "quote", "capture": {"region": "body.account"}}
    authority = Authority()
    async with running(tmp_path, made, authority, credentials={}) as scene:
        await connect_account(scene, authority)
        outcome = await scene.engine.test(await scene.stored())
        assert outcome.success
        stored = await scene.stored()
        assert stored.config["region"] == "acme-1"
        assert stored.last_tested_at is not None
        assert replace(stored, config={}).status == "active"
