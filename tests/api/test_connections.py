"""What `/connections` promises: tenants' accounts, whose credentials go in and never come out."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import httpx
import pytest

from tests.api.support import CANARY, OTHERS, START, SmallEngine

GOOD: dict[str, Any] = {
    "integrationId": "acme-parcels",
    "name": "Main",
    "config": {"shopId": "885", "environment": "production"},
    "credentials": {"apiKey": "good-key"},
}


async def _secret(engine: SmallEngine, connection_id: str, tenant: str = "acme") -> Any:
    secret = await engine.store.secrets.get(tenant, connection_id, "credentials")
    return None if secret is None else secret.value


async def test_a_new_connection_is_active_and_shows_everything_but_its_credentials(api, engine):
    made = await api.post("/connections", json=GOOD)
    view = made.json()
    assert made.status_code == 200
    assert set(view) == {
        "tenantId", "connectionId", "integrationId", "name", "config", "credentialsRef", "status", "createdAt",
        "updatedAt",
    }  # fmt: skip
    assert view["status"] == "active"
    assert view["config"] == GOOD["config"]
    assert view["credentialsRef"] == f"/integrations/acme/{view['connectionId']}"
    assert view["createdAt"] == view["updatedAt"] == "2026-05-01T01:46:41.000Z"
    assert await _secret(engine, view["connectionId"]) == {"apiKey": "good-key"}
    assert (await api.get(f"/connections/{view['connectionId']}")).json() == view


async def test_connections_are_listed_newest_first_and_filtered(api):
    ids = [(await api.post("/connections", json=GOOD)).json()["connectionId"] for _ in range(3)]
    await api.patch(f"/connections/{ids[1]}", json={"status": "inactive"})
    listed = (await api.get("/connections")).json()["connections"]
    assert [one["connectionId"] for one in listed] == ids[::-1]
    inactive = await api.get("/connections", params={"status": "inactive", "integrationId": "acme-parcels"})
    assert [one["connectionId"] for one in inactive.json()["connections"]] == [ids[1]]
    assert (await api.get("/connections", params={"integrationId": "acme-old"})).json() == {"connections": []}


@pytest.mark.parametrize("method", ["GET", "PATCH", "DELETE", "TEST"])
async def test_another_tenants_connection_does_not_exist(api, engine, connection, method):
    path = f"/connections/{connection}" + ("/test" if method == "TEST" else "")
    body = {"json": {"name": "mine now"}} if method == "PATCH" else {}
    verb = "POST" if method == "TEST" else method
    foreign = await api.request(verb, path, headers=OTHERS, **body)
    unknown = await api.request(verb, path.replace(connection, "0" * 26), headers=OTHERS, **body)
    assert foreign.status_code == 404
    assert foreign.json() == unknown.json()
    assert (await api.get("/connections", headers=OTHERS)).json() == {"connections": []}
    assert await _secret(engine, connection) == {"apiKey": "good-key"}


@pytest.mark.parametrize(
    ("change", "path"),
    [
        ({"config": {}}, ["config", "shopId"]),
        ({"config": {"shopId": f"x{CANARY}"}}, ["config", "shopId"]),
        ({"config": {"shopId": 885}}, ["config", "shopId"]),
        ({"config": {"shopId": "885", "apiKey": CANARY}}, ["config", "apiKey"]),
        ({"config": {"shopId": "885", "instanceUrl": f"https://{CANARY}"}}, ["config", "instanceUrl"]),
        ({"config": {"shopId": "885", "shopID": CANARY}}, ["config", "shopID"]),
        ({"credentials": {}}, ["credentials", "apiKey"]),
        ({"credentials": {"apiKey": None}}, ["credentials", "apiKey"]),
        ({"credentials": {"apiKey": [CANARY]}}, ["credentials", "apiKey"]),
        ({"credentials": {"apiKey": "x"}}, ["credentials", "apiKey"]),
        ({"credentials": {"apiKey": f"{CANARY}\r\nX-Evil: 1"}}, ["credentials", "apiKey"]),
        ({"credentials": {"apiKey": f"{CANARY}\n"}}, ["credentials", "apiKey"]),
        ({"credentials": {"apiKey": f"{CANARY}\x7f"}}, ["credentials", "apiKey"]),
        ({"credentials": {"apiKey": f"{CANARY}\u0110"}}, ["credentials", "apiKey"]),
        ({"credentials": {"apiKey": f" {CANARY}"}}, ["credentials", "apiKey"]),
        ({"credentials": {"apiKey": "good-key", "shopId": CANARY}}, ["credentials", "shopId"]),
        ({"credentials": {"apiKey": "good-key", "apikey": CANARY}}, ["credentials", "apikey"]),
        ({"credentials": {"apiKey": "good-key", "instanceUrl": CANARY}}, ["credentials", "instanceUrl"]),
        ({"config": {"shopId": "1"}, "credentials": {"apiKey": "good-key", "pin": CANARY}}, None),
        ({"config": [CANARY]}, ["config"]),
        ({"name": ""}, ["name"]),
        ({"name": "  "}, ["name"]),
        ({"name": CANARY * 20}, ["name"]),
        ({"name": None}, ["name"]),
        ({"tenantId": "other"}, ["tenantId"]),
        ({"integrationId": 7}, ["integrationId"]),
    ],
)
async def test_what_does_not_fit_the_form_is_refused_with_its_place_and_not_stored(api, engine, change, path):
    refused = await api.post("/connections", json={**GOOD, **change})
    assert refused.status_code == 400
    if path is not None:
        assert path in [issue["path"] for issue in refused.json()["data"]["issues"]]
    assert CANARY not in refused.text
    assert (await api.get("/connections")).json() == {"connections": []}


@pytest.mark.parametrize(("field", "near"), [("apikey", "apiKey"), ("pinn", "pin")])
async def test_a_misspelt_credential_is_answered_with_the_right_name(api, field, near):
    refused = await api.post("/connections", json={**GOOD, "credentials": {"apiKey": "good-key", field: CANARY}})
    assert f'did you mean "{near}"?' in refused.json()["data"]["issues"][0]["message"]


@pytest.mark.parametrize("storage", ["sqlite"], indirect=True)
async def test_a_secret_in_config_is_refused_and_reaches_no_file(api, engine, tmp_path):
    await api.post("/connections", json={**GOOD, "config": {"shopId": "1", "apiKey": CANARY}})
    await engine.store.lifetime.check()
    files = [file for file in tmp_path.iterdir() if file.is_file()]
    assert files
    assert not any(CANARY.encode() in file.read_bytes() for file in files)


async def test_an_unknown_integration_is_404_with_the_nearest_name(api):
    refused = await api.post("/connections", json={**GOOD, "integrationId": "acme-parcel"})
    assert refused.status_code == 404
    assert 'did you mean "acme-parcels"?' in refused.json()["message"]


async def test_a_deprecated_integration_takes_no_new_connection(api):
    refused = await api.post("/connections", json={**GOOD, "integrationId": "acme-old"})
    assert refused.status_code == 400
    assert refused.json()["data"]["issues"][0]["path"] == ["integrationId"]


async def test_a_patch_replaces_config_and_merges_credentials(api, engine, connection):
    config = {"shopId": "9", "environment": "production"}
    changed = await api.patch(
        f"/connections/{connection}", json={"name": "New", "config": config, "credentials": {"pin": "1234"}}
    )
    view = changed.json()
    assert (view["name"], view["config"]) == ("New", config)
    assert view["updatedAt"] > view["createdAt"]
    assert await _secret(engine, connection) == {"apiKey": "good-key", "pin": "1234"}
    assert (await api.get(f"/connections/{connection}")).json() == view


async def test_a_patch_with_null_removes_a_credential(api, engine, connection):
    path = f"/connections/{connection}"
    config = {"shopId": "9", "environment": "production"}
    await api.patch(path, json={"config": config, "credentials": {"pin": "1234"}})
    assert (await api.patch(path, json={"credentials": {"pin": None}})).status_code == 200
    assert await _secret(engine, connection) == {"apiKey": "good-key"}


@pytest.mark.parametrize(
    "change",
    [
        {"config": {}},
        {"credentials": {"apiKey": None}},
        {"credentials": {"pin": "1234"}},
        {"config": {"shopId": "9", "instanceUrl": "https://evil.example.com"}},
        {"status": "error"},
        {"integrationId": "acme-old"},
    ],
)
async def test_a_patch_is_checked_as_a_whole_and_changes_nothing_when_refused(api, engine, connection, change):
    before = (await api.get(f"/connections/{connection}")).json()
    assert (await api.patch(f"/connections/{connection}", json={"name": "New", **change})).status_code == 400
    assert (await api.get(f"/connections/{connection}")).json() == before
    assert await _secret(engine, connection) == {"apiKey": "good-key"}


async def test_what_the_engine_captured_survives_a_patch_of_config(api, engine, connection):
    stored = await engine.store.connections.get("acme", connection)
    assert stored is not None
    captured = {**stored.config, "instanceUrl": "https://eu7.example.com"}
    await engine.store.connections.update(replace(stored, config=captured))
    changed = await api.patch(f"/connections/{connection}", json={"config": {"shopId": "9"}})
    assert changed.json()["config"] == {"shopId": "9", "instanceUrl": "https://eu7.example.com"}
    renamed = await api.patch(f"/connections/{connection}", json={"credentials": {"apiKey": "good-other"}})
    assert renamed.json()["config"] == changed.json()["config"]


async def test_patches_at_the_same_time_all_count(api, engine, connection):
    path = f"/connections/{connection}"
    config = {"shopId": "77", "environment": "production"}
    changes = [{"name": "Renamed"}, {"config": config}, {"credentials": {"apiKey": "good-new"}}]
    answers = await asyncio.gather(*(api.patch(path, json=change) for change in changes))
    assert [answer.status_code for answer in answers] == [200, 200, 200]
    view = (await api.get(path)).json()
    assert (view["name"], view["config"]) == ("Renamed", config)
    assert await _secret(engine, connection) == {"apiKey": "good-new"}


async def test_config_and_credentials_fit_each_other_whoever_comes_first(api, engine, connection):
    """`pin` is allowed in production only: one of the two changes must lose, whatever their order."""
    path = f"/connections/{connection}"
    await api.patch(path, json={"config": {"shopId": "1", "environment": "production"}})
    answers = await asyncio.gather(
        api.patch(path, json={"config": {"shopId": "1", "environment": "sandbox"}}),
        api.patch(path, json={"credentials": {"pin": "1234"}}),
    )
    assert sorted(answer.status_code for answer in answers) == [200, 400]
    has_pin = "pin" in await _secret(engine, connection)
    assert has_pin == ((await api.get(path)).json()["config"]["environment"] == "production")


async def test_a_connection_can_be_switched_off_and_on(api, engine, connection):
    path = f"/connections/{connection}"
    stored = await engine.store.connections.get("acme", connection)
    assert stored is not None
    await engine.store.connections.update(replace(stored, status="error", last_error="refused", last_error_at=START))
    off = (await api.patch(path, json={"status": "inactive"})).json()
    assert (off["status"], off["lastError"]) == ("inactive", "refused")
    on = (await api.patch(path, json={"status": "active"})).json()
    assert on["status"] == "active"
    assert "lastError" not in on
    assert on["lastErrorAt"] == "2026-05-01T01:46:40.000Z"


async def test_delete_removes_the_record_and_its_secret(api, engine, connection):
    assert (await api.delete(f"/connections/{connection}")).json() == {"success": True}
    assert (await api.get(f"/connections/{connection}")).status_code == 404
    assert (await api.delete(f"/connections/{connection}")).status_code == 404
    assert await _secret(engine, connection) is None


@pytest.mark.parametrize("body", [{}, {"content": b"{}", "headers": {"Content-Type": "application/json"}}])
async def test_what_needs_no_field_is_valid_with_or_without_a_body(api, connection, body):
    tested = await api.request("POST", f"/connections/{connection}/test", **body)
    deleted = await api.request("DELETE", f"/connections/{connection}", **body)
    assert (tested.status_code, deleted.status_code) == (200, 200)


async def test_a_test_shows_what_it_found_and_the_connection_remembers(api, connection):
    path = f"/connections/{connection}"
    good = (await api.post(f"{path}/test")).json()
    assert good["success"] is True
    assert (await api.get(path)).json()["lastTestedAt"] == good["testedAt"]
    await api.patch(path, json={"credentials": {"apiKey": "bad-key"}})
    bad = (await api.post(f"{path}/test")).json()
    assert (bad["success"], bad["message"]) == (False, "the key was refused")
    view = (await api.get(path)).json()
    assert (view["status"], view["lastError"]) == ("error", "the key was refused")


async def test_credentials_are_in_no_answer(api: httpx.AsyncClient):
    given = {**GOOD, "credentials": {"apiKey": CANARY}}
    made = await api.post("/connections", json=given)
    path = f"/connections/{made.json()['connectionId']}"
    answers = [
        made,
        await api.get(path),
        await api.get("/connections"),
        await api.patch(path, json={"credentials": {"apiKey": f"{CANARY}-2"}}),
        await api.post(f"{path}/test"),
        await api.delete(path),
    ]
    assert all(answer.status_code == 200 and CANARY not in answer.text for answer in answers)
