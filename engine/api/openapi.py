"""The OpenAPI 3.1 document, made of the operations that the router runs and the schemas that the routes check with."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from engine.api.components import COMPONENTS
from engine.api.fields import ref
from engine.api.operations import BRINGS, Operation
from engine.errors import HTTP_STATUS, HttpCode

_TITLE = "Integrations Service"
_DESCRIPTION = """\
Runs actions at third-party accounts that tenants connected.

Every success is a 200. Every failure has the same five keys (`defined`, `code`, `status`, `message`, `data`), which
oRPC clients decode; what goes wrong *in* a call is a 200 with `success: false` instead. Optional fields are absent,
never null. Every answer carries an `X-Request-Id` that finds it in the log.
"""
_JSON = "application/json"
_NOT_AUTHORISED = {
    "WWW-Authenticate": {"schema": {"type": "string"}, "description": "`Bearer`, `AWS4-HMAC-SHA256` or both."}
}
_FAILURE_HEADERS: Mapping[HttpCode, Mapping[str, Any]] = {
    "UNAUTHORIZED": _NOT_AUTHORISED,
    "SERVICE_UNAVAILABLE": {"Retry-After": {"schema": {"type": "integer"}, "description": "Seconds."}},
}
_FAILURES: Mapping[HttpCode, str] = {
    "BAD_REQUEST": "The request is malformed; `data.issues` says what and where.",
    "UNAUTHORIZED": "The service token, or the signature, is missing or wrong.",
    "FORBIDDEN": "The caller may not do this.",
    "NOT_FOUND": "It does not exist, or not for this tenant.",
    "METHOD_NOT_SUPPORTED": "The path does not know this method.",
    "CONFLICT": "It clashes with another request; read again, then retry.",
    "PAYLOAD_TOO_LARGE": "The body is too large.",
    "UNSUPPORTED_MEDIA_TYPE": "The body is not application/json in UTF-8.",
    "TOO_MANY_REQUESTS": "The tenant asks too often.",
    "INTERNAL_SERVER_ERROR": "Something unexpected went wrong; the log knows it by X-Request-Id.",
    "SERVICE_UNAVAILABLE": "The store is not available; nothing was written, unless the message says otherwise.",
}
_REQUEST_ID = {
    "X-Request-Id": {"description": "Finds this exchange in the log.", "schema": {"type": "string"}},
}
_ELSEWHERE = {
    "description": "To the page that was asked for, with `connectionId`, `status` (connected or failed) and `error`.",
    "headers": {"Location": {"schema": {"type": "string"}, "description": "The page."}},
}
_TENANT = {
    "name": "X-Tenant-Id",
    "in": "header",
    "required": True,
    "description": "The tenant that the caller acts for; `.` and `..` are none.",
    "schema": {"type": "string", "pattern": r"^(?!\.{1,2}$)[A-Za-z0-9_.-]{1,128}$", "examples": ["acme"]},
}


def describe(operations: Iterable[Operation], public_url: str) -> dict[str, Any]:
    """The whole document, as JSON values."""
    paths: dict[str, dict[str, Any]] = {}
    for operation in operations:
        paths.setdefault(operation.path, {})[operation.method.lower()] = _operation(operation)
    return {
        "openapi": "3.1.0",
        "info": {"title": _TITLE, "version": "1.0.0", "description": _DESCRIPTION},
        "servers": [{"url": public_url}],
        "security": [{"serviceToken": []}, {"signature": []}],
        "paths": paths,
        "components": {
            "schemas": COMPONENTS,
            "parameters": {"Tenant": _TENANT},
            "responses": {code: _failure(code) for code in _FAILURES},
            "securitySchemes": {
                "serviceToken": {"type": "http", "scheme": "bearer", "description": "A service token."},
                "signature": {
                    "type": "apiKey",
                    "in": "header",
                    "name": "Authorization",
                    "description": "Signature Version 4, service `execute-api`, where the operator chose it.",
                },
            },
        },
    }


def _operation(operation: Operation) -> dict[str, Any]:
    described: dict[str, Any] = {
        "operationId": operation.operation_id,
        "tags": [operation.operation_id.partition(".")[0]],
        "summary": operation.summary,
        "parameters": _parameters(operation),
        "responses": _responses(operation),
    }
    if operation.access == "open" or operation.access in BRINGS:
        described["security"] = []
    if operation.body is not None:
        described["requestBody"] = {
            "required": operation.body.required,
            "content": {_JSON: {"schema": ref(operation.body.name)}},
        }
    return described


def _parameters(operation: Operation) -> list[Any]:
    tenant = [{"$ref": "#/components/parameters/Tenant"}] if operation.access == "tenant" else []
    in_path = [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}
        for name in re.findall(r"\{(\w+)\}", operation.path)
    ]
    in_query = [
        {"name": name, "in": "query", "required": False, "schema": schema}
        for name, schema in operation.query.raw["properties"].items()
    ]
    return [*tenant, *in_path, *in_query, *operation.headers]


def _responses(operation: Operation) -> dict[str, Any]:
    content: dict[str, Any] = {"schema": operation.answer}
    if operation.examples:
        content["examples"] = {name: {"value": value} for name, value in operation.examples.items()}
    success = {
        "description": "Done.",
        "headers": {**_REQUEST_ID, **operation.answer_headers},
        "content": {operation.answer_type: content},
    }
    if operation.access == "provider":
        success["description"] = "What this provider expects; it may have another status."
        return {"200": success, "default": {"description": "The same with another status, or a refusal."}}
    if operation.access == "browser":
        return {"200": success, "303": _ELSEWHERE, "default": {"description": "A page that says what went wrong."}}
    failures = {str(HTTP_STATUS[code]): {"$ref": f"#/components/responses/{code}"} for code in operation.failure_codes}
    return {"200": success, **failures}


def _failure(code: HttpCode) -> dict[str, Any]:
    status = HTTP_STATUS[code]
    data: dict[str, Any] = {"issues": [{"message": "is required", "path": ["name"]}]} if status == 400 else {}
    example = {"defined": False, "code": code, "status": status, "message": _FAILURES[code], "data": data}
    exactly = {"properties": {"code": {"const": code}, "status": {"const": status}}}
    return {
        "description": _FAILURES[code],
        "headers": {**_REQUEST_ID, **_FAILURE_HEADERS.get(code, {})},
        "content": {_JSON: {"schema": {"allOf": [ref("Error"), exactly]}, "example": example}},
    }
