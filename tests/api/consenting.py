"""A service and a provider with consent pages, both on real sockets: what tenants, people and strangers do there."""

from __future__ import annotations

import hashlib
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

import httpx

from engine.api.app import create_app
from engine.bootstrap import open_engine
from engine.cases.sandbox import running
from engine.runtime.apps import AppBook
from engine.runtime.execute import Engine
from engine.settings import Settings, Storage
from tests.api.conformance import Checked
from tests.api.support import HEADERS, PUBLIC_URL, TOKEN
from tests.cases.consenting import APP, METHOD, SHOP, signed
from tests.support.specs import ID, action, catalog, fields, secret, setting, spec
from tests.support.upstream import Reply, Seen, Upstream, answer

PAGE = "https://admin.example.com/connected"
HANDED = "acme-handover"
ZONED = "acme-zones"
NEW = {"integrationId": ID, "name": "Main", "config": {"shop": SHOP}}
CUSTOM = {
    "method": "custom",
    "type": "bearer",
    "needs": ["accessToken"],
    "apply": {"headers": {"Authorization": "Bearer {{ credentials.accessToken }}"}},
}
TOLD = {
    "scope": "app",
    "route": {"value": 'headers."x-shop"', "equals": "config.shop"},
    "verify": [
        {
            "scheme": "hmac-sha256",
            "text": "{{ request.raw }}",
            "key": "{{ app.clientSecret }}",
            "given": 'headers."x-signature"',
        }
    ],
    "events": [{"type": "order.created", "dedupe": ["body.id"]}],
}
_APP_FORM = fields(("clientId", "clientSecret"), clientId=setting(), clientSecret=secret())


def shops() -> dict[str, Any]:
    """Signs in with a token of the tenant's, or with a consent, whose callback is signed. Its app hears of all."""
    return spec(
        action("quote", needsScopes=["read_orders"]),
        app=_APP_FORM,
        configSchema=fields(("shop",), shop=setting(), shopId=setting(readOnly=True), accessToken=secret()),
        servers={"default": "https://{{ config.shop }}"},
        hosts=["*.shops.example"],
        auth=[CUSTOM, {**METHOD, "method": "oauth"}],
        webhooks=TOLD,
    )


def handed() -> dict[str, Any]:
    """The provider's server tells the credentials, then the person comes by."""
    return spec(
        integration_id=HANDED,
        configSchema=fields(("site",), site=setting(), key=secret()),
        servers={"default": "https://{{ config.site }}"},
        hosts=["config.site"],
        auth=[
            {
                "method": "keys",
                "type": "api_key",
                "needs": ["key"],
                "authorize": {
                    "url": "https://{{ config.site }}/authorize",
                    "state": "user_id",
                    "pkce": False,
                    "params": {
                        "client_id": None,
                        "redirect_uri": None,
                        "response_type": None,
                        "callback_url": "{{ callback.redirectUri }}",
                    },
                },
                "callback": {"capture": {"key": "body.key"}},
                "apply": {"headers": {"X-Key": "{{ credentials.key }}"}},
            }
        ],
    )


def zoned() -> dict[str, Any]:
    """The callback says which of the provider's hosts the account lives on."""
    return spec(
        integration_id=ZONED,
        authType="oauth2",
        app=_APP_FORM,
        configSchema=fields((), home=setting(readOnly=True)),
        servers={"default": "{{ config.home }}"},
        hosts=["*.zones.example"],
        auth=[
            {
                "method": "oauth",
                "type": "oauth2",
                "authorize": {"url": "https://login.zones.example/authorize?kind=app"},
                "callback": {"capture": {"home": "query.home"}},
                "exchange": {"request": {"url": "{{ config.home }}/token"}},
                "apply": {"headers": {"Authorization": "Bearer {{ token.access }}"}},
            }
        ],
    )


def granted(number: int = 0, **parts: Any) -> Reply:
    token = {
        "access_token": f"fake-access-{number:04}",
        "refresh_token": f"fake-refresh-{number:04}",
        "expires_in": 3600,
        "refresh_token_expires_in": 7_776_000,
        "scope": "read_orders write_orders",
        "shop_id": 17,
    }
    return answer({**token, **parts})


