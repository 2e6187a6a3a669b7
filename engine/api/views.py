"""What is stored and compiled, as JSON objects of the API: absent fields are left out, never null."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from engine.catalog import Action, Integration
from engine.events import shape
from engine.library import exact
from engine.model import Answer, Connection, Delivery, Execution, Problem
from engine.runtime.address import app_url

if TYPE_CHECKING:
    from engine.events.endpoint import Endpoint
    from engine.events.subscriptions import Told

View = dict[str, Any]

_AUTH_TYPES = {"api_key": "api_key", "bearer": "api_key", "basic": "basic", "oauth2": "oauth2"}
"""What callers are told of the first method; ways that only the spec can explain are `custom`."""


def moment(epoch: float | None) -> str | None:
    """RFC 3339 in UTC with milliseconds."""
    return None if epoch is None else shape.moment(epoch)


def _given(view: Mapping[str, Any]) -> View:
    return {name: value for name, value in view.items() if value is not None}


def connection(stored: Connection) -> View:
    return _given(
        {
            "tenantId": stored.tenant_id,
            "connectionId": stored.connection_id,
            "integrationId": stored.integration_id,
            "name": stored.name,
            "config": stored.config,
            "credentialsRef": stored.credentials_ref,
            "status": stored.status,
            "lastTestedAt": moment(stored.last_tested_at),
            "lastErrorAt": moment(stored.last_error_at),
            "lastError": stored.last_error,
            "createdAt": moment(stored.created_at),
            "updatedAt": moment(stored.updated_at),
        }
    )


def answer(given: Answer) -> View:
    view: View = {"success": given.success, "executionId": given.execution_id}
    if given.data is not None:
        view["data"] = given.data
    if given.error is not None:
        view["error"] = _problem(given.error)
    view["latencyMs"] = given.latency_ms
    return view


def _problem(error: Problem) -> View:
    return _given(
        {
            "code": error.code,
            "message": error.message,
            "retryable": error.retryable,
            "retryAfterMs": error.retry_after_ms,
            "providerCode": error.provider_code,
            "details": error.details or None,
        }
    )


def execution(row: Execution) -> View:
    return _given(
        {
            "executionId": row.execution_id,
            "tenantId": row.tenant_id,
            "connectionId": row.connection_id,
            "integrationId": row.integration_id,
            "actionId": row.action_id,
            "input": exact.loads(row.input),
            "output": None if row.output is None else exact.loads(row.output),
            "status": row.status,
            "errorCode": row.error_code,
            "errorMessage": row.error_message,
            "errorDetails": None if row.error_details is None else exact.loads(row.error_details),
            "providerCode": row.provider_code,
            "httpStatus": row.http_status,
            "attempts": row.attempts,
            "latencyMs": row.latency_ms,
            "callerService": row.caller_service,
            "callerRef": row.caller_ref,
            "createdAt": moment(row.created_at),
        }
    )


def subscription(told: Told) -> View:
    stored = told.subscription
    return _given(
        {
            "tenantId": stored.tenant_id,
            "subscriptionId": stored.subscription_id,
            "url": told.url,
            "eventTypes": list(stored.event_types),
            "status": stored.status,
            "reason": stored.reason,
            "failingSince": moment(told.failing_since),
            "secret": told.secret,
            "createdAt": moment(stored.created_at),
            "updatedAt": moment(stored.updated_at),
        }
    )


def delivery(stored: Delivery) -> View:
    return _given(
        {
            "tenantId": stored.tenant_id,
            "deliveryId": stored.delivery_id,
            "subscriptionId": stored.subscription_id,
            "eventId": stored.event_id,
            "eventType": stored.event_type,
            "connectionId": stored.connection_id,
            "status": stored.status,
            "attempts": stored.attempts,
            "nextAttemptAt": moment(stored.due_at) if stored.status == "pending" else None,
            "lastAttemptAt": moment(stored.last_attempt_at),
            "httpStatus": stored.http_status,
            "error": stored.error,
            "createdAt": moment(stored.created_at),
        }
    )


def endpoint(made: Endpoint) -> View:
    shown = {"url": made.url, "token": made.token, "secret": made.secret, "expiresAt": moment(made.expires_at)}
    return _given(shown)


def summary(integration: Integration, public_url: str) -> View:
    logo = f"{public_url}/catalog/{integration.integration_id}/logo.svg"
    return _given(
        {
            "integrationId": integration.integration_id,
            "category": integration.category,
            "name": integration.name,
            "description": integration.description or None,
            "provider": integration.provider,
            "version": integration.version,
            "status": integration.status,
            "logoUrl": logo if integration.logo is not None else None,
            "docsUrl": integration.docs_url or None,
            "authType": _AUTH_TYPES.get(integration.auth_type, "custom"),
            "authMethods": list(integration.auth_methods),
        }
    )


def integration_detail(integration: Integration, public_url: str) -> View:
    webhook = integration.webhook
    is_app = webhook is not None and webhook.route is not None
    return _given(
        {
            **summary(integration, public_url),
            "configSchema": integration.config_schema,
            "appSchema": integration.app.json_schema if integration.app is not None else None,
            "webhookUrl": app_url(public_url, integration.integration_id) if is_app else None,
            "actions": [action(one) for one in integration.actions.values()],
        }
    )


def action(one: Action) -> View:
    return _given(
        {
            "actionId": one.action_id,
            "name": one.name,
            "description": one.description,
            "category": one.category,
            "deprecated": one.deprecated,
            "rateLimit": one.rate_limit,
            "inputSchema": one.input_schema.raw,
            "outputSchema": one.output_schema.raw,
        }
    )
