"""Providers call over a socket; tenants read what became of it over the same API."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest

from engine.api.app import create_app
from engine.bootstrap import open_engine
from engine.cases.sandbox import running
from engine.runtime.execute import Engine
from engine.runtime.message import LARGEST_MESSAGE
from engine.settings import Settings, Storage
from engine.telemetry.events import MessageEvent
from engine.telemetry.lines import line_of
from engine.telemetry.metrics import Metrics
from tests.api.conformance import Checked
from tests.api.support import HEADERS, OTHERS, PUBLIC_URL, TOKEN
from tests.events.messages import SECRET, SIGNED, compiled, webhook_spec
from tests.telemetry.samples import Diary

ANSWERS = {
    "accepted": {"status": 202, "headers": {"X-Answer": "yes"}, "json": {"code": "1"}},
    "duplicate": {"json": {"code": "2"}},
    "refused": {"status": 400, "text": "no"},
}
KEYED = {"scheme": "equals", "given": "request.key", "key": "{{ webhook.token }}"}
OVER_URL = {**SIGNED, "text": "{{ request.url }}", "key": "{{ webhook.secret }}"}
TOKENED = {"scheme": "equals", "given": 'headers."x-token"', "key": "{{ webhook.token }}"}
NO_TOKEN = {"Authorization": "", "X-Tenant-Id": ""}


@dataclass
class Site:
    client: httpx.AsyncClient
    engine: Engine
    diary: Diary = field(repr=False)

    async def connect(self, integration_id: str = "acme-shipping") -> str:
        body = {"integrationId": integration_id, "name": "Main", "credentials": {"apiKey": SECRET}}
        made = await self.client.post("/connections", json=body)
        return str(made.json()["connectionId"])

    async def open(self, connection_id: str) -> dict[str, Any]:
        answer = await self.client.post(f"/connections/{connection_id}/webhooks")
        assert answer.status_code == 200, answer.text
        made: dict[str, Any] = answer.json()
        return made

    async def ready(self, integration_id: str = "acme-shipping") -> tuple[str, dict[str, Any], str]:
        """A connection whose webhook is open: its id, what was shown, and the path of the URL."""
        connection_id = await self.connect(integration_id)
        shown = await self.open(connection_id)
        assert shown["url"].startswith(PUBLIC_URL + "/webhooks/")
        return connection_id, shown, shown["url"].removeprefix(PUBLIC_URL)

    async def tell(self, path: str, body: Any, key: str = SECRET, **headers: str) -> httpx.Response:
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        mac = hmac.new(key.encode(), raw, hashlib.sha256).hexdigest()
        sent = {**NO_TOKEN, "content-type": "application/json", "x-signature": mac, **headers}
        return await self.client.post(path, content=raw, headers=sent)

    async def events(self, **query: Any) -> list[dict[str, Any]]:
        answer = await self.client.get("/events", params=query)
        assert answer.status_code == 200, answer.text
        found: list[dict[str, Any]] = answer.json()["events"]
        return found

    @property
    def noted(self) -> list[MessageEvent]:
        return self.diary.messages


@pytest.fixture
async def site(tmp_path: Path, storage: Storage) -> AsyncIterator[Site]:
    catalog = compiled(
        tmp_path / "specs",
        webhook_spec(answers=ANSWERS),
        webhook_spec("keyed-shipping", verify=[KEYED], method="GET", events=[{"type": "parcel.seen"}]),
        webhook_spec("url-shipping", verify=[OVER_URL]),
        webhook_spec("token-shipping", verify=[TOKENED]),
        {name: part for name, part in webhook_spec("bare-shipping").items() if name != "webhooks"},
    )
    settings = Settings(data_dir=tmp_path / "data", public_url=PUBLIC_URL, storage=storage)
    engine = await open_engine(settings, catalog=catalog)
    diary, digest = Diary(), hashlib.sha256(TOKEN.encode()).digest()
    async with running(create_app(engine, settings, token_hashes=[digest], observer=diary)) as origin:
        wire = Checked(httpx.AsyncHTTPTransport())
        async with httpx.AsyncClient(base_url=origin, headers=HEADERS, transport=wire, timeout=30) as client:
            yield Site(client, engine, diary)
    await engine.close()


MOVED = {"id": 1, "code": "A1", "phone": "0900000001"}


async def test_a_good_message_is_answered_as_the_spec_says_and_can_be_read_by_its_tenant(site: Site) -> None:
    connection_id, shown, path = await site.ready()
    assert shown == {"url": f"{PUBLIC_URL}/webhooks/{connection_id}"}
    answer = await site.tell(path, MOVED)
    assert (answer.status_code, answer.json(), answer.headers["x-answer"]) == (202, {"code": "1"}, "yes")
    (event,) = await site.events()
    assert event["data"] == {"code": "A1", "phone": "0900000001"}
    assert (event["type"], event["tenantId"], event["connectionId"]) == ("parcel.moved", "acme", connection_id)
    assert (await site.client.get(f"/events/{event['eventId']}")).json() == event


async def test_events_are_their_tenants_alone(site: Site) -> None:
    connection_id, _, path = await site.ready()
    await site.tell(path, MOVED)
    (event,) = await site.events()
    assert (await site.client.get("/events", headers=OTHERS)).json() == {"events": []}
    for gone in (f"/events/{event['eventId']}", f"/connections/{connection_id}/webhooks"):
        method = "GET" if gone.startswith("/events") else "POST"
        assert (await site.client.request(method, gone, headers=OTHERS)).status_code == 404
    for path in ("/events", f"/events/{event['eventId']}"):
        assert (await site.client.get(path, headers={"Authorization": "Bearer no"})).status_code == 401


async def test_a_changed_forged_or_unsigned_message_is_refused_and_becomes_nothing(site: Site) -> None:
    _, _, path = await site.ready()
    good = hmac.new(SECRET.encode(), json.dumps(MOVED).encode(), hashlib.sha256).hexdigest()
    for answer in (
        await site.tell(path, {**MOVED, "code": "B2"}, **{"x-signature": good}),
        await site.tell(path, MOVED, key="another"),
        await site.tell(path, MOVED, **{"x-signature": ""}),
        await site.tell(path, b"\xff{[", **{"content-type": "application/xml"}),
        await site.tell(path, b"{"),
        await site.client.put(path, content=b"{}", headers=NO_TOKEN),
        await site.client.get(path, headers=NO_TOKEN),
    ):
        assert (answer.status_code, answer.text) == (400, "no")
    assert await site.events() == []
    assert {one.outcome for one in site.noted} == {"refused"}


async def test_two_signature_headers_are_not_one(site: Site) -> None:
    _, _, path = await site.ready()
    raw = json.dumps(MOVED).encode()
    mac = hmac.new(SECRET.encode(), raw, hashlib.sha256).hexdigest()
    headers = [("content-type", "application/json"), ("x-signature", "0" * 64), ("x-signature", mac)]
    assert (await site.client.post(path, content=raw, headers=headers)).status_code == 400


async def test_a_message_that_comes_again_is_a_duplicate(site: Site) -> None:
    _, _, path = await site.ready()
    await site.tell(path, MOVED)
    again = await site.tell(path, MOVED)
    assert (again.status_code, again.json()) == (200, {"code": "2"})
    assert len(await site.events()) == 1


async def test_fifty_duplicates_at_once_make_one_event(site: Site) -> None:
    _, _, path = await site.ready()
    answers = await asyncio.gather(*(site.tell(path, MOVED) for _ in range(50)))
    assert sorted(answer.status_code for answer in answers) == [200] * 49 + [202]
    assert len(await site.events()) == 1


async def test_the_key_of_the_url_opens_the_door_and_nothing_else_does(site: Site) -> None:
    """It is shown once; asked again a new one is made, and the old one stops at once."""
    connection_id, shown, path = await site.ready("keyed-shipping")
    assert shown.keys() == {"url"}
    key = path.rpartition("/")[2]
    assert len(key) <= 50
    assert key.replace("-", "").replace("_", "").isalnum()
    assert (await site.client.get(path, headers=NO_TOKEN)).status_code == 200
    for wrong in (f"/webhooks/{connection_id}", path[:-1], path + "x", f"/webhooks/{connection_id}/{connection_id}"):
        assert (await site.client.get(wrong, headers=NO_TOKEN)).status_code == 401
    renewed = (await site.open(connection_id))["url"].removeprefix(PUBLIC_URL)
    assert (await site.client.get(path, headers=NO_TOKEN)).status_code == 401
    assert (await site.client.get(renewed, headers=NO_TOKEN)).status_code == 200
    assert len(await site.events()) == 2


async def test_the_public_url_is_what_a_signature_over_the_url_is_checked_with(site: Site) -> None:
    """Path and query count as they were sent."""
    _, shown, path = await site.ready("url-shipping")
    assert shown.keys() == {"url", "secret"}
    for query, outcome in (("", 200), ("?a=%7e&b=x+y", 200)):
        mac = hmac.new(shown["secret"].encode(), (shown["url"] + query).encode(), hashlib.sha256).hexdigest()
        assert (await site.tell(path + query, MOVED, **{"x-signature": mac})).status_code == outcome
        assert (await site.tell(path + "?a=~&b=x%20y", MOVED, **{"x-signature": mac})).status_code == 401


async def test_a_token_that_is_sent_along_is_shown_beside_the_url(site: Site) -> None:
    _, shown, path = await site.ready("token-shipping")
    assert shown.keys() == {"url", "token"}
    assert shown["token"] not in shown["url"]
    assert (await site.tell(path, MOVED, **{"x-token": shown["token"]})).status_code == 200
    assert (await site.tell(path, MOVED, **{"x-token": shown["token"][:-1]})).status_code == 401


async def test_what_is_not_open_is_answered_like_what_nobody_knows(site: Site) -> None:
    """Before it was opened, after it was closed, after the connection is gone, and where there never was one."""
    connection_id = await site.connect()
    path = f"/webhooks/{connection_id}"
    answers = [await site.tell(path, MOVED), await site.tell("/webhooks/01JTXK3V9QW8Z2M4N6P8R0S2T4", MOVED)]
    await site.open(connection_id)
    assert (await site.tell(path, MOVED)).status_code == 202
    assert (await site.client.delete(f"/connections/{connection_id}/webhooks")).json() == {"success": True}
    answers.append(await site.tell(path, {**MOVED, "id": 2}))
    await site.open(connection_id)
    await site.client.delete(f"/connections/{connection_id}")
    answers.append(await site.tell(path, {**MOVED, "id": 3}))
    seen = {(one.status_code, one.content, frozenset(one.headers)) for one in answers}
    assert len(seen) == 1
    assert {status for status, *_ in seen} == {401}
    assert len(await site.events()) == 1


async def test_a_webhook_whose_proof_lacks_a_credential_is_not_opened_and_names_it(site: Site) -> None:
    body = {"integrationId": "acme-shipping", "name": "Bare", "credentials": {}}
    connection_id = (await site.client.post("/connections", json=body)).json()["connectionId"]
    answer = await site.client.post(f"/connections/{connection_id}/webhooks")
    assert answer.status_code == 400
    assert "credentials.apiKey" in answer.json()["message"]
    assert answer.json()["data"]["issues"][0]["path"] == ["credentials", "apiKey"]
    assert (await site.tell(f"/webhooks/{connection_id}", MOVED, key="")).status_code == 401
    given = {"credentials": {"apiKey": SECRET}}
    assert (await site.client.patch(f"/connections/{connection_id}", json=given)).status_code == 200
    assert (await site.client.post(f"/connections/{connection_id}/webhooks")).status_code == 200


async def test_an_integration_without_webhooks_says_so(site: Site) -> None:
    connection_id = await site.connect("bare-shipping")
    answer = await site.client.post(f"/connections/{connection_id}/webhooks")
    assert (answer.status_code, answer.json()["message"]) == (400, "this integration has no webhooks")
    assert (await site.client.delete(f"/connections/{connection_id}x/webhooks")).status_code == 404


async def test_a_message_of_the_largest_size_is_taken_and_a_larger_one_is_not_read(site: Site) -> None:
    _, _, path = await site.ready()
    largest = json.dumps(MOVED).encode().ljust(LARGEST_MESSAGE)
    assert (await site.tell(path, largest)).status_code == 202
    assert (await site.tell(path, largest + b" ")).status_code == 413
    assert len(await site.events()) == 1


async def test_pages_of_events_hold_each_once_and_filters_are_kept(site: Site) -> None:
    first, _, path = await site.ready()
    _, _, other = await site.ready("token-shipping")
    for number in range(7):
        await site.tell(path, {**MOVED, "id": number})
    await site.tell(other, MOVED)
    whole = await site.events(connectionId=first)
    assert len(whole) == 7
    assert [one["receivedAt"] for one in whole] == sorted((one["receivedAt"] for one in whole), reverse=True)
    found: list[dict[str, Any]] = []
    query: dict[str, Any] = {"connectionId": first, "limit": 3}
    for _ in range(4):
        page = (await site.client.get("/events", params=query)).json()
        found += page["events"]
        if "nextCursor" not in page:
            break
        query["cursor"] = page["nextCursor"]
    assert found == whole
    for wrong in ({"connectionId": other}, {"type": "parcel.moved"}):
        assert (await site.client.get("/events", params={**query, **wrong})).status_code == 400
    assert await site.events(type="parcel.seen") == []
    assert (await site.client.get("/events", params={"kind": "x"})).status_code == 400


async def test_each_message_is_told_in_one_line_without_its_key_or_what_it_says(site: Site) -> None:
    connection_id, _, path = await site.ready("keyed-shipping")
    key = path.rpartition("/")[2]
    await site.client.get(f"{path}?phone=0900000001", headers=NO_TOKEN)
    await site.client.get(f"/webhooks/{connection_id}/no-such-{key}", headers=NO_TOKEN)
    await site.client.get(f"/webhooks/nobody/{key}", headers=NO_TOKEN)
    lines = [line_of(one) for one in site.noted]
    assert [json.loads(line)["outcome"] for line in lines] == ["accepted", "refused", "refused"]
    assert [json.loads(line).get("connectionId") for line in lines] == [connection_id, connection_id, None]
    assert not [line for line in lines for hidden in (key, "0900000001", "nobody") if hidden in line]
    known = json.loads(lines[0])
    assert (known["event"], known["events"], known["httpStatus"], known["tenantId"]) == ("message", 1, 200, "acme")
    metrics = Metrics()
    for one in site.noted:
        metrics.message(one)
    text = metrics.text(None)
    assert 'integrations_messages_total{integration="keyed-shipping",outcome="refused"} 1' in text
    assert key not in text


async def test_no_failure_shows_the_key(site: Site) -> None:
    _, _, path = await site.ready("keyed-shipping")
    key = path.rpartition("/")[2]
    answers = [
        await site.client.delete(path),
        await site.client.get(path + "/more"),
        await site.client.post(path, content=b"x" * (LARGEST_MESSAGE + 1), headers=NO_TOKEN),
    ]
    assert [one.status_code for one in answers] == [405, 404, 413]
    assert not [one for one in answers if key in one.text]
