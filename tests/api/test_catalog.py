"""`/catalog`: what can be connected and what it can do."""

from __future__ import annotations

from dataclasses import replace

import pytest

from engine.api.views import summary
from tests.api.support import LOGO, PUBLIC_URL, catalog


async def test_the_list_shows_summaries_by_id(api):
    old, parcels = (await api.get("/catalog")).json()["integrations"]
    assert (old["integrationId"], old["status"]) == ("acme-old", "deprecated")
    assert "logoUrl" not in old
    assert parcels == {
        "integrationId": "acme-parcels",
        "category": "shipping",
        "name": "Acme",
        "description": "Quotes and books parcels at Acme.",
        "provider": "Acme Logistics",
        "version": "1.0.0",
        "status": "available",
        "logoUrl": f"{PUBLIC_URL}/catalog/acme-parcels/logo.svg",
        "docsUrl": "https://docs.example.com",
        "authType": "api_key",
        "authMethods": ["token"],
    }


@pytest.mark.parametrize(
    ("params", "ids"),
    [
        ({"category": "shipping"}, ["acme-parcels"]),
        ({"status": "deprecated"}, ["acme-old"]),
        ({"category": "shipping", "status": "deprecated"}, []),
        ({"category": "crm"}, []),
    ],
)
async def test_the_list_is_filtered(api, params, ids):
    found = (await api.get("/catalog", params=params)).json()["integrations"]
    assert [one["integrationId"] for one in found] == ids


@pytest.mark.parametrize("params", [{"category": "toys"}, {"status": "new"}, {"categories": "crm"}, {"category": ""}])
async def test_a_filter_that_is_none_is_400(api, params):
    assert (await api.get("/catalog", params=params)).status_code == 400


async def test_an_integration_shows_its_form_and_its_actions(api, engine):
    known = engine.catalog.integrations["acme-parcels"]
    shown = (await api.get("/catalog/acme-parcels")).json()
    assert shown["configSchema"] == known.config_schema
    assert [one["actionId"] for one in shown["actions"]] == list(known.actions)
    assert (await api.get("/catalog/acme-parcels/actions")).json() == {"actions": shown["actions"]}


@pytest.mark.parametrize(
    ("kind", "shown"),
    [("bearer", "api_key"), ("basic", "basic"), ("oauth2", "oauth2"), ("login", "custom"), ("signed", "custom")],
)
def test_the_auth_type_is_one_that_callers_know(kind, shown):
    known = catalog().integrations["acme-parcels"]
    view = summary(replace(known, methods=(replace(known.methods[0], type=kind),)), "")
    assert (view["authType"], view["logoUrl"]) == (shown, "/catalog/acme-parcels/logo.svg")


async def test_an_action_shows_what_it_takes_and_gives(api):
    assert (await api.get("/catalog/acme-parcels/actions/quote")).json() == {
        "actionId": "quote",
        "name": "Quote",
        "description": "Does what quote says.",
        "category": "read",
        "deprecated": False,
        "rateLimit": 100,
        "inputSchema": {"type": "object", "properties": {"weight": {"type": "integer"}}},
        "outputSchema": {"type": "object"},
    }


@pytest.mark.parametrize(
    ("path", "near"),
    [
        ("/catalog/acme-parcel", "acme-parcels"),
        ("/catalog/acme-parcel/actions", "acme-parcels"),
        ("/catalog/acme-parcels/actions/qoute", "quote"),
        ("/catalog/acme-parcel/actions/quote", "acme-parcels"),
        ("/catalog/acme-parcel/logo.svg", "acme-parcels"),
    ],
)
async def test_an_unknown_name_is_404_with_the_nearest_one(api, path, near):
    answer = await api.get(path)
    assert answer.status_code == 404
    assert f'did you mean "{near}"?' in answer.json()["message"]


async def test_a_logo_is_an_image_that_runs_nothing(api):
    logo = await api.get("/catalog/acme-parcels/logo.svg")
    assert logo.content == LOGO
    assert logo.headers["content-type"] == "image/svg+xml"
    assert "default-src 'none'" in logo.headers["content-security-policy"]
    assert logo.headers["x-content-type-options"] == "nosniff"
    assert (await api.get("/catalog/acme-old/logo.svg")).status_code == 404
