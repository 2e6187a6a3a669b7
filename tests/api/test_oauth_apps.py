"""The app that a consent is for: the operator's, or one that the connection has of its own."""

from __future__ import annotations

import json
from typing import Any

import pytest

from engine.runtime.apps import APPS
from tests.api.consenting import HANDED, NEW, Town, good, granted, plain
from tests.cases.consenting import APP, signed
from tests.support.upstream import Reply, answer


async def test_without_an_app_there_is_nothing_to_consent_to(there: Town) -> None:
    await there.apps.remove("acme-shipping")
    refused = await there.client.post(f"/connections/{await there.connect()}/authorize")
    assert refused.status_code == 400
    assert "integrations apps set acme-shipping" in refused.json()["message"]


async def test_a_connection_may_have_an_app_of_its_own(there: Town) -> None:
    own = {"clientId": "own-client-0000", "clientSecret": "own-secret-0000-0000"}
    connection_id = await there.connect(app=own)
    path = f"/connections/{connection_id}"
    asked = await there.invite(connection_id)
    assert asked["client_id"] == "own-client-0000"
    query = {name: value for name, value in good(asked).items() if name != "hmac"}
    plain(await there.back(good(asked)), 400)  # signed with the operator's secret
    plain(await there.back(signed(query, own["clientSecret"])), 200)
    assert dict(there.upstream.seen[0].form())["client_secret"] == own["clientSecret"]

    for shown in (await there.client.get(path), await there.client.get("/connections")):
        assert "own-" not in shown.text
    await there.client.patch(path, json={"app": {}})
    assert (await there.invite(connection_id))["client_id"] == APP["clientId"]
    assert (await there.client.delete(path)).status_code == 200
    assert await there.engine.store.secrets.find("acme", connection_id) == {}


@pytest.mark.parametrize(
    ("app", "where"),
    [
        ({"clientId": "a"}, ["app", "clientSecret"]),
        ({"clientId": "a", "clientSecret": 5}, ["app", "clientSecret"]),
        ({"clientId": "a", "clientSecret": "b", "clientSecrets": "c"}, ["app", "clientSecrets"]),
        ({"clientId": "a", "clientSecret": "x" * 20_000}, ["app", "clientSecret"]),
    ],
)
async def test_an_app_that_does_not_fit_the_form_is_refused_and_not_repeated(
    there: Town, app: dict[str, Any], where: list[str]
) -> None:
    refused = await there.client.post("/connections", json={**NEW, "app": app})
    assert refused.status_code == 400
    assert refused.json()["data"]["issues"][0]["path"] == where
    assert "xxx" not in refused.text
    connection_id = await there.connect()
    assert (await there.client.patch(f"/connections/{connection_id}", json={"app": app})).status_code == 400
    assert set(await there.engine.store.secrets.find("acme", connection_id)) == {"credentials"}


async def test_the_catalogue_shows_the_form_of_an_app_and_no_app(there: Town) -> None:
    shown = (await there.client.get("/catalog/acme-shipping")).json()
    assert set(shown["appSchema"]["properties"]) == {"clientId", "clientSecret"}
    assert APP["clientId"] not in json.dumps(shown)
    assert "appSchema" not in (await there.client.get(f"/catalog/{HANDED}")).json()


async def test_an_integration_without_app_takes_none(there: Town) -> None:
    body = {"integrationId": HANDED, "name": "Main", "config": {"site": "store.example"}, "app": APP}
    refused = await there.client.post("/connections", json=body)
    assert (refused.status_code, refused.json()["data"]["issues"][0]["path"]) == (400, ["app"])


async def test_no_tenant_can_be_the_one_that_the_apps_are_kept_under(there: Town) -> None:
    answered = await there.client.get("/connections", headers={"X-Tenant-Id": APPS})
    assert answered.status_code == 400


async def test_a_changed_app_counts_at_once_where_the_old_one_was_refused(there: Town) -> None:
    connection_id = await there.connected()
    assert (await there.call(connection_id))["success"] is True  # the account is in memory, with the app as it was

    def token(seen: Any) -> Reply:
        is_new = dict(seen.form())["client_secret"] == "rotated-secret-0000"
        return granted(2) if is_new else answer({"error": "invalid_client"}, 401)

    def quote(seen: Any) -> Reply:
        return answer({}, 200 if seen.headers["authorization"] == "Bearer fake-access-0002" else 401)

    there.provider.answers |= {"/oauth/token": token, "/quote": quote}
    await there.apps.put("acme-shipping", {**APP, "clientSecret": "rotated-secret-0000"})
    assert (await there.call(connection_id))["success"] is True
    assert there.asked == ["/oauth/token", "/quote", "/quote", "/oauth/token", "/quote"]
