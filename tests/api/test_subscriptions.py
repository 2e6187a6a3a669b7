"""Subscriptions and deliveries over the API, with subscribers on real sockets."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from standardwebhooks import Webhook

from engine.api.app import create_app
from engine.background import open_deliverer
from engine.bootstrap import open_engine
from engine.cases.sandbox import running
from engine.catalog import Catalog
from engine.events.subscriptions import MOST
from engine.settings import Settings, Storage
from tests.api.conformance import Checked
from tests.api.support import HEADERS, OTHERS, PUBLIC_URL, TOKEN
from tests.events.messages import SECRET, compiled, webhook_spec
from tests.support.upstream import Handler, Reply, Upstream

ONE = {"url": "https://example.com/hooks?token=t", "eventTypes": ["parcel.*"]}


@dataclass
class Site:
    client: httpx.AsyncClient
    stack: AsyncExitStack

    async def subscriber(self, handler: Handler) -> Upstream:
        return await self.stack.enter_async_context(Upstream(handler))

    async def subscribe(self, **parts: Any) -> dict[str, Any]:
        answer = await self.client.post("/subscriptions", json={**ONE, **parts})
        assert answer.status_code == 200, answer.text
        made: dict[str, Any] = answer.json()
        return made

    async def connect(self) -> tuple[str, str]:
        """A connection whose webhook is open: its id, and the path that the provider calls."""
        body = {"integrationId": "acme-shipping", "name": "Main", "credentials": {"apiKey": SECRET}}
        connection_id = (await self.client.post("/connections", json=body)).json()["connectionId"]
        shown = (await self.client.post(f"/connections/{connection_id}/webhooks")).json()
        return connection_id, shown["url"].removeprefix(PUBLIC_URL)

    async def told(self, path: str, number: int = 1) -> httpx.Response:
        """The provider's message about parcel `number`."""
        raw = json.dumps({"id": number, "code": "A1", "phone": "0900000001"}).encode()
        mac = hmac.new(SECRET.encode(), raw, hashlib.sha256).hexdigest()
        headers = {"Authorization": "", "X-Tenant-Id": "", "content-type": "application/json", "x-signature": mac}
        return await self.client.post(path, content=raw, headers=headers)

    async def deliveries(self, **query: Any) -> list[dict[str, Any]]:
        answer = await self.client.get("/deliveries", params=query)
        assert answer.status_code == 200, answer.text
        found: list[dict[str, Any]] = answer.json()["deliveries"]
        return found

    async def until(self, count: int, **wanted: Any) -> list[dict[str, Any]]:
        """Waits for that many deliveries with these values."""
        found: list[dict[str, Any]] = []
        for _ in range(2000):
            found = await self.deliveries(limit=200)
            if len(found) == count and all(one.get(name) == value for one in found for name, value in wanted.items()):
                return found
            await asyncio.sleep(0.005)
        raise AssertionError(found)


@pytest.fixture(scope="module")
def known(tmp_path_factory: pytest.TempPathFactory) -> Catalog:
    return compiled(tmp_path_factory.mktemp("specs"), webhook_spec())


@pytest.fixture(params=[True])
async def site(request: pytest.FixtureRequest, tmp_path: Path, known: Catalog, storage: Storage) -> AsyncIterator[Site]:
    """Parameter: may subscribers be at private addresses, as the tests' own are?"""
    private: bool = request.param
    settings = Settings(data_dir=tmp_path / "data", public_url=PUBLIC_URL, allow_private=private, storage=storage)
    async with AsyncExitStack() as stack:
        engine = await open_engine(settings, catalog=known)
        stack.push_async_callback(engine.close)
        deliverer = open_deliverer(engine, settings)
        post = asyncio.create_task(deliverer.run())
        stack.push_async_callback(asyncio.wait, [post])
        stack.callback(deliverer.end)
        app = create_app(engine, settings, token_hashes=[hashlib.sha256(TOKEN.encode()).digest()], wake=deliverer.wake)
        origin = await stack.enter_async_context(running(app))
        wire = Checked(httpx.AsyncHTTPTransport())
        client = httpx.AsyncClient(base_url=origin, headers=HEADERS, transport=wire, timeout=30)
        yield Site(await stack.enter_async_context(client), stack)


# --- subscriptions -------------------------------------------------------------------------------------------------


