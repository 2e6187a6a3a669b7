"""`webhook.url` in actions: where a provider takes the address of its messages with each call."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from engine.errors import SpecError
from engine.events.endpoint import Endpoints
from engine.library import exact
from tests.events.app_messages import CONSENT, PRIVATE, app_spec
from tests.support.scene import TENANT, Scene, running
from tests.support.specs import action, catalog, fields, spec, text

PUBLIC = "https://integrations.test"
WEBHOOKS = {
    "verify": [{"scheme": "equals", "given": "request.key", "key": "{{ webhook.token }}"}],
    "events": [{"ignore": True}],
}
PAY = action(
    "pay",
    "action",
    inputSchema=fields(notifyUrl=text()),
    request={"method": "POST", "path": "/pay", "json": {"callback": "{{ input.notifyUrl | default(webhook.url) }}"}},
)


def told(scene: Scene) -> Any:
    return exact.loads(scene.upstream.seen[-1].body).get("callback")


async def test_the_address_is_told_from_its_opening_to_its_closing(tmp_path: Path) -> None:
    """Also by a process that has had the account in memory all the time."""
    async with running(tmp_path, spec(PAY, webhooks=WEBHOOKS), settings={"public_url": PUBLIC}) as scene:
        endpoints = Endpoints(scene.engine)
        ids = (TENANT, scene.connection.connection_id)

        assert (await scene.call("pay")).success
        assert told(scene) is None

        first = await endpoints.open(*ids)
        assert (await scene.call("pay")).success
        assert told(scene) == first.url
        assert first.url.startswith(f"{PUBLIC}/webhooks/{ids[1]}/")

        second = await endpoints.open(*ids)
        assert (await scene.call("pay")).success
        assert told(scene) == second.url != first.url

        assert (await scene.call("pay", {"notifyUrl": "https://shop.test/paid"})).success
        assert told(scene) == "https://shop.test/paid"

        await endpoints.close(*ids)
        assert (await scene.call("pay")).success
        assert told(scene) is None


async def test_a_check_may_ask_for_it(tmp_path: Path) -> None:
    needed = {**PAY, "checks": [{"require": "input.notifyUrl || webhook.url", "message": "open the webhook first"}]}
    async with running(tmp_path, spec(needed, webhooks=WEBHOOKS), settings={"public_url": PUBLIC}) as scene:
        refused = await scene.call("pay")
        assert refused.error is not None
        assert (refused.error.code, refused.error.message) == ("INVALID_INPUT", "input: open the webhook first")
        await Endpoints(scene.engine).open(TENANT, scene.connection.connection_id)
        assert (await scene.call("pay")).success


async def test_the_address_of_an_app_is_always_known(tmp_path: Path) -> None:
    one = {**app_spec(), "actions": [PAY], "auth": [{**PRIVATE, "needs": ["privateToken"]}, CONSENT]}
    given = {"privateToken": "fake-private-0000"}
    async with running(tmp_path, one, credentials=given, settings={"public_url": PUBLIC}) as scene:
        assert (await scene.call("pay")).success
        assert told(scene) == f"{PUBLIC}/webhooks/apps/{one['integrationId']}"


def test_without_webhooks_there_is_no_such_name(tmp_path: Path) -> None:
    with pytest.raises(SpecError) as raised:
        catalog(tmp_path, spec(PAY))
    assert any("webhook" in finding.message for finding in raised.value.diagnostics)