@dataclass
class Provider:
    """What it answers, by path; `tokens` counts grants."""

    answers: dict[str, Callable[[Seen], Reply]] = field(default_factory=dict)
    tokens: int = 0

    def __call__(self, seen: Seen) -> Reply:
        special = self.answers.get(seen.path)
        if special is not None:
            return special(seen)
        if seen.path.endswith("/token"):
            self.tokens += 1
            return granted(self.tokens)
        return answer({"who": seen.headers.get("authorization") or seen.headers.get("x-key")})


@dataclass
class Town:
    client: httpx.AsyncClient
    stranger: httpx.AsyncClient
    """A browser, or a provider's server: it has no token."""
    engine: Engine
    provider: Provider
    upstream: Upstream
    apps: AppBook

    async def connect(self, integration_id: str = ID, /, **parts: Any) -> str:
        config = {ID: {"shop": SHOP}, HANDED: {"site": "store.example"}}.get(integration_id, {})
        body = {"integrationId": integration_id, "name": "Main", "config": config, **parts}
        made = await self.client.post("/connections", json=body)
        assert made.status_code == 200, made.text
        return str(made.json()["connectionId"])

    async def status(self, connection_id: str) -> str:
        return str((await self.client.get(f"/connections/{connection_id}")).json()["status"])

    async def invite(self, connection_id: str, cookie: str = "", **body: Any) -> dict[str, str]:
        """The parameters of the page that a person is sent to."""
        headers = {"Cookie": cookie} if cookie else {}
        made = await self.client.post(f"/connections/{connection_id}/authorize", json=body, headers=headers)
        assert made.status_code == 200, made.text
        return dict(parse_qsl(urlsplit(made.json()["authorizationUrl"]).query))

    async def back(self, query: Mapping[str, str], **headers: str) -> httpx.Response:
        return await self.stranger.get(f"/oauth/callback?{urlencode(query)}", headers=headers)

    async def connected(self, **parts: Any) -> str:
        connection_id = await self.connect(**parts)
        assert (await self.back(good(await self.invite(connection_id)))).status_code == 200
        return connection_id

    async def call(self, connection_id: str) -> dict[str, Any]:
        body = {"connectionId": connection_id, "actionId": "quote", "input": {}}
        found: dict[str, Any] = (await self.client.post("/execute", json=body)).json()
        return found

    @property
    def asked(self) -> list[str]:
        return [one.path for one in self.upstream.seen]


def good(asked: Mapping[str, str], **changes: str) -> dict[str, str]:
    """The callback of a shop whose owner consented."""
    query = {"code": "fake-code-0000", "shop": SHOP, "state": asked["state"], "timestamp": str(int(time.time()))}
    return signed({**query, **changes})


def plain(page: Any, status: int) -> str:
    """Its text, if it is a page that runs nothing, tells nobody where it came from and stays nowhere."""
    assert page.status_code == status, page.text
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    assert page.headers["cache-control"] == "no-store"
    assert page.headers["referrer-policy"] == "no-referrer"
    assert page.headers["content-security-policy"].startswith("default-src 'none'")
    assert "<script" not in page.text
    text: str = page.text
    return text


@asynccontextmanager
async def town(folder: Path, storage: Storage) -> AsyncIterator[Town]:
    provider = Provider()
    async with Upstream(provider) as upstream:
        found = catalog(folder / "specs", shops(), handed(), zoned())
        settings = Settings(
            data_dir=folder / "data",
            public_url=PUBLIC_URL,
            storage=storage,
            redirect_urls=(PAGE, "http://localhost:3000"),
            upstreams=dict.fromkeys(found.integrations, upstream.origin),
        )
        engine = await open_engine(settings, catalog=found)
        apps = AppBook(engine.store)
        for integration_id in (ID, ZONED):
            await apps.put(integration_id, APP)
        hashes = [hashlib.sha256(TOKEN.encode()).digest()]
        async with (
            running(create_app(engine, settings, token_hashes=hashes)) as origin,
            httpx.AsyncClient(
                base_url=origin, headers=HEADERS, transport=Checked(httpx.AsyncHTTPTransport()), timeout=30
            ) as client,
            httpx.AsyncClient(base_url=origin, timeout=30) as stranger,
        ):
            yield Town(client, stranger, engine, provider, upstream, apps)
        await engine.close()
