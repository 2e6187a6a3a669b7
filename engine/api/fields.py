"""What requests and answers of the API have in common: fields, and how a shape is written down."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, get_args

from engine.events.wanted import PATTERN
from engine.model import ConnectionStatus, DeliveryStatus, SubscriptionStatus

Shape = Mapping[str, Any]
"""A JSON Schema 2020-12."""

ULID = "01JTXK3V9QW8Z2M4N6P8R0S2T4"
OTHER_ULID = "01JTXK5A1BCDE2FGH3JKM4NPQR"
NOON = "2026-05-01T03:04:05.123Z"
CATEGORIES = ("shipping", "payment", "ecommerce", "crm", "calendar", "communication")
INTEGRATION_STATUSES = ("available", "beta", "deprecated")


def text(description: str, **more: Any) -> Shape:
    return {"type": "string", "description": description, **more}


def ref(name: str) -> Shape:
    return {"$ref": f"#/components/schemas/{name}"}


def listing(name: str, key: str, **more: Shape) -> Shape:
    properties = {key: {"type": "array", "items": ref(name), "description": "Newest first."}, **more}
    return {"type": "object", "required": [key], "properties": properties}


def moment(description: str) -> Shape:
    return text(f"{description} RFC 3339, UTC.", format="date-time", examples=[NOON])


def an_object(description: str, **more: Any) -> Shape:
    return {"type": "object", "description": description, **more}


ID = text("A ULID.", examples=[ULID])
INTEGRATION_ID = text("The integration.", minLength=1, examples=["shipping-acme"])
ACTION_ID = text("The action.", minLength=1, examples=["calculate_fee"])
CONNECTION_STATUS = {"type": "string", "enum": list(get_args(ConnectionStatus)), "description": "Can it be used?"}
NAME = text("What people call it.", minLength=1, maxLength=200, pattern=r"\S", examples=["Warehouse Hanoi"])
CONFIG = an_object("The fields of configSchema that are not credentials.", examples=[{"shopId": "885"}])
CREDENTIALS = an_object("The writeOnly fields of configSchema. Never returned.", examples=[{"apiKey": "a-secret"}])
APP = an_object("An app of your own at the provider, in place of the operator's. Never returned.")
CALLER = text("Who asks, for the log.", maxLength=256, examples=["ai-agent"])
CALLER_REF = text("The caller's own reference, for the log.", maxLength=256, examples=["conversation-42"])
EVENT_TYPES = {
    "type": "array",
    "minItems": 1,
    "maxItems": 100,
    "uniqueItems": True,
    "items": text("A type, all types below one (`payment.*`), or all (`*`).", maxLength=200, pattern=PATTERN),
    "description": "Which events are delivered.",
    "examples": [["payment.paid", "shipment.*"]],
}
SUBSCRIPTION_STATUS = {
    "type": "string",
    "enum": list(get_args(SubscriptionStatus)),
    "description": "A disabled one gets nothing; what was pending is dead and can be redelivered later.",
}
DELIVERY_STATUS = {
    "type": "string",
    "enum": list(get_args(DeliveryStatus)),
    "description": "A dead one is not tried any more.",
}
