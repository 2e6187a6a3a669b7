"""`/connections`: a tenant's accounts. Credentials go in and never come out."""

from __future__ import annotations

from engine.api import views
from engine.api.bodies import CHANGE_BODY, CONNECTION_BODY, CONNECTIONS_QUERY, EMPTY_BODY
from engine.api.fields import NOON, ULID, listing, ref
from engine.api.operations import Body, Operation
from engine.api.site import Site
from engine.api.wire import Call, Reply, ok
from engine.connections.service import Change, Draft


async def create(site: Site, call: Call) -> Reply:
    given = call.body
    secrets = given.get("credentials", {}), given.get("app", {})
    draft = Draft(given["integrationId"], given["name"], given.get("config", {}), *secrets)
    return ok(views.connection(await site.connections.create(call.tenant, draft)))


async def find(site: Site, call: Call) -> Reply:
    found = await site.connections.find(call.tenant, call.query.get("integrationId"), call.query.get("status"))
    return ok({"connections": [views.connection(one) for one in found]})


async def get(site: Site, call: Call) -> Reply:
    return ok(views.connection(await site.connections.get(call.tenant, call.params["connectionId"])))


async def update(site: Site, call: Call) -> Reply:
    given = call.body
    change = Change(*(given.get(name) for name in ("name", "config", "credentials", "status", "app")))
    return ok(views.connection(await site.connections.update(call.tenant, call.params["connectionId"], change)))


async def delete(site: Site, call: Call) -> Reply:
    await site.connections.delete(call.tenant, call.params["connectionId"])
    return ok({"success": True})


async def test(site: Site, call: Call) -> Reply:
    proof = await site.connections.test(call.tenant, call.params["connectionId"])
    return ok({"success": proof.success, "message": proof.message, "testedAt": views.moment(proof.tested_at)})


_EXAMPLE = {
    "tenantId": "acme",
    "connectionId": ULID,
    "integrationId": "shipping-acme",
    "name": "Warehouse Hanoi",
    "config": {"shopId": "885"},
    "credentialsRef": f"/integrations/acme/{ULID}",
    "status": "active",
    "createdAt": NOON,
    "updatedAt": NOON,
}
_DELETED = {"type": "object", "required": ["success"], "properties": {"success": {"const": True}}}
_NOTHING = Body("Empty", EMPTY_BODY, required=False)


OPERATIONS: tuple[Operation, ...] = (
    Operation(
        "connections.create",
        "POST",
        "/connections",
        create,
        "Connect an account. Config and credentials are checked together against the integration's configSchema. Where "
        "a person has to consent, it is inactive until then.",
        ref("Connection"),
        body=Body("NewConnection", CONNECTION_BODY),
        failures=("NOT_FOUND",),
        examples={"connection": _EXAMPLE},
    ),
    Operation(
        "connections.list",
        "GET",
        "/connections",
        find,
        "The tenant's connections, newest first.",
        listing("Connection", "connections"),
        query=CONNECTIONS_QUERY,
        examples={"all": {"connections": [_EXAMPLE]}},
    ),
    Operation(
        "connections.get",
        "GET",
        "/connections/{connectionId}",
        get,
        "One connection.",
        ref("Connection"),
        failures=("NOT_FOUND",),
        examples={"connection": _EXAMPLE},
    ),
    Operation(
        "connections.update",
        "PATCH",
        "/connections/{connectionId}",
        update,
        "Change a connection: config replaces, credentials merge by key, the whole is checked again.",
        ref("Connection"),
        body=Body("ConnectionChange", CHANGE_BODY),
        failures=("NOT_FOUND", "CONFLICT"),
        examples={"connection": _EXAMPLE},
    ),
    Operation(
        "connections.delete",
        "DELETE",
        "/connections/{connectionId}",
        delete,
        "Remove a connection with its credentials, tokens (given back, where the provider takes them) and pending "
        "deliveries; the log of its calls stays.",
        _DELETED,
        body=_NOTHING,
        failures=("NOT_FOUND",),
        examples={"deleted": {"success": True}},
    ),
    Operation(
        "connections.test",
        "POST",
        "/connections/{connectionId}/test",
        test,
        "Prove the credentials with a call that changes nothing, and set the status by its outcome.",
        ref("TestResult"),
        body=_NOTHING,
        failures=("NOT_FOUND", "CONFLICT"),
        examples={"good": {"success": True, "message": "The credentials work.", "testedAt": NOON}},
    ),
)
