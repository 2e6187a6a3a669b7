"""Whatever a caller gets wrong is told plainly, with the right status, and repeats nothing that was sent."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.e2e.conftest import CREDENTIALS, Place
from tests.e2e.serving import connect, execute, leaks, problem
from tests.support.specs import ID

SENT = "canary-sent-8812-ibex"
JSON = {"content-type": "application/json"}
LIMIT = 256 * 1024


def post(place: Place, path: str, body: Any) -> httpx.Response:
    return place.client.post(path, json=body)


def issues(reply: httpx.Response) -> dict[str, str]:
    """Path with dots → message."""
    found = problem(reply, 400, "BAD_REQUEST")["data"]["issues"]
    return {".".join(map(str, issue["path"])): issue["message"] for issue in found}


@pytest.mark.parametrize(
    "body",
    [
        b'{"name": "' + SENT.encode(),
        b"{'name': 1}",
        b'{"name": NaN}',
        b'{"a": 1} trailing',
        b"\xff\xfe{}",
        b'{"a": "\xc3"}',
        b"[" * 100_000,
        b'{"a":' * 50_000,
        b'"' + b"x" * 100,
        b"\x00",
    ],
)
@pytest.mark.parametrize("path", ["/connections", "/execute"])
def test_a_body_that_is_not_json_is_a_400(place: Place, path: str, body: bytes):
    reply = place.client.post(path, content=body, headers=JSON)
    assert issues(reply) == {"": "is not well-formed JSON in UTF-8"}
    assert SENT not in reply.text


@pytest.mark.parametrize("body", [b"[]", b'"text"', b"1", b"null", b"true"])
def test_a_body_that_is_not_an_object_is_a_400(place: Place, body: bytes):
    for method, path in (
        ("POST", "/execute"),
        ("POST", "/connections"),
        ("PATCH", f"/connections/{place.connection_id}"),
    ):
        reply = place.client.request(method, path, content=body, headers=JSON)
        assert issues(reply) == {"": "must be object"}


@pytest.mark.parametrize(
    ("body", "path", "says"),
    [
        ({"integrationId": ID, "name": 3}, "name", "must be string"),
        ({"integrationId": ID, "name": ""}, "name", "must match the pattern"),
        ({"integrationId": ID, "name": " \t"}, "name", "pattern"),
        ({"integrationId": ID, "name": "x" * 201}, "name", "at most 200"),
        ({"integrationId": [SENT], "name": "x"}, "integrationId", "must be string"),
        ({"integrationId": ID, "name": "x", "config": SENT}, "config", "must be object"),
        ({"integrationId": ID, "name": "x", "credentials": [SENT]}, "credentials", "must be object"),
        ({"integrationId": ID, "name": "x", "credentals": {"apiKey": SENT}}, "credentals", "did you mean credentials"),
        ({"integrationId": ID, "name": "x", "credentials": {"apikey": SENT}}, "credentials.apikey", '"apiKey"'),
        ({"integrationId": ID, "name": "x", "credentials": {"apiKey": [SENT]}}, "credentials.apiKey", "must be string"),
        ({"integrationId": ID, "name": "x", "credentials": {}}, "credentials.apiKey", "is required"),
        ({"integrationId": ID, "name": "x", "config": {"apiKey": SENT}}, "config.apiKey", "send it in credentials"),
        (
            {"integrationId": ID, "name": "x", "config": {"shop": SENT}, "credentials": {"apiKey": SENT}},
            "config.shop",
            "must match the pattern",
        ),
        (
            {"integrationId": ID, "name": "x", "credentials": {"apiKey": f"{SENT}\r\nX-Evil: 1"}},
            "credentials.apiKey",
            "can't be sent in a header",
        ),
        (
            {"integrationId": ID, "name": "x", "credentials": {"apiKey": f"{SENT}ế"}},
            "credentials.apiKey",
            "can't be sent in a header",
        ),
    ],
)
def test_a_wrong_connection_names_the_field_and_stores_nothing(place: Place, body: object, path: str, says: str):
    before = place.client.get("/connections").json()
    reply = post(place, "/connections", body)
    assert says in issues(reply)[path]
    assert leaks(reply.text, SENT) == []
    assert place.client.get("/connections").json() == before


@pytest.mark.parametrize(
    ("body", "path", "says"),
    [
        ({"actionId": "quote"}, "input", "is required"),
        ({"actionId": "quote", "input": [SENT]}, "input", "must be object"),
        ({"actionId": 7, "input": {}}, "actionId", "must be string"),
        ({"actionid": "quote", "input": {}}, "actionid", "did you mean actionId?"),
        ({"actionId": "quote", "input": {}, "callerRef": SENT * 20}, "callerRef", "at most 256"),
        ({"actionId": "quote", "input": {}, "tenantId": "somebody-else"}, "tenantId", "X-Tenant-Id"),
        ({"actionId": "quote", "input": {}, "integrationId": ID}, "connectionId", "not allowed"),
    ],
)
def test_a_wrong_execute_names_the_field_and_is_no_execution(place: Place, body: dict[str, Any], path: str, says: str):
    reply = post(place, "/execute", {"connectionId": place.connection_id, **body})
    assert says in issues(reply)[path]
    assert SENT not in reply.text
    assert place.client.get("/executions").json() == {"executions": []}


def test_execute_needs_a_connection_or_an_integration(place: Place):
    assert issues(execute(place.client, "quote")) == {"connectionId": "is required"}


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"weigth": 5}, "did you mean weight?"),
        ({"weight": SENT}, "weight: must be integer"),
        ({"weight": 0}, "weight: must be at least 1"),
        ({"weight": 1.5}, "weight: must be integer"),
        ({"weight": None}, "weight: must be integer"),
        ({"weight": True}, "weight: must be integer"),
    ],
)
def test_a_wrong_input_is_an_answer_and_a_row_and_nothing_is_sent(place: Place, given: object, says: str):
    place.provider.seen.clear()
    done = execute(place.client, "quote", connectionId=place.connection_id, input=given)
    assert done.status_code == 200
    error = done.json()["error"]
    assert (error["code"], error["retryable"]) == ("INVALID_INPUT", False)
    assert says in error["message"]
    assert SENT not in done.text
    row = place.client.get(f"/executions/{done.json()['executionId']}").json()
    assert (row["status"], row["errorCode"]) == ("error", "INVALID_INPUT")
    assert place.provider.seen == []


def test_an_unknown_action_is_an_answer_with_the_nearest_name(place: Place):
    done = execute(place.client, "qoute", connectionId=place.connection_id).json()
    assert done["error"]["code"] == "ACTION_NOT_FOUND"
    assert "did you mean quote?" in done["error"]["message"]


def _chunks(size: int) -> Iterator[bytes]:
    for _ in range(size // 4096):
        yield b" " * 4096


@pytest.mark.parametrize("path", ["/connections", "/execute"])
def test_a_body_beyond_the_limit_is_a_413_however_it_comes(place: Place, path: str):
    for content in (b" " * (LIMIT + 1), _chunks(2 * LIMIT)):
        problem(place.client.post(path, content=content, headers=JSON), 413, "PAYLOAD_TOO_LARGE")
    padded = b'{"nothing": 1}' + b" " * (LIMIT - 14)
    problem(place.client.post(path, content=padded, headers=JSON), 400, "BAD_REQUEST")
    patched = place.client.patch(f"/connections/{place.connection_id}", content=b" " * (LIMIT + 1), headers=JSON)
    problem(patched, 413, "PAYLOAD_TOO_LARGE")
    assert execute(place.client, "quote", connectionId=place.connection_id).json()["success"] is True


@pytest.mark.parametrize(
    "kind", ["text/plain", "application/x-www-form-urlencoded", "application/json; charset=latin1"]
)
def test_a_body_of_another_type_is_a_415(place: Place, kind: str):
    reply = place.client.post("/execute", content=b'{"a": 1}', headers={"content-type": kind})
    problem(reply, 415, "UNSUPPORTED_MEDIA_TYPE")
    zipped = place.client.post("/execute", content=b"{}", headers={**JSON, "content-encoding": "gzip"})
    problem(zipped, 415, "UNSUPPORTED_MEDIA_TYPE")


def routes(connection_id: str, execution_id: str) -> list[tuple[str, str, Any]]:
    """Every route that takes the id of something that a tenant owns."""
    call = {"connectionId": connection_id, "actionId": "quote", "input": {}}
    return [
        ("GET", f"/connections/{connection_id}", None),
        ("PATCH", f"/connections/{connection_id}", {"name": "mine now"}),
        ("PATCH", f"/connections/{connection_id}", {"credentials": {"apiKey": SENT}}),
        ("POST", f"/connections/{connection_id}/test", None),
        ("DELETE", f"/connections/{connection_id}", None),
        ("POST", "/execute", call),
        ("GET", f"/executions/{execution_id}", None),
    ]


def test_another_tenants_ids_are_as_if_they_did_not_exist(place: Place):
    done = execute(place.client, "quote", connectionId=place.connection_id).json()
    mine = place.client.get(f"/connections/{place.connection_id}").json()
    place.provider.seen.clear()
    nobody = "01JTXK3V9QW8Z2M4N6P8R0S2T4"
    with place.service.client(f"{place.tenant}-other") as other:
        theirs, unknown = routes(place.connection_id, done["executionId"]), routes(nobody, nobody)
        for (method, path, body), (_, same, same_body) in zip(theirs, unknown, strict=True):
            told = problem(other.request(method, path, json=body), 404, "NOT_FOUND")
            assert told == problem(other.request(method, same, json=same_body), 404, "NOT_FOUND"), path
        for path, key in (("/connections", "connections"), ("/executions", "executions")):
            assert other.get(path).json() == {key: []}
        filtered = other.get("/executions", params={"connectionId": place.connection_id}).json()
        assert filtered == {"executions": []}
        problem(execute(other, "quote", integrationId=ID), 404, "NOT_FOUND")
    assert place.client.get(f"/connections/{place.connection_id}").json() == mine
    assert place.provider.seen == []


@pytest.mark.parametrize(
    "strange", ["/../x", "%00", "%2e%2e%2f", "a" * 5000, "' OR 1=1 --", "😀", "01JTXK3V9QW8Z2M4N6P8R0S2T4/"]
)
def test_strange_ids_are_a_404(place: Place, strange: str):
    for path in (f"/connections/{strange}", f"/executions/{strange}", f"/catalog/{strange}"):
        body = problem(place.client.get(path), 404, "NOT_FOUND")
        assert strange not in body["message"]


@pytest.mark.parametrize("tenant", [None, "", ".", "..", "a/b", "a b", "x" * 129, "tenant:other", "ten%00ant", "é"])
def test_a_missing_or_strange_tenant_is_a_400_on_every_route_that_needs_one(place: Place, tenant: str | None):
    paths = [*routes(place.connection_id, "x"), ("GET", "/connections", None), ("GET", "/executions", None)]
    headers = [("Authorization", f"Bearer {place.service.token}")]
    if tenant is not None:
        headers.append(("X-Tenant-Id", tenant))
    with httpx.Client(base_url=place.service.url, trust_env=False, verify=False) as client:
        for method, path, body in paths:
            coded = [(name.encode(), value.encode("latin-1")) for name, value in headers]
            assert "headers.X-Tenant-Id" in issues(client.request(method, path, json=body, headers=coded)), path


def test_a_tenant_given_twice_is_a_400(place: Place):
    headers = [("Authorization", f"Bearer {place.service.token}"), ("X-Tenant-Id", place.tenant), ("X-Tenant-Id", "b")]
    with httpx.Client(base_url=place.service.url, headers=headers, trust_env=False, verify=False) as client:
        assert "headers.X-Tenant-Id" in issues(client.get("/connections"))


@pytest.mark.parametrize("given", [None, "", "Bearer", "Basic abc", f"Bearer {SENT}", f"bearer {SENT} x"])
def test_without_the_token_nothing_else_is_told(place: Place, given: str | None):
    headers = {"X-Tenant-Id": place.tenant} | ({"Authorization": given} if given is not None else {})
    with httpx.Client(base_url=place.service.url, headers=headers, trust_env=False, verify=False) as client:
        for method, path, body in [
            *routes(place.connection_id, "x"),
            ("GET", "/nowhere", None),
            ("PUT", "/execute", 1),
        ]:
            reply = client.request(method, path, json=body)
            problem(reply, 401, "UNAUTHORIZED")
            assert SENT not in reply.text
        too_large = client.post("/execute", content=b" " * (LIMIT + 1), headers=JSON)
        problem(too_large, 401, "UNAUTHORIZED")


def test_unknown_paths_and_methods_have_the_same_shape(place: Place):
    problem(place.client.get("/conections"), 404, "NOT_FOUND")
    reply = place.client.put("/execute", json={})
    problem(reply, 405, "METHOD_NOT_SUPPORTED")
    assert reply.headers["allow"] == "POST"


@pytest.mark.parametrize(
    ("query", "field", "says"),
    [
        ("limit=0", "limit", "at least 1"),
        ("limit=201", "limit", "at most 200"),
        ("limit=ten", "limit", "must be integer"),
        ("limt=1", "limt", "did you mean limit?"),
        ("status=done", "status", "must be one of"),
        ("startDate=yesterday", "startDate", ""),
        ("endDate=2026-02-30", "endDate", ""),
        (f"cursor={SENT}", "cursor", ""),
    ],
)
def test_a_wrong_query_names_the_parameter(place: Place, query: str, field: str, says: str):
    reply = place.client.get(f"/executions?{query}")
    assert says in issues(reply)[field]
    assert SENT not in reply.text


def test_a_cursor_of_another_tenant_is_a_400(place: Place):
    for _ in range(2):
        execute(place.client, "quote", connectionId=place.connection_id)
    cursor = place.client.get("/executions?limit=1").json()["nextCursor"]
    assert len(place.client.get("/executions", params={"limit": 1, "cursor": cursor}).json()["executions"]) == 1
    with place.service.client("another") as other:
        assert "cursor" in issues(other.get("/executions", params={"limit": 1, "cursor": cursor}))


@pytest.mark.parametrize("key", ["", "x" * 256, "schlüssel"])
def test_a_key_that_can_not_be_used_is_a_400_and_nothing_is_sent(place: Place, key: str):
    place.provider.seen.clear()
    body = {"connectionId": place.connection_id, "actionId": "book", "input": {"order": 1}}
    reply = place.client.post("/execute", json=body, headers=[(b"Idempotency-Key", key.encode("latin-1"))])
    assert "headers.Idempotency-Key" in issues(reply)
    assert place.provider.seen == []


def test_a_patch_that_does_not_fit_changes_nothing(place: Place):
    path = f"/connections/{place.connection_id}"
    before = place.client.get(path).json()
    for change, at in (
        ({"credentials": {"apiKey": None}}, "credentials.apiKey"),
        ({"credentials": {"apiKey": SENT, "other": SENT}}, "credentials.other"),
        ({"config": {"shop": SENT}}, "config.shop"),
        ({"config": {"apiKey": SENT}}, "config.apiKey"),
        ({"status": "error"}, "status"),
        ({"credential": {"apiKey": SENT}}, "credential"),
    ):
        reply = place.client.patch(path, json=change)
        assert at in issues(reply)
        assert SENT not in reply.text
    assert place.client.get(path).json() == before
    execute(place.client, "quote", connectionId=place.connection_id)
    assert place.provider.seen[-1].headers["x-api-key"] == CREDENTIALS["apiKey"]


def test_two_connections_of_one_integration_ask_for_the_id(place: Place):
    connect(place.client, ID, "Second", credentials=CREDENTIALS)
    body = problem(execute(place.client, "quote", integrationId=ID), 400, "BAD_REQUEST")
    assert "connectionId" in body["message"]


def test_nothing_that_was_sent_stands_in_the_output_of_the_process(place: Place):
    post(place, "/connections", {"integrationId": ID, "name": "x", "credentials": {"apiKey": [SENT]}})
    place.client.post("/execute", content=b'{"x": "' + SENT.encode(), headers=JSON)
    assert leaks(place.service.output, SENT, CREDENTIALS["apiKey"], place.service.token) == []
