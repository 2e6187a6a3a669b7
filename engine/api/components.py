"""What the API answers, as JSON Schema 2020-12: the components of its OpenAPI document, requests among them.

Answers are open to fields that later versions add; optional fields are absent, never null.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import get_args

from engine.api.bodies import (
    AUTHORIZE_BODY,
    CHANGE_BODY,
    CONNECTION_BODY,
    EMPTY_BODY,
    EXECUTE_BODY,
    ROTATE_BODY,
    SUBSCRIPTION_BODY,
    SUBSCRIPTION_CHANGE_BODY,
)
from engine.api.fields import (
    ACTION_ID,
    CALLER,
    CALLER_REF,
    CATEGORIES,
    CONFIG,
    CONNECTION_STATUS,
    DELIVERY_STATUS,
    EVENT_TYPES,
    ID,
    INTEGRATION_ID,
    INTEGRATION_STATUSES,
    NAME,
    SUBSCRIPTION_STATUS,
    ULID,
    Shape,
    an_object,
    moment,
    ref,
    text,
)
from engine.errors import CODES, HTTP_STATUS
from engine.model import ExecutionStatus

_SUMMARY: dict[str, Shape] = {
    "integrationId": INTEGRATION_ID,
    "category": {"type": "string", "enum": list(CATEGORIES)},
    "name": text("Its name.", examples=["Acme Express"]),
    "description": text("What it is for."),
    "provider": text("The company behind it.", examples=["Acme Logistics"]),
    "version": text("Version of the integration.", examples=["1.0.0"]),
    "status": {"type": "string", "enum": list(INTEGRATION_STATUSES)},
    "logoUrl": text("Its logo, an SVG; needs no token.", format="uri-reference"),
    "docsUrl": text("The provider's documentation.", format="uri"),
    "authType": {"type": "string", "enum": ["api_key", "oauth2", "basic", "custom"]},
    "authMethods": {"type": "array", "items": {"type": "string"}, "description": "Ways to log in, best first."},
}
_SUMMARY_REQUIRED = ["integrationId", "category", "name", "provider", "version", "status", "authType", "authMethods"]
_SCHEMA = an_object("A JSON Schema 2020-12.", examples=[{"type": "object", "properties": {}}])

_PROBLEM_OF_CALL = {
    "type": "object",
    "required": ["code", "message", "retryable"],
    "properties": {
        "code": {"type": "string", "enum": list(CODES)},
        "message": text("For people; holds no secret."),
        "retryable": {"type": "boolean", "description": "May the caller simply try again?"},
        "retryAfterMs": {"type": "integer", "minimum": 0, "description": "Not before that many milliseconds."},
        "providerCode": text("The provider's own code."),
        "details": an_object("What else is known."),
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
            "actionId": ACTION_ID,
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
            "connectionId": ID,
            "integrationId": INTEGRATION_ID,
            "name": NAME,
            "config": CONFIG,
            "credentialsRef": text("Where the credentials are kept.", examples=[f"/integrations/acme/{ULID}"]),
            "status": CONNECTION_STATUS,
            "lastTestedAt": moment("When it was last tested."),
            "lastErrorAt": moment("When its credentials last failed."),
            "lastError": text("Why they failed; holds no secret."),
            "createdAt": moment("When it was made."),
            "updatedAt": moment("When it was last changed."),
        },
    },
    "Invitation": {
        "type": "object",
        "required": ["authorizationUrl", "expiresAt"],
        "properties": {
            "authorizationUrl": text("The provider's page, for the browser of who consents.", format="uri"),
            "expiresAt": moment("Until when it is good for one consent."),
        },
    },
    "TestResult": {
        "type": "object",
        "required": ["success", "message", "testedAt"],
        "properties": {
            "success": {"type": "boolean"},
            "message": text("What was proved, or what to repair."),
            "testedAt": moment("When."),
        },
    },
    "ExecuteResult": {
        "type": "object",
        "required": ["success", "executionId", "latencyMs"],
        "properties": {
            "success": {"type": "boolean"},
            "executionId": ID,
            "data": {"description": "What the action's outputSchema promises; only on success."},
            "error": _PROBLEM_OF_CALL,
            "latencyMs": {"type": "integer", "minimum": 0},
        },
    },
    "Execution": {
        "type": "object",
        "required": ["executionId", "tenantId", "actionId", "input", "status", "attempts", "latencyMs", "createdAt"],
        "properties": {
            "executionId": ID,
            "tenantId": text("Whose call it was."),
            "connectionId": ID,
            "integrationId": INTEGRATION_ID,
            "actionId": ACTION_ID,
            "input": {"description": "What was given, redacted."},
            "output": {"description": "What came back, redacted."},
            "status": {"type": "string", "enum": list(get_args(ExecutionStatus))},
            "errorCode": {"type": "string", "enum": list(CODES)},
            "errorMessage": text("What went wrong; holds no secret."),
            "errorDetails": an_object("What else is known of it, redacted."),
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
            "callerService": CALLER,
            "callerRef": CALLER_REF,
            "createdAt": moment("When the call came in."),
        },
    },
    "Event": {
        "type": "object",
        "required": ["eventId", "tenantId", "connectionId", "integrationId", "type", "data", "receivedAt"],
        "properties": {
            "eventId": text("A ULID; the same for the same event, however often it was told.", examples=[ULID]),
            "tenantId": text("Whose it is."),
            "connectionId": ID,
            "integrationId": INTEGRATION_ID,
            "type": text("What happened.", examples=["shipment.updated"]),
            "data": an_object("What the integration makes of the message; may hold personal data."),
            "receivedAt": moment("When the provider told it first."),
        },
    },
    "Subscription": {
        "type": "object",
        "required": ["tenantId", "subscriptionId", "url", "eventTypes", "status", "createdAt", "updatedAt"],
        "properties": {
            "tenantId": text("Whose it is."),
            "subscriptionId": ID,
            "url": text("Where events are POSTed.", format="uri"),
            "eventTypes": EVENT_TYPES,
            "status": SUBSCRIPTION_STATUS,
            "reason": text("Why it is disabled."),
            "failingSince": moment("Since when nothing gets through; absent where all is well."),
            "secret": text("What the subscriber verifies with (Standard Webhooks). Shown when it is made, only then."),
            "createdAt": moment("When it was made."),
            "updatedAt": moment("When it was last changed."),
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
            "deliveryId": ID,
            "subscriptionId": ID,
            "eventId": text("The event; `webhook-id` of the message.", examples=[ULID]),
            "eventType": text("What happened.", examples=["shipment.updated"]),
            "connectionId": ID,
            "status": DELIVERY_STATUS,
            "attempts": {
                "type": "integer",
                "minimum": 0,
                "description": "How often it was tried since it was last put in.",
            },
            "nextAttemptAt": moment("Not before then; absent where it is not pending."),
            "lastAttemptAt": moment("When it was last tried."),
            "httpStatus": {"type": "integer", "description": "Of the subscriber's last answer, if one came."},
            "error": text("Why the last attempt failed, or why there is none any more."),
            "createdAt": moment("When the event came."),
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
            "expiresAt": moment("The provider was told, until then; it is told again before."),
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
            "integrationId": INTEGRATION_ID,
            "host": text("The host that failed.", examples=["api.example.com"]),
            "since": moment("When a call last failed there."),
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
            "data": an_object("`issues` on a 400.", properties={"issues": _ISSUES}),
        },
    },
}
