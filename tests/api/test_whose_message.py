"""Whoever a person consented for hears what the app is told of that shop; saying that it is one's own is nothing."""

from __future__ import annotations

import hashlib
import hmac
import json
from itertools import count

from tests.api.consenting import NEW, Town, good
from tests.api.support import OTHERS
from tests.cases.consenting import APP, SHOP
from tests.support.specs import ID

OWN = {"clientId": "fake-client-0001", "clientSecret": "fake-own-secret-0001"}
_numbers = count(1)


async def heard(there: Town, shop: str = SHOP, secret: str = APP["clientSecret"]) -> set[str]:
    """The connections that hear of one more order of this shop."""
    number = next(_numbers)
    raw = json.dumps({"id": number}).encode()
    mac = hmac.new(secret.encode(), raw, hashlib.sha256).hexdigest()
    headers = {"content-type": "application/json", "x-shop": shop, "x-signature": mac}
    before = await _events(there)
    await there.stranger.post(f"/webhooks/apps/{ID}", content=raw, headers=headers)
    return {connection for event, connection in (await _events(there)).items() if event not in before}


async def _events(there: Town) -> dict[str, str]:
    pages = [(await there.client.get("/events", headers=headers)).json() for headers in ({}, OTHERS)]
    return {event["eventId"]: event["connectionId"] for page in pages for event in page["events"]}


async def test_a_consent_makes_it_heard_and_nothing_less_does(there: Town) -> None:
    waiting = await there.connect()
    typed = await there.client.post("/connections", json=NEW, headers=OTHERS)
    assert typed.status_code == 200
    await there.connect(credentials={"accessToken": "fake-token-0000"})
    assert await heard(there) == set()
    await there.back(good(await there.invite(waiting)))
    assert await heard(there) == {waiting}
    assert await heard(there, "other.shops.example") == set()
    assert await heard(there, secret="another") == set()


async def test_another_shop_typed_afterwards_is_not_heard_and_the_first_not_any_more(there: Town) -> None:
    connection_id = await there.connected()
    path = f"/connections/{connection_id}"
    assert (await there.client.patch(path, json={"config": {"shop": "other.shops.example"}})).status_code == 200
    assert await heard(there) == await heard(there, "other.shops.example") == set()
    assert (await there.client.patch(path, json={"config": {"shop": SHOP}})).status_code == 200
    assert await heard(there) == set()
    await there.back(good(await there.invite(connection_id)))
    assert await heard(there) == {connection_id}


async def test_a_token_of_the_tenants_own_takes_it_out_and_giving_it_up_brings_in_only_who_consented(
    there: Town,
) -> None:
    consented = await there.connected()
    private = await there.connect(credentials={"accessToken": "fake-token-0000"})
    assert (await there.call(private))["success"] is True
    await there.client.post(f"/connections/{private}/test")
    for connection_id in (consented, private):
        given = {"credentials": {"accessToken": "fake-token-0001"}}
        assert (await there.client.patch(f"/connections/{connection_id}", json=given)).status_code == 200
    assert await heard(there) == set()
    for connection_id in (consented, private):
        taken = {"credentials": {"accessToken": None}}
        assert (await there.client.patch(f"/connections/{connection_id}", json=taken)).status_code == 200
    assert await heard(there) == {consented}


async def test_an_app_of_its_own_hears_by_its_own_secret_and_proves_nothing_for_the_operators(there: Town) -> None:
    connection_id = await there.connect(app=OWN)
    assert await heard(there, secret=OWN["clientSecret"]) == {connection_id}
    assert await heard(there) == set()
    other = await there.connected()
    assert await heard(there, secret=OWN["clientSecret"]) == {connection_id}
    assert await heard(there) == {other}
    assert (await there.client.patch(f"/connections/{connection_id}", json={"app": {}})).status_code == 200
    assert await heard(there, secret=OWN["clientSecret"]) == set()
    assert await heard(there) == {other}


async def test_a_deleted_connection_hears_nothing(there: Town) -> None:
    connection_id = await there.connected()
    assert (await there.client.delete(f"/connections/{connection_id}")).status_code == 200
    assert await heard(there) == set()
