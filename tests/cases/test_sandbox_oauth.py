"""The sandbox plays consent and tokens: an engine on real sockets, and a browser without script."""

from __future__ import annotations

import html
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import httpx
import pytest

from engine.bootstrap import open_engine
from engine.cases.authority import Authority
from engine.cases.read import read_folder
from engine.cases.sandbox import create_sandbox, running
from engine.connections.consent import Consents, Outcome, Refused
from engine.connections.service import ConnectionService, Draft
from engine.model import Answer, Command, Connection
from engine.runtime.account import TOKEN
from engine.runtime.execute import Engine
from engine.runtime.message import Message
from engine.settings import Settings
from tests.cases.consenting import APP, HELD, SHOP, STATE, consent_case, denied_case, quoting, refreshing, shop_spec
from tests.cases.written import Folder, case
from tests.support.specs import ID, fields, secret, setting

PUBLIC = "http://127.0.0.1:8400"
MINE = "mine.shops.example"
CASES = (
    consent_case(),
    denied_case(),
    case("a quote", quoting(0), given={"app": APP, "config": {"shop": SHOP}, "token": {"access": "fake-access-0000"}},
         result={"got": {"n": 0}}),
    case("a token is refused and renewed", quoting(0, 401), refreshing(), quoting(1),
         given={"app": APP, "config": {"shop": SHOP}, "token": {k: v for k, v in HELD.items() if k != "expiresAt"}},
         result={"got": {"n": 1}}),
    case("the grant is over", refreshing(400, {"error": "invalid_grant", "error_description": "grant is gone"}),
         given={"app": APP, "config": {"shop": SHOP}, "token": HELD}, error={"code": "REAUTH_REQUIRED"}),
)  # fmt: skip


@dataclass
class Play:
    engine: Engine
    consents: Consents
    connection: Connection
    origin: str

    async def page(self) -> str:
        """Where the person is sent."""
        return (await self.consents.begin(self.connection)).url

    async def decide(self, decision: str = "approve", url: str | None = None) -> httpx.Response:
        """A browser reads the page and presses a button of it."""
        async with httpx.AsyncClient(trust_env=False) as browser:
            page = await browser.get(url or await self.page())
            assert page.status_code == 200, page.text
            assert "<script" not in page.text
            assert "default-src 'none'" in page.headers["content-security-policy"]
            assert f'name="decision" value="{decision}"' in page.text
            return await browser.post(str(page.url), data={"decision": decision})

    async def come_back(self, location: str) -> Outcome:
        return await self.consents.come_back(Message("GET", location, {}, b"", None))

    async def connect(self) -> Outcome:
        answer = await self.decide()
        assert answer.status_code == 303
        return await self.come_back(answer.headers["location"])

    async def call(self) -> Answer:
        ids = (self.connection.tenant_id, self.connection.connection_id)
        return await self.engine.execute(Command(ids[0], "quote", {}, connection_id=ids[1]))

    async def token(self) -> Mapping[str, Any]:
        stored = await self.engine.store.secrets.get(self.connection.tenant_id, self.connection.connection_id, TOKEN)
        assert stored is not None
        return stored.value

    async def control(self, what: str) -> int:
        async with httpx.AsyncClient(trust_env=False) as tester:
            return int((await tester.post(f"{self.origin}/sandbox/{what}")).json()["count"])


@asynccontextmanager
async def played(
    home: Path, *cases: Mapping[str, Any], life: float | None = None, **of_method: Any
) -> AsyncIterator[Play]:
    folder = Folder(home, shop_spec(**of_method), *cases)
    every, _ = read_folder(home / ID)
    authority = Authority(folder.catalog, every, life)
    apps = {name: party.app for name, party in authority.parties.items()}
    async with running(create_sandbox(every, authority, f"{PUBLIC}/oauth/callback")) as origin:
        settings = Settings(data_dir=home / "data", public_url=PUBLIC, sandbox=True)
        engine = await open_engine(settings, catalog=folder.catalog, upstreams={ID: origin}, apps=apps)
        try:
            made = await ConnectionService(engine).create("acme", Draft(ID, "My shop", {"shop": MINE}))
            yield Play(engine, Consents(engine, PUBLIC, ()), made, origin)
        finally:
            await engine.close()


async def test_a_newcomer_connects_with_the_app_of_the_sandbox_and_calls(tmp_path: Path) -> None:
    async with played(tmp_path, *CASES) as play:
        assert play.connection.status == "inactive"
        outcome = await play.connect()
        assert outcome.error is None
        assert (outcome.connection.status, outcome.connection.config["shopId"]) == ("active", "17")
        answer = await play.call()
        assert (answer.success, answer.data) == (True, {"got": {"n": 0}})


async def test_who_presses_deny_is_sent_back_with_the_refusal(tmp_path: Path) -> None:
    async with played(tmp_path, *CASES) as play:
        location = (await play.decide("deny")).headers["location"]
        outcome = await play.come_back(location)
        assert outcome.error is not None
        assert (outcome.error.code, outcome.error.provider_code) == ("REAUTH_REQUIRED", "access_denied")
        assert (await play.connect()).error is None


