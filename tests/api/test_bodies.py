"""What a body may be: JSON in UTF-8, of bounded size, of the shape that the document shows."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.api.support import CANARY, HEADERS, SmallEngine, app_over

LIMIT = 256 * 1024
JSON = {"Content-Type": "application/json"}


def _command(connection: str, **more: Any) -> dict[str, Any]:
    return {"connectionId": connection, "actionId": "quote", "input": {}, **more}


async def _pieces(body: bytes, size: int) -> AsyncIterator[bytes]:
    for at in range(0, len(body), size):
        yield body[at : at + size]


def _of_size(connection: str, size: int) -> bytes:
    text = json.dumps(_command(connection)).encode()
    return text + b" " * (size - len(text))


@pytest.mark.parametrize("chunked", [False, True])
@pytest.mark.parametrize(("size", "status"), [(LIMIT, 200), (LIMIT + 1, 413), (3 * LIMIT, 413)])
async def test_the_limit_of_a_body_is_exact_however_it_comes(api, connection, size, status, chunked):
    body = _of_size(connection, size)
    answer = await api.post("/execute", content=_pieces(body, 50_000) if chunked else body, headers=JSON)
    assert answer.status_code == status


class _Sender:
    """Hands a body to the app piece by piece, as a socket does, and keeps what comes back."""

    def __init__(self, pieces: Iterator[dict[str, Any]]) -> None:
        self._pieces = pieces
        self.sent: list[Any] = []

    async def receive(self) -> dict[str, Any]:
        return next(self._pieces)

    async def send(self, message: Any) -> None:
        self.sent.append(message)

    async def post(self, engine: SmallEngine) -> None:
        headers = [(name.lower().encode(), value.encode()) for name, value in {**HEADERS, **JSON}.items()]
        scope = {"type": "http", "method": "POST", "path": "/execute", "headers": headers}
        await app_over(engine)(scope, self.receive, self.send)


async def test_reading_stops_at_the_limit(engine):
    pieces = [{"type": "http.request", "body": b" " * 65_536, "more_body": True} for _ in range(100)]
    left = iter(pieces)
    sender = _Sender(left)
    await sender.post(engine)
    assert sender.sent[0]["status"] == 413
    assert len(list(left)) == 100 - (LIMIT // 65_536 + 1)


async def test_a_caller_that_hangs_up_gets_no_answer_and_runs_nothing(engine):
    sender = _Sender(iter([{"type": "http.request", "body": b"{", "more_body": True}, {"type": "http.disconnect"}]))
    await sender.post(engine)
    assert sender.sent == []
    assert engine.commands == []


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Content-Type": "text/plain"},
        {"Content-Type": "application/x-www-form-urlencoded"},
        {"Content-Type": "application/json; charset=utf-16"},
        {"Content-Type": "application/jsonp"},
        {"Content-Type": "application/problem+json"},
        {**JSON, "Content-Encoding": "gzip"},
    ],
)
async def test_a_body_of_another_type_is_415(api, connection, headers):
    answer = await api.post("/execute", content=json.dumps(_command(connection)).encode(), headers=headers)
    assert answer.status_code == 415
    assert answer.json()["code"] == "UNSUPPORTED_MEDIA_TYPE"


@pytest.mark.parametrize("path", ["/connections/x", "/connections/x/test"])
async def test_an_optional_body_has_its_rules_too(api, path):
    method = "POST" if path.endswith("test") else "DELETE"
    assert (await api.request(method, path, content=b"{}", headers={"Content-Type": "text/plain"})).status_code == 415
    assert (await api.request(method, path, content=b"{", headers=JSON)).status_code == 400
    assert (await api.request(method, path, json={"force": CANARY})).status_code == 400


@pytest.mark.parametrize("kind", ["application/json", "Application/JSON", 'application/json; charset="UTF-8"'])
async def test_a_content_type_may_be_spelt_as_it_likes(api, connection, kind):
    body = json.dumps(_command(connection)).encode()
    assert (await api.post("/execute", content=body, headers={"Content-Type": kind})).status_code == 200


@pytest.mark.parametrize(
    "body",
    [
        b"{",
        b"{'a': 1}",
        b"[1,]",
        b'{"input": NaN}',
        b'{"input": Infinity}',
        b'{"input": 1e999999999}',
        b'{"input": "\\ud800"}',
        b'{"input": "\xff"}',
        b'{"input": 01}',
        b"[" * 100_000,
        b'{"a":' * 40_000 + b"1" + b"}" * 40_000,
        b"9" * 5000,
        b"\x00",
    ],
)
async def test_malformed_json_is_400_without_the_parsers_words(api, body):
    answer = await api.post("/execute", content=body, headers=JSON)
    assert answer.status_code == 400
    assert answer.json()["message"] == "the body is not JSON"


@pytest.mark.parametrize("body", [b"[]", b'"x"', b"1", b"null", b"true", b"{}"])
async def test_json_that_is_not_the_object_wanted_is_400(api, body):
    assert (await api.post("/execute", content=body, headers=JSON)).status_code == 400


async def test_a_missing_body_is_400(api):
    for path in ("/execute", "/connections"):
        answer = await api.post(path)
        assert answer.status_code == 400
        assert answer.json()["data"]["issues"] == [{"message": "is required", "path": []}]


_JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)
_FIELDS = st.sampled_from(
    ["connectionId", "integrationId", "actionId", "input", "callerService", "tenantId", "name", "config", "credentials"]
)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(body=_JSON_VALUES | st.dictionaries(_FIELDS, _JSON_VALUES), path=st.sampled_from(["/execute", "/connections"]))
async def test_no_json_value_brings_the_api_down(api, body, path):
    """Every answer is held against the document by the client; here only that none is a 5xx."""
    answer = await api.post(path, content=json.dumps(body).encode("utf-8", "surrogatepass"), headers=JSON)
    assert answer.status_code in (200, 400, 404)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(body=st.binary(min_size=1, max_size=200))
async def test_no_bytes_bring_the_api_down(api, body):
    assert (await api.post("/connections", content=body, headers=JSON)).status_code == 400
