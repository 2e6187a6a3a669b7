"""What providers tell us: their messages come in at `/webhooks`, what they became is read at `/events`."""

from __future__ import annotations

from collections.abc import Sequence

from engine.api import views
from engine.api.bodies import EMPTY_BODY, EVENTS_QUERY
from engine.api.fields import NOON, OTHER_ULID, ULID, listing, ref, text
from engine.api.operations import EXECUTES, Body, Operation, Run
from engine.api.paging import Place, paged
from engine.api.site import Site
from engine.api.wire import Call, Received, Reply, ok
from engine.errors import RequestError
from engine.events import shape
from engine.events.receipt import Receipt
from engine.model import Event
from engine.runtime.message import Message
from engine.storage.ports import EventQuery


async def receive(site: Site, call: Call) -> Reply:
    """The answer is the provider's, exactly as the spec says it; nothing of ours is around it."""
    return _answered(await site.receiver.receive(call.params["connectionId"], _message(site, call)))


async def receive_app(site: Site, call: Call) -> Reply:
    """One address for all connections of an integration."""
    return _answered(await site.receiver.receive_app(call.params["integrationId"], _message(site, call)))


def _message(site: Site, call: Call) -> Message:
    came: Received = call.body
    return Message(came.method, site.public_url + came.target, came.headers, came.body, call.params.get("key"))


def _answered(receipt: Receipt) -> Reply:
    answer = receipt.answer
    headers = {name: value for name, value in answer.headers.items() if name not in ("content-type", "content-length")}
    return Reply(
        b"" if answer.status == 204 else answer.body,
        answer.status,
        answer.headers.get("content-type", "").encode("latin-1"),
        headers=tuple((name.encode("latin-1"), value.encode("latin-1")) for name, value in headers.items()),
    )


async def open_webhook(site: Site, call: Call) -> Reply:
    return ok(views.endpoint(await site.endpoints.open(call.tenant, call.params["connectionId"])))


async def close_webhook(site: Site, call: Call) -> Reply:
    await site.endpoints.close(call.tenant, call.params["connectionId"])
    return ok({"success": True})


async def find(site: Site, call: Call) -> Reply:
    filters = {"list": "events", **{name: call.query.get(name) for name in ("connectionId", "type")}}

    async def rows(limit: int, after: Place | None) -> Sequence[Event]:
        return await site.events.find(EventQuery(call.tenant, filters["connectionId"], filters["type"], limit, after))

    return await paged(site, call, "events", filters, rows, shape.shown, lambda row: (row.received_at, row.event_id))


async def get(site: Site, call: Call) -> Reply:
    found = await site.events.get(call.tenant, call.params["eventId"])
    if found is None:
        raise RequestError("NOT_FOUND", "no such event")
    return ok(shape.shown(found))


_EVENT = {
    "eventId": OTHER_ULID,
    "tenantId": "acme",
    "connectionId": ULID,
    "integrationId": "shipping-acme",
    "type": "shipment.updated",
    "data": {"orderCode": "A1", "status": "delivered"},
    "receivedAt": NOON,
}
_CLOSED = {"type": "object", "required": ["success"], "properties": {"success": {"const": True}}}
_NOTHING = Body("Empty", EMPTY_BODY, required=False)


def _incoming(method: str, path: str, suffix: str, run: Run = receive) -> Operation:
    return Operation(
        f"webhooks.{method.lower()}{suffix}",
        method,
        path,
        run,
        "A message from a provider. It needs no token: it proves itself, as the integration says. What it is answered "
        "is what its provider expects.",
        {},
        access="provider",
        answer_type="*/*",
    )


OPERATIONS: tuple[Operation, ...] = (
    *(
        _incoming(method, path, suffix, run)
        for path, suffix, run in (
            ("/webhooks/{connectionId}", "", receive),
            ("/webhooks/apps/{integrationId}", "ToApp", receive_app),  # before the one whose patterns it fits too
            ("/webhooks/{connectionId}/{key}", "WithKey", receive),
        )
        for method in ("GET", "POST", "PUT")
    ),
    Operation(
        "connections.openWebhook",
        "POST",
        "/connections/{connectionId}/webhooks",
        open_webhook,
        "Begin to receive what the provider tells of this connection. Shows the URL and the secrets for the provider, "
        "once: asked again, new secrets are made and the old ones stop at once. Where the provider can be asked to "
        "tell us, it is asked, and asked again before that ends; 409 when it refuses, and nothing has changed then.",
        ref("WebhookEndpoint"),
        body=_NOTHING,
        failures=("NOT_FOUND", "CONFLICT"),
        examples={"open": {"url": f"https://integrations.example.com/webhooks/{ULID}"}},
    ),
    Operation(
        "connections.closeWebhook",
        "DELETE",
        "/connections/{connectionId}/webhooks",
        close_webhook,
        "Receive nothing for this connection any more, and tell the provider so; the events that came stay.",
        _CLOSED,
        body=_NOTHING,
        failures=("NOT_FOUND",),
        examples={"closed": {"success": True}},
    ),
    Operation(
        "events.list",
        "GET",
        "/events",
        find,
        "What providers told, newest first; kept for 30 days unless the operator says otherwise.",
        listing("Event", "events", nextCursor=text("Give it as `cursor` for the next page.")),
        query=EVENTS_QUERY,
        examples={"page": {"events": [_EVENT]}},
        rights=EXECUTES,
    ),
    Operation(
        "events.get",
        "GET",
        "/events/{eventId}",
        get,
        "One event.",
        ref("Event"),
        failures=("NOT_FOUND",),
        examples={"event": _EVENT},
        rights=EXECUTES,
    ),
)