async def test_the_callback_is_signed_for_this_account_and_no_other(tmp_path: Path) -> None:
    async with played(tmp_path, *CASES) as play:
        location = (await play.decide()).headers["location"]
        query = dict(parse_qsl(urlsplit(location).query))
        assert (query["shop"], query["code"][:13]) == (MINE, "sandbox-code-")
        for forged in (location.replace(MINE, SHOP), location.replace(query["hmac"], "0" * 64)):
            with pytest.raises(Refused):
                await play.come_back(forged)
        assert (await play.come_back(location)).error is None


async def test_a_token_that_is_made_to_expire_is_renewed_and_its_refresh_token_replaced(tmp_path: Path) -> None:
    async with played(tmp_path, *CASES) as play:
        await play.connect()
        before = await play.token()
        assert await play.control("expire") == 1
        assert (await play.call()).success
        after = await play.token()
        assert after["access"] != before["access"]
        assert after["refresh"] != before["refresh"]
        assert after["scope"] == ["read_orders", "write_orders"]


async def test_tokens_hold_as_long_as_the_sandbox_is_told(tmp_path: Path) -> None:
    async with played(tmp_path, *CASES, life=1) as play:
        await play.connect()
        tokens = set()
        for _ in range(2):
            assert (await play.call()).success
            tokens.add((await play.token())["access"])
            await play.engine.clock.sleep(1.1)
        assert len(tokens) == 2


async def test_a_consent_that_is_taken_back_ends_in_the_provider_s_own_refusal(tmp_path: Path) -> None:
    async with played(tmp_path, *CASES) as play:
        await play.connect()
        assert await play.control("revoke") == 1
        await play.control("expire")
        answer = await play.call()
        assert answer.error is not None
        assert answer.error.code == "REAUTH_REQUIRED"
        assert "grant is gone" in answer.error.message
        assert (await play.connect()).connection.status == "active"
        assert (await play.call()).success


async def test_a_token_that_the_engine_gives_back_is_over(tmp_path: Path) -> None:
    async with played(tmp_path, *CASES) as play:
        await play.connect()
        held = (await play.token())["access"]
        await play.engine.tokens.revoke(await play.engine.accounts.read(play.connection))
        async with httpx.AsyncClient(trust_env=False, headers={"X-Upstream-Host": MINE}) as other:
            late = await other.get(f"{play.origin}/quote", headers={"Authorization": f"Bearer {held}"})
        assert (late.status_code, late.json()) == (401, {"error": "token is over"})


async def test_without_any_case_consent_and_tokens_are_as_the_standard_has_them(tmp_path: Path) -> None:
    async with played(tmp_path, callback=None, capture=None, token=None) as play:
        outcome = await play.connect()
        assert outcome.error is None
        token = await play.token()
        assert token["scope"] == ["read_orders", "write_orders"]
        assert await play.control("expire") == 1
        account = await play.engine.accounts.read(outcome.connection)
        await play.engine.tokens.refresh_idle(account)


FORM = {"grant_type": "authorization_code", "client_id": APP["clientId"], "client_secret": APP["clientSecret"]}


@dataclass
class Code:
    """A code that a person has, and the verifier that fits it."""

    play: Play
    location: str

    @property
    def text(self) -> str:
        return dict(parse_qsl(urlsplit(self.location).query))["code"]

    async def swap(self, **form: str) -> httpx.Response:
        sent = {**FORM, "code": self.text, **form}
        async with httpx.AsyncClient(trust_env=False) as other:
            return await other.post(f"{self.play.origin}/oauth/token", data=sent, headers={"X-Upstream-Host": MINE})


async def code_of(play: Play, challenge: str = "") -> Code:
    """By hand, as an attacker or another app would."""
    asked = {"client_id": APP["clientId"], "redirect_uri": f"{PUBLIC}/oauth/callback", "state": "s" * 20}
    more = {"code_challenge": challenge} if challenge else {}
    url = httpx.URL(f"{play.origin}/oauth/authorize", params={**asked, **more, "x-upstream-host": MINE})
    return Code(play, (await play.decide(url=str(url))).headers["location"])


@pytest.mark.parametrize(
    ("wrong", "error"),
    [
        ({"client_secret": "fake-other-secret-0000"}, "invalid_client"),
        ({"client_id": "fake-other-client-0000"}, "invalid_client"),
        ({"redirect_uri": "http://127.0.0.1:8400/elsewhere"}, "invalid_grant"),
        ({"code_verifier": "another-verifier"}, "invalid_grant"),
        ({}, "invalid_grant"),
    ],
)
async def test_a_code_is_swapped_by_who_asked_for_it_only(tmp_path: Path, wrong: dict[str, str], error: str) -> None:
    async with played(tmp_path, *CASES) as play:
        code = await code_of(play, challenge="E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM")
        assert (await code.swap(**wrong)).json()["error"] == error
        verifier = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"  # RFC 7636, appendix B
        assert (await code.swap(code_verifier=verifier)).status_code == 200


