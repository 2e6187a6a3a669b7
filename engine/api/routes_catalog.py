"""`/catalog`: what can be connected, and what it can do. The same for every tenant."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import NoReturn

from engine.api import views
from engine.api.bodies import CATALOG_QUERY
from engine.api.fields import ref
from engine.api.operations import Operation
from engine.api.site import Site
from engine.api.wire import Call, Reply, ok
from engine.catalog import Integration
from engine.diagnostics import nearest
from engine.errors import RequestError

# An SVG can hold scripts; opened on its own it must not run any.
_INERT = (b"content-security-policy", b"default-src 'none'; style-src 'unsafe-inline'; sandbox")


async def find(site: Site, call: Call) -> Reply:
    category, status = call.query.get("category"), call.query.get("status")
    # Beside the loop: those that nobody has asked for yet are compiled now.
    known = await asyncio.to_thread(lambda: sorted(site.engine.catalog.integrations.items()))
    wanted = (one for _, one in known if category in (None, one.category) and status in (None, one.status))
    return ok({"integrations": [views.summary(one, site.public_url) for one in wanted]})


async def get(site: Site, call: Call) -> Reply:
    return ok(views.integration_detail(_integration(site, call), site.public_url))


async def actions(site: Site, call: Call) -> Reply:
    return ok({"actions": [views.action(one) for one in _integration(site, call).actions.values()]})


async def action(site: Site, call: Call) -> Reply:
    known = _integration(site, call).actions
    found = known.get(call.params["actionId"])
    if found is None:
        _missing("action of this integration", call.params["actionId"], known)
    return ok(views.action(found))


async def logo(site: Site, call: Call) -> Reply:
    image = _integration(site, call).logo
    if image is None:
        raise RequestError("NOT_FOUND", "this integration has no logo")
    return Reply(image, content_type=b"image/svg+xml", cache=b"public, max-age=86400", headers=(_INERT,))


def _integration(site: Site, call: Call) -> Integration:
    known = site.engine.catalog.integrations
    found = known.get(call.params["integrationId"])
    if found is None:
        _missing("integration", call.params["integrationId"], known)
    return found


def _missing(kind: str, name: str, known: Iterable[str]) -> NoReturn:
    near = nearest(name, known)
    raise RequestError("NOT_FOUND", f"no such {kind}" + (f'; did you mean "{near}"?' if near else ""))


_SUMMARY = {
    "integrationId": "shipping-acme",
    "category": "shipping",
    "name": "Acme Express",
    "description": "Quotes and books parcels.",
    "provider": "Acme Logistics",
    "version": "1.0.0",
    "status": "available",
    "logoUrl": "https://integrations.example.com/catalog/shipping-acme/logo.svg",
    "authType": "api_key",
    "authMethods": ["token"],
}
_ACTION = {
    "actionId": "calculate_fee",
    "name": "Calculate fee",
    "description": "What a parcel costs before it is booked.",
    "category": "read",
    "deprecated": False,
    "rateLimit": 100,
    "inputSchema": {"type": "object", "required": ["weight"], "properties": {"weight": {"type": "integer"}}},
    "outputSchema": {"type": "object", "properties": {"fee": {"type": "number"}}},
}
_CONFIG_SCHEMA = {
    "type": "object",
    "required": ["apiKey"],
    "properties": {"apiKey": {"type": "string", "title": "API key", "writeOnly": True}},
}


def _listing(name: str, key: str) -> dict[str, object]:
    properties = {key: {"type": "array", "items": ref(name)}}
    return {"type": "object", "required": [key], "properties": properties}


OPERATIONS: tuple[Operation, ...] = (
    Operation(
        "catalog.list",
        "GET",
        "/catalog",
        find,
        "All integrations, by id.",
        _listing("IntegrationSummary", "integrations"),
        query=CATALOG_QUERY,
        examples={"all": {"integrations": [_SUMMARY]}},
    ),
    Operation(
        "catalog.get",
        "GET",
        "/catalog/{integrationId}",
        get,
        "One integration: its form and its actions.",
        ref("Integration"),
        failures=("NOT_FOUND",),
        examples={"integration": {**_SUMMARY, "configSchema": _CONFIG_SCHEMA, "actions": [_ACTION]}},
    ),
    Operation(
        "catalog.getActions",
        "GET",
        "/catalog/{integrationId}/actions",
        actions,
        "What an integration can do.",
        _listing("Action", "actions"),
        failures=("NOT_FOUND",),
        examples={"actions": {"actions": [_ACTION]}},
    ),
    Operation(
        "actions.getSchema",
        "GET",
        "/catalog/{integrationId}/actions/{actionId}",
        action,
        "One action: what it takes and what it gives.",
        ref("Action"),
        failures=("NOT_FOUND",),
        examples={"action": _ACTION},
    ),
    Operation(
        "catalog.getLogo",
        "GET",
        "/catalog/{integrationId}/logo.svg",
        logo,
        "The logo of an integration.",
        {"type": "string"},
        access="open",
        failures=("NOT_FOUND",),
        answer_type="image/svg+xml",
    ),
)
