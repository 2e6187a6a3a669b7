"""The shapes of the API: what requests must be and what answers are, as JSON Schema 2020-12.

Requests (`*_BODY`, `*_QUERY`) are compiled here; the routes check with the same objects that the OpenAPI document
shows. Answers are open to fields that later versions add; optional fields are absent, never null.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, get_args

from engine.compiled.schema import Schema
from engine.errors import CODES, HTTP_STATUS
from engine.events.target import LONGEST_URL
from engine.events.wanted import PATTERN
from engine.model import ConnectionStatus, DeliveryStatus, ExecutionStatus, SubscriptionStatus

Shape = Mapping[str, Any]

ULID = "01JTXK3V9QW8Z2M4N6P8R0S2T4"
OTHER_ULID = "01JTXK5A1BCDE2FGH3JKM4NPQR"
NOON = "2026-05-01T03:04:05.123Z"
_CATEGORIES = ("shipping", "payment", "ecommerce", "crm", "calendar", "communication")
_INTEGRATION_STATUSES = ("available", "beta", "deprecated")


def text(description: str, **more: Any) -> Shape:
    return {"type": "string", "description": description, **more}


def ref(name: str) -> Shape:
    return {"$ref": f"#/components/schemas/{name}"}


def listing(name: str, key: str, **more: Shape) -> Shape:
    properties = {key: {"type": "array", "items": ref(name), "description": "Newest first."}, **more}
    return {"type": "object", "required": [key], "properties": properties}


def _moment(description: str) -> Shape:
    return text(f"{description} RFC 3339, UTC.", format="date-time", examples=[NOON])


def _object(description: str, **more: Any) -> Shape:
    return {"type": "object", "description": description, **more}


_ID = text("A ULID.", examples=[ULID])
_INTEGRATION_ID = text("The integration.", minLength=1, examples=["shipping-acme"])
_ACTION_ID = text("The action.", minLength=1, examples=["calculate_fee"])
_STATUS = {"type": "string", "enum": list(get_args(ConnectionStatus)), "description": "Can it be used?"}
_NAME = text("What people call it.", minLength=1, maxLength=200, pattern=r"\S", examples=["Warehouse Hanoi"])
_CONFIG = _object("The fields of configSchema that are not credentials.", examples=[{"shopId": "885"}])
_CREDENTIALS = _object("The writeOnly fields of configSchema. Never returned.", examples=[{"apiKey": "a-secret"}])
_APP = _object("An app of your own at the provider, in place of the operator's. Never returned.")
_CALLER = text("Who asks, for the log.", maxLength=256, examples=["ai-agent"])
_CALLER_REF = text("The caller's own reference, for the log.", maxLength=256, examples=["conversation-42"])

# ---------------------------------------------------------------- requests

CONNECTION_BODY = Schema(
    {
        "type": "object",
        "additionalProperties": False,
        "required": ["integrationId", "name"],
        "properties": {
            "integrationId": _INTEGRATION_ID,
            "name": _NAME,
            "config": _CONFIG,
            "credentials": _CREDENTIALS,
            "app": _APP,
        },
    }
)

CHANGE_BODY = Schema(
    {
        "type": "object",
        "additionalProperties": False,
        "description": "What is absent stays as it is.",
        "properties": {
            "name": _NAME,
            "config": {**_CONFIG, "description": "Replaces the whole config."},
            "credentials": {**_CREDENTIALS, "description": "Merged by key into the stored ones; null removes a key."},
            "app": {**_APP, "description": "Replaces its own app; an empty one leaves it to the operator's again."},
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
                **_INTEGRATION_ID,
                "description": "In place of connectionId where the tenant has one active connection of it.",
            },
            "actionId": _ACTION_ID,
            "input": _object(
                "What the action's inputSchema asks for.", examples=[{"toDistrictId": 1442, "weight": 200}]
            ),
            "callerService": _CALLER,
            "callerRef": _CALLER_REF,
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
_EVENT_TYPES = {
    "type": "array",
    "minItems": 1,
    "maxItems": 100,
    "uniqueItems": True,
    "items": text("A type, all types below one (`payment.*`), or all (`*`).", maxLength=200, pattern=PATTERN),
    "description": "Which events are delivered.",
    "examples": [["payment.paid", "shipment.*"]],
}
_SUBSCRIPTION_STATUS = {
    "type": "string",
    "enum": list(get_args(SubscriptionStatus)),
    "description": "A disabled one gets nothing; what was pending is dead and can be redelivered later.",
}

SUBSCRIPTION_BODY = Schema(
    {
        "type": "object",
        "additionalProperties": False,
        "required": ["url", "eventTypes"],
        "properties": {"url": _URL, "eventTypes": _EVENT_TYPES},
    }
)

SUBSCRIPTION_CHANGE_BODY = Schema(
    {
        "type": "object",
        "additionalProperties": False,
        "description": "What is absent stays as it is.",
        "properties": {"url": _URL, "eventTypes": _EVENT_TYPES, "status": _SUBSCRIPTION_STATUS},
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
    category={"type": "string", "enum": list(_CATEGORIES), "description": "Only this category."},
    status={"type": "string", "enum": list(_INTEGRATION_STATUSES), "description": "Only this status."},
)
CONNECTIONS_QUERY = _query(
    integrationId={**_INTEGRATION_ID, "description": "Only connections of this integration."},
    status={**_STATUS, "description": "Only this status."},
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

_DELIVERY_STATUS = {
    "type": "string",
    "enum": list(get_args(DeliveryStatus)),
    "description": "A dead one is not tried any more.",
}
DELIVERIES_QUERY = _query(
    subscriptionId=text("Only deliveries of this subscription.", minLength=1),
    status=_DELIVERY_STATUS,
    eventId=text("Only deliveries of this event.", minLength=1),
    limit={"type": "integer", "minimum": 1, "maximum": 200, "default": 50, "description": "Deliveries of one page."},
    cursor=text("nextCursor of the page before.", minLength=1, maxLength=1024),
)

# ---------------------------------------------------------------- answers

_SUMMARY: dict[str, Shape] = {
    "integrationId": _INTEGRATION_ID,
    "category": {"type": "string", "enum": list(_CATEGORIES)},
    "name": text("Its name.", examples=["Acme Express"]),
    "description": text("What it is for."),
    "provider": text("The company behind it.", examples=["Acme Logistics"]),
    "version": text("Version of the integration.", examples=["1.0.0"]),
    "status": {"type": "string", "enum": list(_INTEGRATION_STATUSES)},
    "logoUrl": text("Its logo, an SVG; needs no token.", format="uri-reference"),
    "docsUrl": text("The provider's documentation.", format="uri"),
    "authType": {"type": "string", "enum": ["api_key", "oauth2", "basic", "custom"]},
    "authMethods": {"type": "array", "items": {"type": "string"}, "description": "Ways to log in, best first."},
}
_SUMMARY_REQUIRED = ["integrationId", "category", "name", "provider", "version", "status", "authType", "authMethods"]
_SCHEMA = _object("A JSON Schema 2020-12.", examples=[{"type": "object", "properties": {}}])

_PROBLEM_OF_CALL = {
    "type": "object",
    "required": ["code", "message", "retryable"],
    "properties": {
        "code": {"type": "string", "enum": list(CODES)},
        "message": text("For people; holds no secret."),
        "retryable": {"type": "boolean", "description": "May the caller simply try again?"},
        "retryAfterMs": {"type": "integer", "minimum": 0, "description": "Not before that many milliseconds."},
        "providerCode": text("The provider's own code."),
        "details": _object("What else is known."),
    },
}

_ISSUES = {
    "type": "array",
    "items": {
        "type": "object",
        "required": ["message", "path"],
        "properties": {
            "message": text("What is wrong; never repeats what was sent."),
            "path": {"type": "array", "items": {"type": ["string", "integer"]}, "examples": [["input", "weight"]]},
        },
    },
}

COMPONENTS: Mapping[str, Shape] = {
    "NewConnection": CONNECTION_BODY.raw,
    "ConnectionChange": CHANGE_BODY.raw,
    "ExecuteRequest": EXECUTE_BODY.raw,
    "Authorize": AUTHORIZE_BODY.raw,
    "Empty": EMPTY_BODY.raw,
    "NewSubscription": SUBSCRIPTION_BODY.raw,
    "SubscriptionChange": SUBSCRIPTION_CHANGE_BODY.raw,
    "Rotation": ROTATE_BODY.raw,
    "IntegrationSummary": {"type": "object", "required": _SUMMARY_REQUIRED, "properties": _SUMMARY},
    "Integration": {
        "type": "object",
        "required": [*_SUMMARY_REQUIRED, "configSchema", "actions"],
        "properties": {
            **_SUMMARY,
            "configSchema": {**_SCHEMA, "description": "The form of a connection: config and credentials together."},
            "appSchema": {**_SCHEMA, "description": "The form of an app of your own, where there may be one."},
            "webhookUrl": text(
                "The one address that the provider's app tells of all accounts, where it has one.", format="uri"
            ),
            "actions": {"type": "array", "items": ref("Action")},
        },
    },
    "Action": {
        "type": "object",
        "required": ["actionId", "name", "description", "category", "deprecated", "inputSchema", "outputSchema"],
        "properties": {
            "actionId": _ACTION_ID,
            "name": text("Its name."),
            "description": text("What it does."),
            "category": {"type": "string", "enum": ["read", "write", "action"]},
            "deprecated": {"type": "boolean", "description": "Still runs, but should not be used any more."},
            "rateLimit": {"type": "integer", "minimum": 1, "description": "Calls per minute and connection."},
            "inputSchema": _SCHEMA,
            "outputSchema": _SCHEMA,
        },
    },
    "Connection": {
        "type": "object",
        "required": [
            "tenantId",
            "connectionId",
            "integrationId",
            "name",
            "config",
            "credentialsRef",
            "status",
            "createdAt",
            "updatedAt",
        ],
        "properties": {
            "tenantId": text("Whose it is."),
            "connectionId": _ID,
            "integrationId": _INTEGRATION_ID,
            "name": _NAME,
            "config": _CONFIG,
            "credentialsRef": text("Where the credentials are kept.", examples=[f"/integrations/acme/{ULID}"]),
            "status": _STATUS,
            "lastTestedAt": _moment("When it was last tested."),
            "lastErrorAt": _moment("When its credentials last failed."),
            "lastError": text("Why they failed; holds no secret."),
            "createdAt": _moment("When it was made."),
            "updatedAt": _moment("When it was last changed."),
        },
    },
    "Invitation": {
        "type": "object",
        "required": ["authorizationUrl", "expiresAt"],
        "properties": {
            "authorizationUrl": text("The provider's page, for the browser of who consents.", format="uri"),
            "expiresAt": _moment("Until when it is good for one consent."),
        },
    },
    "TestResult": {
        "type": "object",
        "required": ["success", "message", "testedAt"],
        "properties": {
            "success": {"type": "boolean"},
            "message": text("What was proved, or what to repair."),
            "testedAt": _moment("When."),
        },
    },
    "ExecuteResult": {
        "type": "object",
        "required": ["success", "executionId", "latencyMs"],
        "properties": {
            "success": {"type": "boolean"},
            "executionId": _ID,
            "data": {"description": "What the action's outputSchema promises; only on success."},
            "error": _PROBLEM_OF_CALL,
            "latencyMs": {"type": "integer", "minimum": 0},
        },
    },
    "Execution": {
        "type": "object",
        "required": ["executionId", "tenantId", "actionId", "input", "status", "attempts", "latencyMs", "createdAt"],
        "properties": {
            "executionId": _ID,
            "tenantId": text("Whose call it was."),
            "connectionId": _ID,
            "integrationId": _INTEGRATION_ID,
            "actionId": _ACTION_ID,
            "input": {"description": "What was given, redacted."},
            "output": {"description": "What came back, redacted."},
            "status": {"type": "string", "enum": list(get_args(ExecutionStatus))},
            "errorCode": {"type": "string", "enum": list(CODES)},
            "errorMessage": text("What went wrong; holds no secret."),
            "errorDetails": _object("What else is known of it, redacted."),
            "providerCode": text("The provider's own code."),
            "httpStatus": {
                "type": "integer",
                "description": "Of the provider's last answer; absent where the last request got none.",
            },
            "attempts": {
                "type": "integer",
                "minimum": 0,
                "description": "Requests to the provider, those of a login too; 0 = nothing was sent.",
            },
            "latencyMs": {"type": "integer", "minimum": 0},
            "callerService": _CALLER,
            "callerRef": _CALLER_REF,
            "createdAt": _moment("When the call came in."),
        },
    },
    "Event": {
        "type": "object",
        "required": ["eventId", "tenantId", "connectionId", "integrationId", "type", "data", "receivedAt"],
        "properties": {
            "eventId": text("A ULID; the same for the same event, however often it was told.", examples=[ULID]),
            "tenantId": text("Whose it is."),
            "connectionId": _ID,
            "integrationId": _INTEGRATION_ID,
            "type": text("What happened.", examples=["shipment.updated"]),
            "data": _object("What the integration makes of the message; may hold personal data."),
            "receivedAt": _moment("When the provider told it first."),
        },
    },
    "Subscription": {
        "type": "object",
        "required": ["tenantId", "subscriptionId", "url", "eventTypes", "status", "createdAt", "updatedAt"],
        "properties": {
            "tenantId": text("Whose it is."),
            "subscriptionId": _ID,
            "url": text("Where events are POSTed.", format="uri"),
            "eventTypes": _EVENT_TYPES,
            "status": _SUBSCRIPTION_STATUS,
            "reason": text("Why it is disabled."),
            "failingSince": _moment("Since when nothing gets through; absent where all is well."),
            "secret": text("What the subscriber verifies with (Standard Webhooks). Shown when it is made, only then."),
            "createdAt": _moment("When it was made."),
            "updatedAt": _moment("When it was last changed."),
        },
    },
    "Delivery": {
        "type": "object",
        "required": [
            "tenantId",
            "deliveryId",
            "subscriptionId",
            "eventId",
            "eventType",
            "connectionId",
            "status",
            "attempts",
            "createdAt",
        ],
        "properties": {
            "tenantId": text("Whose it is."),
            "deliveryId": _ID,
            "subscriptionId": _ID,
            "eventId": text("The event; `webhook-id` of the message.", examples=[ULID]),
            "eventType": text("What happened.", examples=["shipment.updated"]),
            "connectionId": _ID,
            "status": _DELIVERY_STATUS,
            "attempts": {
                "type": "integer",
                "minimum": 0,
                "description": "How often it was tried since it was last put in.",
            },
            "nextAttemptAt": _moment("Not before then; absent where it is not pending."),
            "lastAttemptAt": _moment("When it was last tried."),
            "httpStatus": {"type": "integer", "description": "Of the subscriber's last answer, if one came."},
            "error": text("Why the last attempt failed, or why there is none any more."),
            "createdAt": _moment("When the event came."),
        },
    },
    "WebhookEndpoint": {
        "type": "object",
        "description": "What the provider must be told. It is shown once: asked again, new secrets are made.",
        "required": ["url"],
        "properties": {
            "url": text("Where the provider sends to. Keep it secret: it may end in a key.", format="uri"),
            "token": text("What the provider must send along, where the integration compares one."),
            "secret": text("What the provider signs with, where the integration checks that."),
            "expiresAt": _moment("The provider was told, until then; it is told again before."),
        },
    },
    "Status": {
        "type": "object",
        "required": ["store", "integrations"],
        "properties": {
            "store": {"type": "string", "enum": ["ok", "unavailable"], "description": "As `/readyz` judges it."},
            "integrations": {"type": "integer", "minimum": 0, "description": "How many are in the catalogue."},
            "sandbox": {"const": True, "description": "Calls go to the provider sandbox; absent where they do not."},
            "openCircuits": {"type": "array", "items": ref("OpenCircuit"), "description": "Absent without a store."},
            "waitingConnections": {
                "type": "integer",
                "minimum": 0,
                "description": "Connections that a provider asked to wait (429). Absent without a store.",
            },
        },
    },
    "OpenCircuit": {
        "type": "object",
        "description": "A host that is not called for a while, because calls failed several times in a row.",
        "required": ["integrationId", "host", "since", "retryInMs"],
        "properties": {
            "integrationId": _INTEGRATION_ID,
            "host": text("The host that failed.", examples=["api.example.com"]),
            "since": _moment("When a call last failed there."),
            "retryInMs": {"type": "integer", "minimum": 0, "description": "0 = the next call finds out."},
        },
    },
    "Error": {
        "type": "object",
        "additionalProperties": False,
        "required": ["defined", "code", "status", "message", "data"],
        "properties": {
            "defined": {"const": False},
            "code": {"type": "string", "enum": list(HTTP_STATUS)},
            "status": {"type": "integer", "enum": list(HTTP_STATUS.values())},
            "message": text("For people; never repeats what was sent."),
            "data": _object("`issues` on a 400.", properties={"issues": _ISSUES}),
        },
    },
}
