"""The OpenAPI document: valid, complete, and made of what the routes really check."""

from __future__ import annotations

import json
import re
from typing import Any

import jsonschema_rs
import pytest
from openapi_spec_validator import OpenAPIV31SpecValidator

from engine.api import components
from engine.api.app import OPERATIONS
from engine.errors import HTTP_STATUS
from tests.api.conformance import DOCUMENT

FIXED = {
    "catalog.list": "GET /catalog",
    "catalog.get": "GET /catalog/{integrationId}",
    "catalog.getActions": "GET /catalog/{integrationId}/actions",
    "actions.getSchema": "GET /catalog/{integrationId}/actions/{actionId}",
    "connections.create": "POST /connections",
    "connections.list": "GET /connections",
    "connections.get": "GET /connections/{connectionId}",
    "connections.update": "PATCH /connections/{connectionId}",
    "connections.delete": "DELETE /connections/{connectionId}",
    "connections.test": "POST /connections/{connectionId}/test",
    "actions.execute": "POST /execute",
    "executions.list": "GET /executions",
    "executions.get": "GET /executions/{executionId}",
}


def _described() -> list[tuple[str, str, Any]]:
    return [
        (method.upper(), path, operation)
        for path, methods in DOCUMENT["paths"].items()
        for method, operation in methods.items()
    ]


async def test_the_document_is_served_to_whoever_has_the_token(api):
    answer = await api.get("/openapi.json", headers={"X-Tenant-Id": ""})
    assert answer.json() == {**DOCUMENT, "servers": [{"url": "https://integrations.example.com"}]}


def test_it_is_valid_openapi_3_1():
    assert DOCUMENT["openapi"].startswith("3.1")
    assert list(OpenAPIV31SpecValidator(DOCUMENT).iter_errors()) == []


def test_the_fixed_operations_have_their_ids_and_paths():
    found = {operation["operationId"]: f"{method} {path}" for method, path, operation in _described()}
    assert {name: found.get(name) for name in FIXED} == FIXED
    assert len(found) == len(_described()) == len(OPERATIONS)


def test_every_route_is_described_and_every_description_routed():
    assert {(one.method, one.path) for one in OPERATIONS} == {(method, path) for method, path, _ in _described()}


async def test_every_described_operation_answers(api, connection):
    """None is a 404 of an unknown path or a 405: the router knows all that the document promises."""
    for method, path, _ in _described():
        answer = await api.request(method, re.sub(r"\{\w+\}", "x", path))
        assert "no such path; GET /openapi.json lists them all" not in answer.text
        assert answer.status_code != 405


def test_the_routes_check_with_the_objects_that_the_document_shows():
    for operation in OPERATIONS:
        if operation.body is not None:
            assert components.COMPONENTS[operation.body.name] is operation.body.schema.raw


def test_the_error_shape_lists_every_code_and_status():
    error = DOCUMENT["components"]["schemas"]["Error"]["properties"]
    assert error["code"]["enum"] == list(HTTP_STATUS)
    assert set(DOCUMENT["components"]["responses"]) == set(HTTP_STATUS)


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda one: one.operation_id)
def test_examples_are_valid_and_every_json_answer_has_one(operation):
    described = DOCUMENT["paths"][operation.path][operation.method.lower()]
    (content,) = described["responses"]["200"]["content"].values()
    schema = {**content["schema"], "components": DOCUMENT["components"]}
    validator = jsonschema_rs.Draft202012Validator(schema, validate_formats=True)
    examples = [example["value"] for example in content.get("examples", {}).values()]
    assert [list(validator.iter_errors(example)) for example in examples] == [[] for _ in examples]
    assert examples or operation.access == "provider" or operation.operation_id in ("catalog.getLogo", "openapi.get")


def test_examples_of_failures_are_valid():
    for described in DOCUMENT["components"]["responses"].values():
        content = described["content"]["application/json"]
        schema = {**content["schema"], "components": DOCUMENT["components"]}
        jsonschema_rs.Draft202012Validator(schema).validate(content["example"])


def test_every_reference_leads_somewhere():
    for reference in set(re.findall(r'"#/([^"]+)"', json.dumps(DOCUMENT))):
        found: Any = DOCUMENT
        for step in reference.split("/"):
            found = found[step]
        assert found


def test_only_open_operations_go_without_the_token():
    opened = {(op["operationId"], path) for _, path, op in _described() if op.get("security") == []}
    assert {name for name, path in opened if not path.startswith("/webhooks/")} == {
        "health.live",
        "health.ready",
        "catalog.getLogo",
        "oauth.callback",
        "oauth.callbackPosted",
    }
    assert DOCUMENT["security"] == [{"serviceToken": []}, {"signature": []}]