async def test_a_subscription_is_made_shown_changed_and_deleted_and_its_secret_is_shown_once(site: Site) -> None:
    made = await site.subscribe()
    secret = made.pop("secret")
    assert secret.startswith("whsec_")
    assert made["url"] == ONE["url"]
    assert made["status"] == "active"
    path = f"/subscriptions/{made['subscriptionId']}"
    assert (await site.client.get(path)).json() == made
    assert (await site.client.get("/subscriptions")).json() == {"subscriptions": [made]}
    off = (await site.client.patch(path, json={"status": "disabled"})).json()
    assert (off["status"], off["reason"]) == ("disabled", "it was switched off")
    on = (await site.client.patch(path, json={"status": "active", "eventTypes": ["*"]})).json()
    assert (on["status"], on["eventTypes"], "reason" in on) == ("active", ["*"], False)
    rotated = (await site.client.post(f"{path}/rotate")).json()
    assert rotated["secret"] not in (None, secret)
    assert secret not in (await site.client.get(path)).text + (await site.client.get("/subscriptions")).text
    assert (await site.client.delete(path)).json() == {"success": True}
    assert (await site.client.get("/subscriptions")).json() == {"subscriptions": []}
    for method, gone in (("GET", path), ("PATCH", path), ("DELETE", path), ("POST", f"{path}/rotate")):
        body: dict[str, Any] | None = {} if method == "PATCH" else None
        assert (await site.client.request(method, gone, json=body)).status_code == 404


async def test_another_tenants_subscriptions_and_deliveries_do_not_exist(site: Site) -> None:
    subscriber = await site.subscriber(lambda _seen: Reply(204))
    made = await site.subscribe(url=subscriber.origin)
    _, path = await site.connect()
    await site.told(path)
    (delivery,) = await site.until(1, status="delivered")
    mine = f"/subscriptions/{made['subscriptionId']}"
    theirs = f"/deliveries/{delivery['deliveryId']}"
    assert (await site.client.get("/subscriptions", headers=OTHERS)).json() == {"subscriptions": []}
    assert (await site.client.get("/deliveries", headers=OTHERS)).json() == {"deliveries": []}
    for method, gone in (
        ("GET", mine),
        ("PATCH", mine),
        ("DELETE", mine),
        ("POST", f"{mine}/rotate"),
        ("GET", theirs),
        ("POST", f"{theirs}/redeliver"),
    ):
        body = {"status": "disabled"} if method == "PATCH" else None
        assert (await site.client.request(method, gone, headers=OTHERS, json=body)).status_code == 404
    assert (await site.client.get(mine)).json()["status"] == "active"


@pytest.mark.parametrize("site", [False], indirect=True)
@pytest.mark.parametrize(
    ("body", "path", "message"),
    [
        ({**ONE, "url": "http://example.com/"}, ["url"], "must begin with https://"),
        ({**ONE, "url": "https://127.0.0.1/"}, ["url"], "not on the public internet"),
        ({**ONE, "url": "https://169.254.169.254/latest"}, ["url"], "not on the public internet"),
        ({**ONE, "url": "https://localhost:8443/"}, ["url"], "not on the public internet"),
        ({**ONE, "url": "https://u:canary-pass@example.com/"}, ["url"], "user name or password"),
        ({**ONE, "url": "https://example.com/#x"}, ["url"], "fragment"),
        ({**ONE, "url": ""}, ["url"], ""),
        ({**ONE, "eventTypes": ["parcel.movd"]}, ["eventTypes", 0], 'did you mean "parcel.moved"?'),
        ({**ONE, "eventTypes": ["*", "weather.*"]}, ["eventTypes", 1], "no event of any integration is of this type"),
        ({**ONE, "eventTypes": ["Parcel"]}, ["eventTypes", 0], ""),
        ({**ONE, "eventTypes": []}, ["eventTypes"], ""),
        ({"url": ONE["url"]}, ["eventTypes"], ""),
        ({**ONE, "secret": "mine"}, ["secret"], ""),
    ],
)
async def test_what_can_not_be_used_is_told_field_by_field_and_not_repeated(
    site: Site, body: dict[str, Any], path: list[Any], message: str
) -> None:
    answer = await site.client.post("/subscriptions", json=body)
    assert answer.status_code == 400
    (issue,) = answer.json()["data"]["issues"]
    assert issue["path"] == path
    assert message in issue["message"]
    assert "canary-pass" not in answer.text
    assert (await site.client.get("/subscriptions")).json() == {"subscriptions": []}


async def test_a_tenant_has_a_bounded_number_of_subscriptions(site: Site) -> None:
    answers = await asyncio.gather(*(site.client.post("/subscriptions", json=ONE) for _ in range(MOST + 5)))
    assert [one.status_code for one in answers].count(200) == MOST
    refused = [one.json()["message"] for one in answers if one.status_code == 409]
    assert len(refused) == 5
    assert str(MOST) in refused[0]
    assert (await site.client.post("/subscriptions", json=ONE, headers=OTHERS)).status_code == 200


# --- deliveries ----------------------------------------------------------------------------------------------------


