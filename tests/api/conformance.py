"""A transport that holds every answer of the API against its own OpenAPI document."""

from __future__ import annotations

import json
import re
from typing import Any

import httpx
import jsonschema_rs

from engine.api.app import OPERATIONS
from engine.api.openapi import describe

DOCUMENT: dict[str, Any] = json.loads(json.dumps(describe(OPERATIONS, "https://integrations.example.com")))
FIVE_KEYS = {"defined", "code", "status", "message", "data"}


class Checked(httpx.AsyncBaseTransport):
    """Passes requests on; an answer that the document does not describe exactly is an AssertionError."""

    def __init__(self, below: httpx.AsyncBaseTransport) -> None:
        self._below = below

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        response = await self._below.handle_async_request(request)
        await response.aread()
        check(request.method, request.url.path, response)
        return response

    async def aclose(self) -> None:
        await self._below.aclose()


def check(method: str, path: str, response: httpx.Response) -> None:
    assert re.fullmatch("[0-9a-f]{32}", response.headers["x-request-id"])
    assert response.status_code == 204 or method == "HEAD" or _has_its_length(response)
    if method == "HEAD":
        assert response.content == b""
        return
    operation = _operation(method, path)
    if operation is not None and "default" in operation["responses"]:
        return  # what a provider is answered is the spec's to say
    if response.status_code != 200:
        _check_failure(response)
    if operation is None:
        assert response.status_code in (401, 404, 405)
        return
    described = operation["responses"].get(str(response.status_code))
    assert described is not None, f"{method} {path} may not answer {response.status_code}"
    described = _resolved(described)
    (content_type,) = described["content"]
    assert response.headers["content-type"] == content_type
    if content_type == "application/json":
        issues = list(_validator(described["content"][content_type]["schema"]).iter_errors(response.json()))
        assert issues == [], issues


def _has_its_length(response: httpx.Response) -> bool:
    return response.headers["content-length"] == str(len(response.content))


def _check_failure(response: httpx.Response) -> None:
    body = response.json()
    assert set(body) == FIVE_KEYS
    assert body["defined"] is False
    assert body["status"] == response.status_code
    assert response.headers["content-type"] == "application/json"
    if response.status_code == 400:
        assert all(set(issue) == {"message", "path"} for issue in body["data"]["issues"])
    else:
        assert body["data"] == {}


def _operation(method: str, path: str) -> Any:
    for template, methods in DOCUMENT["paths"].items():
        pattern = re.sub(r"\\\{\w+\\\}", "[^/]+", re.escape(template))
        if re.fullmatch(pattern, path) and method.lower() in methods:
            return methods[method.lower()]
    return None


def _resolved(described: Any) -> Any:
    if "$ref" not in described:
        return described
    found: Any = DOCUMENT
    for step in described["$ref"].removeprefix("#/").split("/"):
        found = found[step]
    return found


def _validator(schema: Any) -> Any:
    """The schema as the document has it, but closed: a field that is not described is an error here."""
    components = {name: closed(one) for name, one in DOCUMENT["components"]["schemas"].items()}
    return jsonschema_rs.validator_for(
        {
            "$schema": "https://json-schema.org/draft/2020-12/schema",
            "allOf": [schema if "allOf" in schema else closed(schema)],
            "components": {"schemas": components},
        },
        validate_formats=True,
    )


def closed(schema: Any) -> Any:
    if not isinstance(schema, dict):
        return schema
    result = dict(schema)
    if "properties" in result:
        result["properties"] = {name: closed(sub) for name, sub in result["properties"].items()}
        result.setdefault("additionalProperties", False)
    if "items" in result:
        result["items"] = closed(result["items"])
    return result
