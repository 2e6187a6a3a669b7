"""Who is told of events, and what became of it: `/subscriptions` and `/deliveries`."""

from __future__ import annotations

from collections.abc import Sequence

from engine.api import views
from engine.api.bodies import DELIVERIES_QUERY, EMPTY_BODY, ROTATE_BODY, SUBSCRIPTION_BODY, SUBSCRIPTION_CHANGE_BODY
from engine.api.fields import NOON, OTHER_ULID, ULID, listing, ref, text
from engine.api.operations import Body, Operation
from engine.api.paging import Place, paged
from engine.api.site import Site
from engine.api.wire import Call, Reply, ok
from engine.errors import RequestError
from engine.events.subscriptions import SubscriptionChange
from engine.model import Delivery
from engine.storage.ports import DeliveryQuery

_OVERLAP_SECONDS = 86_400


async def create(site: Site, call: Call) -> Reply:
    given = call.body
    return ok(
        views.subscription(await site.subscriptions.create(call.tenant, given["url"], tuple(given["eventTypes"])))
    )


async def find(site: Site, call: Call) -> Reply:
    return ok({"subscriptions": [views.subscription(one) for one in await site.subscriptions.find(call.tenant)]})


async def get(site: Site, call: Call) -> Reply:
    return ok(views.subscription(await site.subscriptions.get(call.tenant, call.params["subscriptionId"])))


async def update(site: Site, call: Call) -> Reply:
    given = call.body
    types = tuple(given["eventTypes"]) if "eventTypes" in given else None
    change = SubscriptionChange(given.get("url"), types, given.get("status"))
    return ok(views.subscription(await site.subscriptions.update(call.tenant, call.params["subscriptionId"], change)))


async def rotate(site: Site, call: Call) -> Reply:
    overlap = call.body.get("overlapSeconds", _OVERLAP_SECONDS)
    return ok(views.subscription(await site.subscriptions.rotate(call.tenant, call.params["subscriptionId"], overlap)))


async def delete(site: Site, call: Call) -> Reply:
    await site.subscriptions.delete(call.tenant, call.params["subscriptionId"])
    return ok({"success": True})


async def find_deliveries(site: Site, call: Call) -> Reply:
    asked = {name: call.query.get(name) for name in ("subscriptionId", "status", "eventId")}

    async def rows(limit: int, after: Place | None) -> Sequence[Delivery]:
        query = DeliveryQuery(
            call.tenant, asked["subscriptionId"], asked["status"], asked["eventId"], limit=limit, after=after
        )
        return await site.engine.store.deliveries.find(query)

    filters = {"list": "deliveries", **asked}
    return await paged(
        site, call, "deliveries", filters, rows, views.delivery, lambda row: (row.created_at, row.delivery_id)
    )


async def get_delivery(site: Site, call: Call) -> Reply:
    found = await site.engine.store.deliveries.get(call.tenant, call.params["deliveryId"])
    if found is None:
        raise RequestError("NOT_FOUND", "no such delivery")
    return ok(views.delivery(found))


async def redeliver(site: Site, call: Call) -> Reply:
    return ok(views.delivery(await site.subscriptions.redeliver(call.tenant, call.params["deliveryId"])))


_SUBSCRIPTION = {
    "tenantId": "acme",
    "subscriptionId": ULID,
    "url": "https://example.com/hooks/integrations",
    "eventTypes": ["payment.paid", "shipment.*"],
    "status": "active",
    "createdAt": NOON,
    "updatedAt": NOON,
}
_WITH_SECRET = {**_SUBSCRIPTION, "secret": "whsec_ZmFrZS1zZWNyZXQtb2YtYW4tZXhhbXBsZS0wMDAwMDA="}
_DELIVERED = {
    "tenantId": "acme",
    "deliveryId": OTHER_ULID,
    "subscriptionId": ULID,
    "eventId": "01JTXK5A1BXXV3R5N7H9QZ2K4M",
    "eventType": "shipment.updated",
    "connectionId": ULID,
    "status": "delivered",
    "attempts": 1,
    "lastAttemptAt": NOON,
    "httpStatus": 204,
    "createdAt": NOON,
}
_DEAD = {
    **_DELIVERED,
    "status": "dead",
    "attempts": 10,
    "httpStatus": 503,
    "error": "the subscriber answered 503",
}
_PENDING = {
    **{name: value for name, value in _DELIVERED.items() if name not in ("httpStatus", "lastAttemptAt")},
    "status": "pending",
    "attempts": 0,
    "nextAttemptAt": NOON,
}
_DELETED = {"type": "object", "required": ["success"], "properties": {"success": {"const": True}}}
_NOTHING = Body("Empty", EMPTY_BODY, required=False)

