"""An app of a provider tells of all its accounts at one address, over real sockets."""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import httpx
import pytest

from engine.api.app import create_app
from engine.bootstrap import open_engine
from engine.cases.sandbox import running
from engine.runtime.execute import Engine
from engine.runtime.routes import proved
from engine.settings import Settings, Storage
from engine.telemetry.lines import line_of
from engine.telemetry.metrics import Metrics
from tests.api.conformance import Checked
from tests.api.support import HEADERS, OTHERS, PUBLIC_URL, TOKEN
from tests.events.app_messages import CLIENT_SECRET, OPERATORS, app_catalog, app_spec, item, operators_app_is
from tests.support.specs import ID
from tests.telemetry.samples import Diary

PATH = f"/webhooks/apps/{ID}"
NO_TOKEN = {"Authorization": "", "X-Tenant-Id": ""}


@dataclass
class Site:
    client: httpx.AsyncClient
    engine: Engine
    diary: Diary = field(repr=False)

    async def connect(self, portal: str = "1001", headers: Any = HEADERS, **more: Any) -> str:
        """As if a person had consented, and the provider had said which portal it is."""
        body = {"integrationId": ID, "name": "Main", **more}
        answer = await self.client.post("/connections", json=body, headers=headers)
        assert answer.status_code == 200, answer.text
        made = answer.json()
        store = self.engine.store.connections
        stored = await store.get(made["tenantId"], made["connectionId"])
        assert stored is not None
        asked = replace(stored, status="active", config={**stored.config, "portalId": portal})
        await store.update(proved(asked, self.engine.catalog.integrations[ID]))
        return str(made["connectionId"])

    async def tell(self, *items: Any, key: str = CLIENT_SECRET, path: str = PATH) -> httpx.Response:
        raw = json.dumps(items).encode()
        mac = hmac.new(key.encode(), raw, hashlib.sha256).hexdigest()
        headers = {**NO_TOKEN, "content-type": "application/json", "x-signature": mac}
        return await self.client.post(path, content=raw, headers=headers)

    async def events(self, headers: Any = HEADERS) -> list[dict[str, Any]]:
        answer = await self.client.get("/events", headers=headers)
        found: list[dict[str, Any]] = answer.json()["events"]
        return found


@pytest.fixture
async def site(tmp_path: Path, storage: Storage) -> AsyncIterator[Site]:
    bare = {name: part for name, part in app_spec("bare-shipping").items() if name != "webhooks"}
    catalog = app_catalog(tmp_path / "specs", app_spec(), bare)
    settings = Settings(data_dir=tmp_path / "data", public_url=PUBLIC_URL, storage=storage)
    engine = await open_engine(settings, catalog=catalog)
    await operators_app_is(engine.store, OPERATORS)
    diary, digest = Diary(), hashlib.sha256(TOKEN.encode()).digest()
    async with running(create_app(engine, settings, token_hashes=[digest], observer=diary)) as origin:
        wire = Checked(httpx.AsyncHTTPTransport())
        async with httpx.AsyncClient(base_url=origin, headers=HEADERS, transport=wire, timeout=30) as client:
            yield Site(client, engine, diary)
    await engine.close()


async def test_tenants_read_what_their_own_accounts_were_told(site: Site) -> None:
    mine = await site.connect()
    theirs = await site.connect(headers=OTHERS)
    elsewhere = await site.connect("2002", OTHERS)
    assert (await site.tell(item("1001", 1), item("2002", 2))).status_code == 204
    assert [event["connectionId"] for event in await site.events()] == [mine]
    assert {event["connectionId"] for event in await site.events(OTHERS)} == {theirs, elsewhere}
    assert (await site.tell(item("1001", 1), item("2002", 2))).status_code == 208
    assert (await site.tell(item("9009"))).status_code == 204


async def test_nobody_is_believed_for_what_he_says(site: Site) -> None:
    await site.connect()
    for answer in (
        await site.tell(item("1001"), key="another"),
        await site.tell(item("1001"), path=PATH + "x"),
        await site.tell(item("1001"), path="/webhooks/apps/bare-shipping"),
        await site.client.put(PATH, content=b"[]", headers=NO_TOKEN),
        await site.client.get(PATH, headers=NO_TOKEN),
    ):
        assert (answer.status_code, answer.content) == (401, b"")
    assert await site.events() == []


async def test_a_handshake_is_answered(site: Site) -> None:
    query = {"hub.verify_token": OPERATORS["verifyToken"], "hub.challenge": "4711"}
    answer = await site.client.get(PATH, params=query, headers=NO_TOKEN)
    assert (answer.status_code, answer.text) == (200, "4711")
    wrong = {**query, "hub.verify_token": "no"}
    assert (await site.client.get(PATH, params=wrong, headers=NO_TOKEN)).status_code == 401


async def test_the_catalogue_tells_the_address(site: Site) -> None:
    shown = (await site.client.get(f"/catalog/{ID}")).json()
    assert shown["webhookUrl"] == PUBLIC_URL + PATH
    assert "webhookUrl" not in (await site.client.get("/catalog/bare-shipping")).json()


async def test_a_connection_may_be_deaf_and_hear_again(site: Site) -> None:
    connection_id = await site.connect()
    path = f"/connections/{connection_id}/webhooks"
    assert (await site.client.delete(path)).json() == {"success": True}
    assert (await site.tell(item("1001", 1))).status_code == 204
    assert await site.events() == []
    assert (await site.client.post(path)).json() == {"url": PUBLIC_URL + PATH}
    await site.tell(item("1001", 2))
    assert len(await site.events()) == 1


async def test_without_the_operators_app_opening_says_who_must_give_it(site: Site) -> None:
    connection_id = await site.connect()
    await operators_app_is(site.engine.store, {})
    await site.engine.store.connections.update(await _stored(site, connection_id))
    answer = await site.client.post(f"/connections/{connection_id}/webhooks")
    assert answer.status_code == 400
    assert f"integrations apps set {ID}" in answer.json()["message"]
    assert answer.json()["data"]["issues"][0]["path"] == ["app", "clientSecret"]


async def _stored(site: Site, connection_id: str) -> Any:
    found = await site.engine.store.connections.get("acme", connection_id)
    assert found is not None
    return found


async def test_each_message_is_told_in_one_line_that_names_the_integration_and_nobody(site: Site) -> None:
    await site.connect()
    await site.tell(item("1001", contact="0900000001"))
    await site.tell(item("9009"))
    await site.tell(item("1001"), key="another")
    lines = [json.loads(line_of(one)) for one in site.diary.messages]
    assert [line["outcome"] for line in lines] == ["accepted", "ignored", "refused"]
    assert {line["integrationId"] for line in lines} == {ID}
    assert not [line for line in lines if "tenantId" in line or "connectionId" in line or "0900000001" in str(line)]
    assert (lines[0]["events"], lines[1]["reason"]) == (1, "no connection is of an account that it is about")
    metrics = Metrics()
    for one in site.diary.messages:
        metrics.message(one)
    assert f'integrations_messages_total{{integration="{ID}",outcome="ignored"}} 1' in metrics.text(None)