async def test_what_a_provider_tells_reaches_the_subscriber_as_the_event_that_the_api_shows(site: Site) -> None:
    subscriber = await site.subscriber(lambda _seen: Reply(204))
    made = await site.subscribe(url=f"{subscriber.origin}/hook")
    connection_id, path = await site.connect()
    assert (await site.told(path)).status_code == 200
    assert (await site.told(path)).status_code == 200  # the provider repeats itself
    (delivery,) = await site.until(1, status="delivered")
    (event,) = (await site.client.get("/events")).json()["events"]
    (seen,) = subscriber.seen
    assert Webhook(made["secret"]).verify(seen.body, seen.headers)["data"] == event
    assert (delivery["eventId"], delivery["connectionId"]) == (event["eventId"], connection_id)
    assert (delivery["attempts"], delivery["httpStatus"], "nextAttemptAt" in delivery) == (1, 204, False)
    assert (await site.client.get(f"/deliveries/{delivery['deliveryId']}")).json() == delivery


async def test_a_webhook_is_answered_while_its_subscriber_hangs(site: Site) -> None:
    subscriber = await site.subscriber(lambda _seen: Reply(200, delay=60))
    await site.subscribe(url=subscriber.origin)
    _, path = await site.connect()
    await site.told(path)
    await subscriber.arrived(1)
    for number in range(2, 22):
        assert (await site.told(path, number)).status_code == 200
    assert {one["attempts"] for one in await site.until(21, status="pending")} == {0}


async def test_deliveries_are_listed_by_subscription_status_and_event_in_pages(site: Site) -> None:
    well, ill = await site.subscriber(lambda _seen: Reply(200)), await site.subscriber(lambda _seen: Reply(410))
    first, second = [await site.subscribe(url=one.origin) for one in (well, ill)]
    _, path = await site.connect()
    for number in range(3):
        await site.told(path, number)
    for _ in range(2000):
        told = await site.deliveries()
        if len(told) == 6 and {one["status"] for one in told} == {"delivered", "dead"}:
            break
        await asyncio.sleep(0.005)
    good = await site.deliveries(subscriptionId=first["subscriptionId"])
    assert {one["status"] for one in good} == {"delivered"}
    assert len(good) == 3
    dead = await site.deliveries(status="dead")
    assert {one["subscriptionId"] for one in dead} == {second["subscriptionId"]}
    of_one = await site.deliveries(eventId=good[0]["eventId"])
    assert {one["eventId"] for one in of_one} == {good[0]["eventId"]}
    query: dict[str, Any] = {"subscriptionId": first["subscriptionId"], "limit": 2}
    page = (await site.client.get("/deliveries", params=query)).json()
    rest = (await site.client.get("/deliveries", params={**query, "cursor": page["nextCursor"]})).json()
    assert page["deliveries"] + rest["deliveries"] == good
    other = await site.client.get("/deliveries", params={"limit": 2, "cursor": page["nextCursor"]})
    assert other.status_code == 400
    assert (await site.client.get("/deliveries", params={"status": "lost"})).status_code == 400
    (shown, _) = (await site.client.get("/subscriptions")).json()["subscriptions"]
    assert (shown["status"], shown["reason"]) == ("disabled", "the subscriber answered 410 Gone")


async def test_a_dead_delivery_is_put_in_again_when_its_subscriber_is_well(site: Site) -> None:
    subscriber = await site.subscriber(lambda _seen: Reply(410))
    made = await site.subscribe(url=subscriber.origin)
    _, path = await site.connect()
    await site.told(path)
    (dead,) = await site.until(1, status="dead")
    for _ in range(2000):  # the delivery is dead a moment before its subscription is disabled
        if (await site.client.get(f"/subscriptions/{made['subscriptionId']}")).json()["status"] == "disabled":
            break
        await asyncio.sleep(0.005)
    again = f"/deliveries/{dead['deliveryId']}/redeliver"
    refused = await site.client.post(again)
    assert (refused.status_code, refused.json()["message"]) == (
        409,
        "its subscription is disabled: make it active first",
    )
    subscriber.handler = lambda _seen: Reply(200)
    await site.client.patch(f"/subscriptions/{made['subscriptionId']}", json={"status": "active"})
    queued = (await site.client.post(again)).json()
    assert (queued["status"], queued["attempts"], "error" in queued) == ("pending", 0, False)
    await site.until(1, status="delivered")
    assert (await site.client.post("/deliveries/nobody/redeliver")).status_code == 404


async def test_deleting_a_connection_takes_its_pending_deliveries_along(site: Site) -> None:
    subscriber = await site.subscriber(lambda _seen: Reply(503))
    await site.subscribe(url=subscriber.origin)
    (gone, path), (_, other) = await site.connect(), await site.connect()
    await site.told(path)
    await site.told(other)
    await site.until(2, attempts=1)
    assert (await site.client.delete(f"/connections/{gone}")).json() == {"success": True}
    (left,) = await site.deliveries()
    assert left["connectionId"] != gone
    assert len((await site.client.get("/events")).json()["events"]) == 2
