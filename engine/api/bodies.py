"""What requests of the API must be, as JSON Schema 2020-12.

The routes check with the same objects that the OpenAPI document shows.
"""

from __future__ import annotations

from typing import get_args

from engine.api.fields import (
    ACTION_ID,
    APP,
    CALLER,
    CALLER_REF,
    CATEGORIES,
    CONFIG,
    CONNECTION_STATUS,
    CREDENTIALS,
    DELIVERY_STATUS,
    EVENT_TYPES,
    INTEGRATION_ID,
    INTEGRATION_STATUSES,
    NAME,
    SUBSCRIPTION_STATUS,
    ULID,
    Shape,
    an_object,
    text,
)
from engine.compiled.schema import Schema
from engine.events.target import LONGEST_URL
from engine.model import ExecutionStatus

CONNECTION_BODY = Schema(
    {
        "type": "object",
        "additionalProperties": False,
        "required": ["integrationId", "name"],
        "properties": {
            "integrationId": INTEGRATION_ID,
            "name": NAME,
            "config": CONFIG,
            "credentials": CREDENTIALS,
            "app": APP,
        },
    }
)

CHANGE_BODY = Schema(
    {
        "type": "object",
        "additionalProperties": False,
        "description": "What is absent stays as it is.",
        "properties": {
            "name": NAME,
            "config": {**CONFIG, "description": "Replaces the whole config."},
            "credentials": {**CREDENTIALS, "description": "Merged by key into the stored ones; null removes a key."},
            "app": {**APP, "description": "Replaces its own app; an empty one leaves it to the operator's again."},
            "status": {"type": "string", "enum": ["active", "inactive"], "description": "Switch it on or off."},
        },
    }
)

_PAGE = text("Where the browser goes afterwards: a page that the operator allows.", minLength=1, maxLength=2048)
AUTHORIZE_BODY = Schema({"type": "object", "additionalProperties": False, "properties": {"redirectUrl": _PAGE}})

EMPTY_BODY = Schema({"type": "object", "additionalProperties": False, "properties": {}})

EXECUTE_BODY = Schema(
    {
        "type": "object",
        "additionalProperties": False,
        "required": ["actionId", "input"],
        "properties": {
            "connectionId": text("The connection to use.", minLength=1, examples=[ULID]),
            "integrationId": {
                **INTEGRATION_ID,
                "description": "In place of connectionId where the tenant has one active connection of it.",
            },
            "actionId": ACTION_ID,
            "input": an_object(
                "What the action's inputSchema asks for.", examples=[{"toDistrictId": 1442, "weight": 200}]
            ),
            "callerService": CALLER,
            "callerRef": CALLER_REF,
            "tenantId": text("May repeat the X-Tenant-Id header, nothing else."),
        },
        "if": {"required": ["integrationId"]},
        "then": {"properties": {"connectionId": False}},
        "else": {"required": ["connectionId"]},
    }
)

_URL = text(
    "Where events are POSTed: https, at a host of the public internet.",
    minLength=1,
    maxLength=LONGEST_URL,
    examples=["https://example.com/hooks/integrations"],
)
SUBSCRIPTION_BODY = Schema(
    {
        "type": "object",
        "additionalProperties": False,
        "required": ["url", "eventTypes"],
        "properties": {"url": _URL, "eventTypes": EVENT_TYPES},
    }
)

SUBSCRIPTION_CHANGE_BODY = Schema(
    {
        "type": "object",
        "additionalProperties": False,
        "description": "What is absent stays as it is.",
        "properties": {"url": _URL, "eventTypes": EVENT_TYPES, "status": SUBSCRIPTION_STATUS},
    }
)

ROTATE_BODY = Schema(
    {
        "type": "object",
        "additionalProperties": False,
        "properties": {
            "overlapSeconds": {
                "type": "integer",
                "minimum": 0,
                "maximum": 604800,
                "default": 86400,
                "description": "So long the secret of before signs along. 0: it is known to others.",
            }
        },
    }
)


def _query(**properties: Shape) -> Schema:
    return Schema({"type": "object", "additionalProperties": False, "properties": properties})


NO_QUERY = _query()
CATALOG_QUERY = _query(
    category={"type": "string", "enum": list(CATEGORIES), "description": "Only this category."},
    status={"type": "string", "enum": list(INTEGRATION_STATUSES), "description": "Only this status."},
)
CONNECTIONS_QUERY = _query(
    integrationId={**INTEGRATION_ID, "description": "Only connections of this integration."},
    status={**CONNECTION_STATUS, "description": "Only this status."},
)
EXECUTIONS_QUERY = _query(
    connectionId=text("Only calls of this connection.", minLength=1),
    integrationId=text("Only calls of this integration.", minLength=1),
    status={"type": "string", "enum": list(get_args(ExecutionStatus)), "description": "Only this outcome."},
    startDate=text("From this RFC 3339 date (midnight UTC) or date-time on.", examples=["2026-05-01"]),
    endDate=text("Before this RFC 3339 date (midnight UTC) or date-time.", examples=["2026-05-02T00:00:00Z"]),
    limit={"type": "integer", "minimum": 1, "maximum": 200, "default": 50, "description": "Rows of one page."},
    cursor=text("nextCursor of the page before.", minLength=1, maxLength=1024),
)

EVENTS_QUERY = _query(
    connectionId=text("Only events of this connection.", minLength=1),
    type=text("Only events of this type.", minLength=1, examples=["shipment.updated"]),
    limit={"type": "integer", "minimum": 1, "maximum": 200, "default": 50, "description": "Events of one page."},
    cursor=text("nextCursor of the page before.", minLength=1, maxLength=1024),
)

DELIVERIES_QUERY = _query(
    subscriptionId=text("Only deliveries of this subscription.", minLength=1),
    status=DELIVERY_STATUS,
    eventId=text("Only deliveries of this event.", minLength=1),
    limit={"type": "integer", "minimum": 1, "maximum": 200, "default": 50, "description": "Deliveries of one page."},
    cursor=text("nextCursor of the page before.", minLength=1, maxLength=1024),
)