async def test_a_code_is_good_once_and_its_tokens_end_when_it_comes_again(tmp_path: Path) -> None:
    async with played(tmp_path, *CASES) as play:
        code = await code_of(play)
        token = (await code.swap()).json()
        assert (await code.swap()).status_code == 400
        form = {"grant_type": "refresh_token", "refresh_token": token["refresh_token"]}
        assert (await code.swap(code="", **form)).status_code == 400


async def test_a_refresh_token_that_was_replaced_is_refused_in_the_provider_s_words(tmp_path: Path) -> None:
    async with played(tmp_path, *CASES) as play:
        code = await code_of(play)
        form = {"code": "", "refresh_token": (await code.swap()).json()["refresh_token"]}
        assert (await code.swap(**form)).status_code == 200
        late = await code.swap(**form)
        assert (late.status_code, late.json()["error_description"]) == (400, "grant is gone")


async def test_a_token_of_before_a_restart_still_counts(tmp_path: Path) -> None:
    async with played(tmp_path / "1", *CASES) as play:
        token = (await (await code_of(play)).swap()).json()
    async with played(tmp_path / "2", *CASES) as play:
        headers = {"X-Upstream-Host": MINE, "Authorization": f"Bearer {token['access_token']}"}
        async with httpx.AsyncClient(trust_env=False, headers=headers) as other:
            assert (await other.get(f"{play.origin}/quote")).status_code == 200
        code = await code_of(play)
        assert (await code.swap(code="", refresh_token=token["refresh_token"])).status_code == 200
        assert (await code.swap(code="", refresh_token=token["refresh_token"])).status_code == 400


@pytest.mark.parametrize(
    ("change", "status", "said"),
    [
        ({"redirect_uri": "https://elsewhere.example/oauth/callback"}, 400, "redirect URI"),
        ({"redirect_uri": f"{PUBLIC}/oauth/callback/more"}, 400, "redirect URI"),
        ({"state": ""}, 400, "parameter state is missing"),
        ({"x-upstream-host": "shops.example"}, 404, "no spec"),
    ],
)
async def test_nobody_is_sent_away_with_what_the_provider_would_refuse(
    tmp_path: Path, change: dict[str, str], status: int, said: str
) -> None:
    async with played(tmp_path, *CASES) as play:
        page = httpx.URL(await play.page())
        url = page.copy_merge_params(change)
        async with httpx.AsyncClient(trust_env=False) as browser:
            for answer in (await browser.get(url), await browser.post(url, data={"decision": "approve"})):
                assert (answer.status_code, "location" in answer.headers) == (status, False)
                assert said in answer.text


async def test_what_the_page_shows_can_hold_no_markup(tmp_path: Path) -> None:
    async with played(tmp_path, *CASES) as play:
        url = httpx.URL(await play.page()).copy_merge_params({"scope": "<b>all</b>", "client_id": "<i>me</i>"})
        async with httpx.AsyncClient(trust_env=False) as browser:
            page = (await browser.get(url)).text
        assert html.escape("<b>all</b>") in page
        assert "<b>all" not in page
        assert "<i>me" not in page


async def test_a_provider_that_hands_the_keys_over_posts_them_before_the_browser_comes_back(tmp_path: Path) -> None:
    """Without any code: its server tells ours, and the browser only comes by."""
    told: list[Message] = []

    async def service(scope: Any, receive: Any, send: Any) -> None:
        came = await receive()
        headers = {name.decode(): text.decode() for name, text in scope["headers"]}
        told.append(Message(scope["method"], PUBLIC + scope["path"], headers, came["body"], None))
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    handing = {
        "method": "keys",
        "type": "api_key",
        "needs": ["key"],
        "authorize": {
            "url": "https://{{ config.shop }}/grant",
            "pkce": False,
            "state": "user_id",
            "params": {"client_id": None, "redirect_uri": None, "callback_url": "{{ callback.redirectUri }}"},
        },
        "callback": {"capture": {"key": "body.key"}},
        "apply": {"headers": {"X-Key": "{{ credentials.key }}"}},
    }
    form = fields(("shop",), shop=setting(), key=secret())
    made = {**shop_spec(), "auth": [handing], "configSchema": form, "authType": "api_key"}
    del made["app"]
    recorded = consent_case(
        given={"state": STATE, "config": {"shop": SHOP}},
        authorize=None,
        callback={"method": "POST", "json": {"key": "fake-key-0000", "user_id": STATE}},
        exchanges=None,
        result={"credentials": {"key": "fake-key-0000"}},
        tamper=None,
    )
    folder = Folder(tmp_path, made, recorded)
    every, _ = read_folder(tmp_path / ID)
    async with running(service) as base:
        back = f"{base}/oauth/callback"
        async with running(create_sandbox(every, Authority(folder.catalog, every), back)) as origin:
            asked = {"callback_url": back, "user_id": "s" * 20, "x-upstream-host": MINE}
            async with httpx.AsyncClient(trust_env=False) as browser:
                answer = await browser.post(f"{origin}/grant", params=asked, data={"decision": "approve"})
    assert answer.headers["location"] == f"{back}?user_id={'s' * 20}"
    assert [(one.method, json.loads(one.body)) for one in told] == [
        ("POST", {"key": "fake-key-0000", "user_id": "s" * 20})
    ]