_SUBSCRIPTIONS: tuple[Operation, ...] = (
    Operation(
        "subscriptions.create",
        "POST",
        "/subscriptions",
        create,
        "Be told of the tenant's events from now on: each is POSTed to the URL at least once, signed as Standard "
        "Webhooks. Shows the secret, once.",
        ref("Subscription"),
        body=Body("NewSubscription", SUBSCRIPTION_BODY),
        failures=("CONFLICT",),
        examples={"made": _WITH_SECRET},
    ),
    Operation(
        "subscriptions.list",
        "GET",
        "/subscriptions",
        find,
        "The tenant's subscriptions, newest first.",
        listing("Subscription", "subscriptions"),
        examples={"all": {"subscriptions": [_SUBSCRIPTION]}},
    ),
    Operation(
        "subscriptions.get",
        "GET",
        "/subscriptions/{subscriptionId}",
        get,
        "One subscription.",
        ref("Subscription"),
        failures=("NOT_FOUND",),
        examples={
            "well": _SUBSCRIPTION,
            "failing": {**_SUBSCRIPTION, "failingSince": NOON},
            "ended by its subscriber": {
                **_SUBSCRIPTION,
                "status": "disabled",
                "reason": "the subscriber answered 410 Gone",
            },
        },
    ),
    Operation(
        "subscriptions.update",
        "PATCH",
        "/subscriptions/{subscriptionId}",
        update,
        "Change where events go and which, or switch it off and on; a pause after failures ends.",
        ref("Subscription"),
        body=Body("SubscriptionChange", SUBSCRIPTION_CHANGE_BODY),
        failures=("NOT_FOUND", "CONFLICT"),
        examples={"changed": _SUBSCRIPTION},
    ),
    Operation(
        "subscriptions.rotate",
        "POST",
        "/subscriptions/{subscriptionId}/rotate",
        rotate,
        "Make a new secret and show it, once. For a while both sign, so that nothing is refused in between.",
        ref("Subscription"),
        body=Body("Rotation", ROTATE_BODY, required=False),
        failures=("NOT_FOUND", "CONFLICT"),
        examples={"made": _WITH_SECRET},
    ),
    Operation(
        "subscriptions.delete",
        "DELETE",
        "/subscriptions/{subscriptionId}",
        delete,
        "Remove a subscription with its deliveries; the events stay.",
        _DELETED,
        body=_NOTHING,
        failures=("NOT_FOUND",),
        examples={"deleted": {"success": True}},
    ),
)

_DELIVERIES: tuple[Operation, ...] = (
    Operation(
        "deliveries.list",
        "GET",
        "/deliveries",
        find_deliveries,
        "What became of each event at each subscription, newest first; kept as long as the events.",
        listing("Delivery", "deliveries", nextCursor=text("Give it as `cursor` for the next page.")),
        query=DELIVERIES_QUERY,
        examples={"page": {"deliveries": [_DELIVERED, _DEAD]}},
    ),
    Operation(
        "deliveries.get",
        "GET",
        "/deliveries/{deliveryId}",
        get_delivery,
        "One delivery.",
        ref("Delivery"),
        failures=("NOT_FOUND",),
        examples={"delivered": _DELIVERED, "dead": _DEAD, "pending": _PENDING},
    ),
    Operation(
        "deliveries.redeliver",
        "POST",
        "/deliveries/{deliveryId}/redeliver",
        redeliver,
        "Deliver it again, now, whatever became of it: with the same `webhook-id`, and as often as a new one.",
        ref("Delivery"),
        body=_NOTHING,
        failures=("NOT_FOUND", "CONFLICT"),
        examples={"pending": _PENDING},
    ),
)

OPERATIONS: tuple[Operation, ...] = _SUBSCRIPTIONS + _DELIVERIES
