"""What is no HTTP, and heads without end: refused in the shape of all failures, and kept nowhere."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterable
from contextlib import suppress
from http.client import HTTPResponse
from pathlib import Path

import pytest

from tests.e2e.conftest import Place
from tests.e2e.serving import FIVE, Service

GOOD = b"GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n"
MEGABYTE = b"x" * 2**20


def told(service: Service, pieces: Iterable[bytes]) -> HTTPResponse:
    """The answer; who sends more than is wanted is cut off while sending."""
    with socket.create_connection(("127.0.0.1", service.port), 60) as caller:
        with suppress(ConnectionError):
            for piece in pieces:
                caller.sendall(piece)
        reply = HTTPResponse(caller)
        reply.begin()
        reply.read_whole = reply.read()  # type: ignore[attr-defined]
        return reply


@pytest.mark.parametrize(
    "sent",
    [
        b"FOO /healthz HTTP/1.1\r\nhost: x\r\n\r\n",
        b"GET /healthz HTTP/9.0\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\r\n\r\n",
        b"GET /healthz HTTP/1.1\r\nho st: x\r\n\r\n",
        b"GET /healthz HTTP/1.1\r\nx: a\0b\r\n\r\n",
        b"POST /execute HTTP/1.1\r\ncontent-length: many\r\n\r\n",
        b"POST /execute HTTP/1.1\r\ncontent-length: 3\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
        b"POST /execute HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n",
    ],
)
def test_what_can_not_be_read_is_a_400_with_the_five_keys(place: Place, sent: bytes):
    reply = told(place.service, [sent])
    assert reply.status in (400, 401)  # 401: the head could be read, and it has no token
    assert reply.getheader("content-type") == "application/json"
    body = json.loads(reply.read_whole)  # type: ignore[attr-defined]
    assert set(body) == FIVE
    assert body["status"] == reply.status
    assert "Traceback" not in place.service.output


def memory_kb(service: Service) -> int:
    status = Path(f"/proc/{service.process.pid}/status").read_text("utf-8")
    return int(next(line for line in status.splitlines() if line.startswith("VmHWM")).split()[1])


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="reads memory from /proc")
@pytest.mark.parametrize(
    ("first", "more"),
    [
        (b"GET /healthz HTTP/1.1\r\nx: ", MEGABYTE),
        (b"GET /healthz HTTP/1.1\r\n", b"x: y\r\n" * 100_000),
        (b"GET /", MEGABYTE),
        (b"GET /healthz HTTP/1.1\r\n", MEGABYTE),
    ],
    ids=["a header", "headers", "a path", "a name"],
)
def test_a_head_without_end_is_cut_off_before_anybody_has_shown_a_token(place: Place, first: bytes, more: bytes):
    before = memory_kb(place.service)
    with socket.create_connection(("127.0.0.1", place.service.port), 60) as caller, pytest.raises(ConnectionError):
        caller.sendall(first + more * 200)
    assert memory_kb(place.service) - before < 20 * 1024


def test_many_requests_in_one_packet_are_all_answered(place: Place):
    """The head of each is counted alone."""
    with socket.create_connection(("127.0.0.1", place.service.port), 60) as caller:
        caller.sendall(GOOD * 6_000)
        answered = 0
        while answered < 6_000 and (got := caller.recv(2**20)):
            answered += got.count(b'{"status":"ok"}')
    assert answered >= 5_900  # an answer may be split between two reads
