"""Plugins that choose how a token is got: the engine sends what they ask for, and keeps what comes of it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from engine.connections.service import Change, ConnectionService
from engine.plugins import Declaration, Registry, TokenRequest, TokenState
from engine.runtime.agenda import Agenda
from engine.runtime.apps import AppBook
from engine.runtime.grant import GRANT
from tests.support.authority import (
    OAUTH_APP,
    Authority,
    clock_of,
)
from tests.support.scene import TENANT, Scene, running
from tests.support.specs import ID, consent_spec, fields, secret, setting, spec
from tests.support.upstream import Reply, answer

HOUR = 3600.0


def shop_refresh(state: TokenState) -> TokenRequest | None:
    """A rotating pair where there is one, else the exchange of an old permanent token."""
    app = {"client_id": state.app["clientId"], "client_secret": state.app["clientSecret"]}
    if state.refresh:
        form = {"grant_type": "refresh_token", "refresh_token": state.refresh, **app}
    elif state.credentials.get("permanentToken"):
        form = {"grant_type": "swap", "subject": state.credentials["permanentToken"], **app}
    else:
        return None
    return TokenRequest("https://api.acme.example/token" if "evil" not in state.config else "https://evil.test/t", form)


def plugin_spec() -> dict[str, Any]:
    made = consent_spec()
    form = fields((), permanentToken=secret(), other=secret(), evil=setting())
    method = {
        "method": "migrated",
        "type": "oauth2",
        "needs": ["permanentToken"],
        "refresh": {"plugin": "shop_refresh"},
        "errors": made["auth"][0]["errors"],
        "apply": made["auth"][0]["apply"],
    }
    return spec(configSchema=form, app=made["app"], auth=[method], authType="oauth2")


def registry() -> Registry:
    made = Registry()
    made.add(Declaration("refresher", "shop_refresh"), shop_refresh, "shop.py")
    return made


class Swapping(Authority):
    def grants(self, form: dict[str, str]) -> Reply:
        if form["grant_type"] == "swap" and form["subject"] != "fake-permanent-0000":
            return answer({"error": "invalid_grant", "error_description": "no such token"}, 400)
        return super().grants({**form, "grant_type": "first"} if form["grant_type"] == "swap" else form)


@asynccontextmanager
async def migrated(tmp_path: Path, authority: Authority, made: Any = None, **more: Any) -> AsyncIterator[Scene]:
    given = {"credentials": {"permanentToken": "fake-permanent-0000", "other": "fake-other-0000"}, **more}
    async with running(tmp_path, made or plugin_spec(), authority, registry=registry(), **given) as scene:
        await AppBook(scene.engine.store).put(ID, OAUTH_APP)
        yield scene


async def test_a_refresher_chooses_how_the_first_token_is_got_and_how_it_is_renewed(tmp_path: Path) -> None:
    authority = Swapping()
    async with migrated(tmp_path, authority) as scene:
        assert (await scene.call()).success
        clock_of(scene).passed = HOUR
        assert (await scene.call()).success
        assert [form["grant_type"] for form in authority.forms] == ["swap", "refresh_token"]


async def test_a_first_grant_without_consent_is_looked_after_too(tmp_path: Path) -> None:
    authority = Swapping(answers={"ttl": 1000})
    made = plugin_spec()
    made["auth"][0]["token"] = {"refreshExpiresIn": "body.ttl"}
    async with migrated(tmp_path, authority, made) as scene:
        agenda = Agenda(scene.engine.store.state, scene.engine.clock.now)
        assert (await scene.call()).success
        assert await agenda.due(9) == []
        clock_of(scene).passed += 800
        assert [(entry.kind, entry.connection_id) for entry in await agenda.due(9)] == [
            (GRANT, scene.connection.connection_id)
        ]


async def test_a_permanent_token_that_was_refused_is_tried_again_when_it_is_another(tmp_path: Path) -> None:
    authority = Swapping()
    async with migrated(tmp_path, authority, credentials={"permanentToken": "fake-permanent-0000"}) as scene:
        change = Change(credentials={"permanentToken": "another-permanent-0000"})
        await ConnectionService(scene.engine).update(TENANT, scene.connection.connection_id, change)
        for _ in range(2):
            assert await scene.code() == "REAUTH_REQUIRED"
        assert len(authority.forms) == 1, "a refusal is kept"
        change = Change(credentials={"permanentToken": "fake-permanent-0000"})
        await ConnectionService(scene.engine).update(TENANT, scene.connection.connection_id, change)
        assert (await scene.call()).success


async def test_the_url_of_a_refresher_lies_inside_hosts(tmp_path: Path) -> None:
    authority = Swapping()
    async with migrated(tmp_path, authority, config={"evil": "yes"}) as scene:
        done = await scene.call()
        assert done.error is not None
        assert scene.seen == 0
        assert "hosts" in done.error.message or "may" in done.error.message
