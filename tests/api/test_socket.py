"""The API as callers meet it: over a socket, with bodies that come late, long or not at all."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from urllib.parse import urlsplit

import httpx
import pytest

from tests.api.conformance import check
from tests.api.serving import serving
from tests.api.support import HEADERS, TOKEN

_SECONDS = 20


@pytest.fixture(scope="module")
def url(tmp_path_factory) -> Iterator[str]:
    with serving(tmp_path_factory.mktemp("api")) as base:
        yield base


@pytest.fixture
def client(url) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=url, headers=HEADERS, trust_env=False, timeout=_SECONDS) as opened:
        yield opened


def _exchange(url: str, head: str, *pieces: bytes) -> tuple[str, dict[str, str], bytes]:
    """Send a request by hand; status line, headers and body of the answer."""
    parts = urlsplit(url)
    with socket.create_connection((parts.hostname or "", parts.port or 0), timeout=_SECONDS) as sock:
        sock.sendall((head + "\r\n\r\n").encode())
        for piece in pieces:
            sock.sendall(piece)
        received = b""
        while b"\r\n\r\n" not in received:
            received += sock.recv(65_536)
        top, _, body = received.partition(b"\r\n\r\n")
        status, *lines = top.decode().split("\r\n")
        headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
        while len(body) < int(headers["content-length"]):
            body += sock.recv(65_536)
    return status, headers, body


def test_a_life_of_a_connection_over_one_socket(client):
    made = client.post(
        "/connections",
        json={
            "integrationId": "acme-parcels",
            "name": "Main",
            "config": {"shopId": "1"},
            "credentials": {"apiKey": "good-key"},
        },
    )
    path = f"/connections/{made.json()['connectionId']}"
    body = {"connectionId": made.json()["connectionId"], "actionId": "quote", "input": {"weight": 1}}
    for method, target, given in [
        ("POST", f"{path}/test", None),
        ("POST", "/execute", body),
        ("GET", "/executions", None),
        ("GET", path, None),
        ("HEAD", path, None),
        ("DELETE", path, None),
    ]:
        answer = client.request(method, target, json=given)
        assert answer.status_code == 200
        check(method, target, answer)


def test_an_oversize_chunked_body_is_413_and_the_answer_arrives(client):
    pieces = (b" " * 10_000 for _ in range(60))
    answer = client.post("/execute", content=pieces, headers={"Content-Type": "application/json"})
    assert answer.status_code == 413
    check("POST", "/execute", answer)


def test_an_announced_oversize_body_is_413_before_it_is_sent(url):
    head = (
        f"POST /execute HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {TOKEN}\r\nX-Tenant-Id: acme\r\n"
        "Content-Type: application/json\r\nContent-Length: 99999999"
    )
    status, _, body = _exchange(url, head)
    assert status.startswith("HTTP/1.1 413")
    assert json.loads(body)["code"] == "PAYLOAD_TOO_LARGE"


def test_a_stranger_is_401_before_the_body_is_sent(url):
    """`Expect: 100-continue` would be answered as soon as somebody reads the body."""
    head = (
        "POST /execute HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
        "Content-Length: 1000\r\nExpect: 100-continue"
    )
    status, headers, body = _exchange(url, head)
    assert status.startswith("HTTP/1.1 401")
    assert headers["www-authenticate"] == "Bearer"
    assert json.loads(body)["defined"] is False


def test_an_empty_chunked_body_is_no_body(url):
    head = (
        f"POST /connections/x/test HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {TOKEN}\r\nX-Tenant-Id: acme\r\n"
        "Transfer-Encoding: chunked"
    )
    status, _, _ = _exchange(url, head, b"0\r\n\r\n")
    assert status.startswith("HTTP/1.1 404")


def test_a_body_in_many_small_pieces_is_one_body(client):
    text = json.dumps({"connectionId": "none", "actionId": "quote", "input": {}}).encode()
    pieces = (text[at : at + 1] for at in range(len(text)))
    answer = client.post("/execute", content=pieces, headers={"Content-Type": "application/json"})
    assert answer.status_code == 404
    assert answer.json()["message"] == "no such connection"
