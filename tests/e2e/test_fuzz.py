"""Thousands of requests that nobody would send: each is answered as the OpenAPI document says, never as our failure."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from http.client import HTTPResponse
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import quote_from_bytes, unquote

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from engine.api.app import OPERATIONS
from engine.api.operations import Operation
from tests.api.conformance import check
from tests.e2e.conftest import CREDENTIALS, acme
from tests.e2e.serving import Provider, Service, connect, execute, serving, write_spec
from tests.support.specs import ID

TENANT = "acme"
METHODS = ["GET", "POST", "PATCH", "DELETE", "PUT", "HEAD", "OPTIONS", "TRACE", "PROPFIND", "LOCK", "QUERY"]
NAMES = ["limit", "cursor", "status", "startDate", "endDate", "connectionId", "integrationId", "category", "type", "x"]
NAMES += ["subscriptionId", "eventId"]
DEEP = [b"[" * 100_000, b'{"input":' * 20_000, b"[" * 900 + b"]" * 900, b'{"a":' * 900 + b"1" + b"}" * 900]


Request = tuple[str, bytes, list[tuple[bytes, bytes]], bytes]
"""Method, target, headers and body."""


@dataclass
class Target:
    """The service, ids that exist, and one connection that is kept open."""

    service: Service
    ids: list[bytes]
    requests: st.SearchStrategy[Request] = field(init=False)
    _open: socket.socket | None = None

    def __post_init__(self) -> None:
        self.requests = requests(self)

    def ask(self, method: str, path: bytes, headers: list[tuple[bytes, bytes]], body: bytes) -> HTTPResponse:
        """Again on a new connection where one that was kept has ended: nobody waits for the next request for ever."""
        if self._open is not None:
            with suppress(ConnectionError):
                return self._ask(self._open, method, path, headers, body)
            self.close()
        self._open = socket.create_connection(("127.0.0.1", self.service.port), 60)
        return self._ask(self._open, method, path, headers, body)

    @staticmethod
    def _ask(
        to: socket.socket, method: str, path: bytes, headers: list[tuple[bytes, bytes]], body: bytes
    ) -> HTTPResponse:
        lines = b"".join(name + b": " + value + b"\r\n" for name, value in headers)
        length = b"content-length: %d\r\n" % len(body)
        to.sendall(method.encode() + b" " + path + b" HTTP/1.1\r\nhost: x\r\n" + lines + length + b"\r\n" + body)
        reply = HTTPResponse(to, method=method)
        reply.begin()
        return reply

    def close(self) -> None:
        if self._open is not None:
            self._open.close()
            self._open = None


@pytest.fixture(scope="module")
def target(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Target]:
    folder: Path = tmp_path_factory.mktemp("fuzz")
    specs = write_spec(folder / "specs", acme())
    with Provider() as provider:
        wires = ("--specs", str(specs), "--upstream", f"{ID}={provider.origin}", "--quiet")
        with serving(folder / "data", *wires, INTEGRATIONS_TENANT_LIMIT="1000000") as service:
            with service.client(TENANT) as client:
                connection = connect(client, ID, config={"shop": "17"}, credentials=CREDENTIALS)
                done = execute(client, "quote", connectionId=connection).json()
                made = client.post("/subscriptions", json={"url": "https://example.com/hooks", "eventTypes": ["*"]})
                subscription = made.json()["subscriptionId"]
            ids = [ID, connection, done["executionId"], subscription]
            found = Target(service, [one.encode() for one in ids])
            yield found
            found.close()
            assert "Traceback" not in service.output
            assert "unexpected" not in service.output


T = TypeVar("T")


def mostly(usual: st.SearchStrategy[T], other: st.SearchStrategy[T]) -> st.SearchStrategy[T]:
    return st.integers(0, 11).flatmap(lambda number: other if number == 7 else usual)


TEXTS = st.text(max_size=12) | st.sampled_from(
    ["", "\0", "..", "null", "-1", "9" * 400, "2026-02-30", "' OR 1=1 --", "ế"]
)
JSON_VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.sampled_from([10**400, -(10**30), 2**63, 2**64])
    | st.floats(allow_nan=True)
    | TEXTS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXTS, inner, max_size=4),
    max_leaves=12,
)


def shaped(target: Target) -> st.SearchStrategy[dict[str, Any]]:
    """Almost a body that some operation takes: its own fields, each with its own value or with anything."""
    integration, connection, *_ = (one.decode() for one in target.ids)
    usual: dict[str, Any] = {
        "integrationId": integration,
        "connectionId": connection,
        "actionId": "quote",
        "tenantId": TENANT,
        "name": "Main",
        "status": "active",
        "config": {"shop": "17"},
        "credentials": CREDENTIALS,
        "input": {"weight": 3, "town": "hue"},
        "callerService": "agent",
        "callerRef": "ref-1",
        "url": "https://example.com/hooks",
        "eventTypes": ["*"],
        "overlapSeconds": 60,
    }
    each = {name: st.just(value) | JSON_VALUES for name, value in usual.items()}
    part = st.fixed_dictionaries({}, optional=each)
    subscribing = st.fixed_dictionaries(
        {"url": st.just(usual["url"]) | TEXTS, "eventTypes": st.just(["*"]) | st.lists(TEXTS, max_size=2)},
        optional={"status": st.sampled_from(["active", "disabled", "gone"])},
    )
    mixed = st.tuples(part, st.dictionaries(TEXTS, JSON_VALUES, max_size=2)).map(lambda two: {**two[0], **two[1]})
    return (
        mixed
        | subscribing
        | st.fixed_dictionaries(
            {"connectionId": st.just(connection), "actionId": st.sampled_from(["quote", "book", "pay", "none"])},
            optional={
                "input": JSON_VALUES | st.dictionaries(st.sampled_from(["weight", "order", "town"]), JSON_VALUES)
            },
        )
    )


def bodies(target: Target) -> st.SearchStrategy[bytes]:
    written = shaped(target).map(lambda value: json.dumps(value).encode())
    twice = shaped(target).map(lambda value: json.dumps(value)[:-1].encode() + b', "input": {}, "input": 1}')
    broken = st.tuples(written, st.binary(max_size=6), st.integers(0, 400)).map(
        lambda three: three[0][: three[2]] + three[1] + three[0][three[2] :]
    )
    odd = (
        st.just(b"")
        | st.binary(max_size=60)
        | st.sampled_from(DEEP)
        | JSON_VALUES.map(lambda v: json.dumps(v).encode())
    )
    return mostly(written, odd | twice | broken)


ANYTHING = (TEXTS.map(str.encode) | st.binary(max_size=8)).map(lambda raw: quote_from_bytes(raw, safe="").encode())


def places(target: Target) -> st.SearchStrategy[tuple[str, bytes]]:
    """A method and a path: those of an operation with ids that exist, or others in their place; percent-encoded."""
    names = ("{integrationId}", "{connectionId}", "{executionId}", "{subscriptionId}")
    ids = dict(zip(names, target.ids, strict=True))

    def of(operation: Operation) -> st.SearchStrategy[tuple[str, bytes]]:
        method = mostly(st.just(operation.method), st.sampled_from(METHODS))
        right = [
            ids.get(part, b"quote" if part.startswith("{") else part.encode()) for part in operation.path.split("/")
        ]
        asked = [
            st.sampled_from([known] * 6 + target.ids) | ANYTHING if part.startswith("{") else st.just(known)
            for part, known in zip(operation.path.split("/"), right, strict=True)
        ]
        return st.tuples(method, mostly(st.just(tuple(right)), st.tuples(*asked)).map(b"/".join))

    free = st.lists(st.sampled_from(target.ids) | ANYTHING, max_size=4).map(lambda parts: b"/" + b"/".join(parts))
    executing = [operation for operation in OPERATIONS if operation.path == "/execute"]
    known = st.sampled_from([*OPERATIONS, *executing * 6]).flatmap(of)
    return mostly(known, st.tuples(st.sampled_from(METHODS), free))


QUERIES = st.lists(st.tuples(st.sampled_from(NAMES).map(str.encode) | ANYTHING, ANYTHING), max_size=3).map(
    lambda pairs: b"?" + b"&".join(name + b"=" + value for name, value in pairs) if pairs else b""
)


def headers(target: Target) -> st.SearchStrategy[list[tuple[bytes, bytes]]]:
    value = st.text(st.characters(min_codepoint=32, max_codepoint=255, exclude_characters="\x7f"), max_size=30).map(
        lambda text: text.encode("latin-1")
    )
    right = (b"authorization", b"Bearer " + target.service.token.encode())
    token = mostly(st.just([right]), st.sampled_from([[], [right, right], [(b"authorization", b"Bearer x")]]))
    tenant = mostly(st.just(TENANT.encode()), value).map(lambda v: [(b"x-tenant-id", v)])
    types = [
        b"application/json",
        b"application/json; charset=utf-8",
        b"application/json; charset=latin-1",
        b"text/plain",
        b"",
    ]
    kind = mostly(st.just(types[0]), st.sampled_from(types)).map(lambda v: [(b"content-type", v)])
    key = st.lists(value.map(lambda v: (b"idempotency-key", v)), max_size=1)
    more = st.lists(
        st.tuples(
            st.sampled_from(
                [b"content-encoding", b"accept", b"x-request-id", b"traceparent", b"x-forwarded-for", b"cookie"]
            ),
            value,
        ),
        max_size=2,
    )
    return st.tuples(token, tenant, kind, key, more).map(lambda lists: [pair for one in lists for pair in one])


def requests(target: Target) -> st.SearchStrategy[Request]:
    return st.tuples(places(target), mostly(st.just(b""), QUERIES), headers(target), bodies(target)).map(
        lambda four: (four[0][0], four[0][1] + four[1], four[2], four[3])
    )


def play(target: Target, data: st.DataObject) -> None:
    method, path, given, sent = data.draw(target.requests)
    if method == "DELETE":
        for needed in (target.ids[1], target.ids[3]):  # by the others
            path = path.replace(needed, b"another")
    reply = target.ask(method, path, given, sent)
    body, heads = reply.read(), reply.getheaders()
    if reply.will_close:
        target.close()
    assert reply.status < 500, body
    check(method, unquote(path.partition(b"?")[0].decode()), httpx.Response(reply.status, headers=heads, content=body))


@settings(max_examples=300, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_no_request_is_answered_with_a_failure_of_ours(target: Target, data: st.DataObject):
    play(target, data)


@pytest.mark.slow
@settings(max_examples=10_000, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_none_of_ten_thousand_requests_is_answered_with_a_failure_of_ours(target: Target, data: st.DataObject):
    play(target, data)
