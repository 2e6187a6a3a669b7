"""How answers leave: whole ones in one piece, others bit by bit, none with a header that would end another one."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from engine.cli.serve import server_of
from engine.settings import Settings
from tests.support.ports import free_port

_SECONDS = 20
_PLAIN = (b"content-type", b"text/plain")


async def _app(scope, receive, send):
    if scope["type"] != "http":
        return
    path = scope["path"]
    if path == "/whole":
        headers = [_PLAIN, (b"content-length", b"5")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else b"whole"})
    elif path == "/bits":
        await send({"type": "http.response.start", "status": 200, "headers": [_PLAIN]})
        for bit in (b"bit ", b"by ", b"bit"):
            await send({"type": "http.response.body", "body": bit, "more_body": True})
        await send({"type": "http.response.body"})
    elif path == "/silent":
        await send({"type": "http.response.start", "status": 200, "headers": [_PLAIN]})
        assert (await receive())["type"] == "http.request"
        assert (await receive())["type"] == "http.disconnect"
    elif path == "/empty":
        await send({"type": "http.response.start", "status": 204, "headers": []})
        await send({"type": "http.response.body"})
    else:
        split = [_PLAIN, (b"content-length", b"2"), (b"x-split", b"a\r\nset-cookie: b")]
        await send({"type": "http.response.start", "status": 200, "headers": split})
        await send({"type": "http.response.body", "body": b"no"})


@asynccontextmanager
async def _served() -> AsyncIterator[int]:
    port = free_port()
    server = server_of(_app, Settings(port=port))
    task = asyncio.create_task(server.serve())
    try:
        async with asyncio.timeout(_SECONDS):
            while not server.started:
                assert not task.done()
                await asyncio.sleep(0.01)
        yield port
    finally:
        server.should_exit = True
        await task


async def _told(port: int, *requests: bytes) -> bytes:
    """All that comes back until the service closes; the last request asks it to."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"".join(requests))
    try:
        async with asyncio.timeout(_SECONDS):
            return await reader.read()
    finally:
        writer.close()
        await writer.wait_closed()


def _get(path: str, *, method: str = "GET", last: bool = True) -> bytes:
    close = "connection: close\r\n" if last else ""
    return f"{method} {path} HTTP/1.1\r\nhost: x\r\n{close}\r\n".encode()


async def test_a_whole_answer_carries_its_headers_and_body_and_says_that_the_connection_ends():
    async with _served() as port:
        head, _, body = (await _told(port, _get("/whole"))).partition(b"\r\n\r\n")
    status, *lines = head.split(b"\r\n")
    assert status == b"HTTP/1.1 200 OK"
    assert body == b"whole"
    assert {b"content-type: text/plain", b"content-length: 5", b"connection: close"} <= set(lines)
    assert [line for line in lines if line.startswith(b"date: ")]


async def test_an_answer_to_head_has_the_length_and_no_body():
    async with _served() as port:
        told = await _told(port, _get("/whole", method="HEAD"))
    assert b"content-length: 5\r\n" in told
    assert told.endswith(b"\r\n\r\n")


async def test_an_answer_without_a_body_has_no_length():
    async with _served() as port:
        told = await _told(port, _get("/empty"))
    assert told.startswith(b"HTTP/1.1 204 ")
    assert b"content-length" not in told
    assert told.endswith(b"\r\n\r\n")


async def test_an_answer_in_bits_arrives_chunked():
    async with _served() as port:
        head, _, body = (await _told(port, _get("/bits"))).partition(b"\r\n\r\n")
    assert b"transfer-encoding: chunked" in head
    assert body == b"4\r\nbit \r\n3\r\nby \r\n3\r\nbit\r\n0\r\n\r\n"


async def test_the_head_of_an_answer_in_bits_is_there_before_its_first_bit():
    async with _served() as port, asyncio.timeout(_SECONDS):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(_get("/silent"))
        assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 200 OK")
        writer.close()
        await writer.wait_closed()


async def test_requests_that_come_at_once_are_answered_in_their_order_over_one_connection():
    paths = ("/whole", "/bits", "/empty", "/whole")
    requests = [_get(path, last=number == 3) for number, path in enumerate(paths)]
    async with _served() as port:
        told = await _told(port, *requests)
    assert [told.count(status) for status in (b"HTTP/1.1 200 OK", b"HTTP/1.1 204 ")] == [3, 1]
    assert told.index(b"bit ") < told.index(b"HTTP/1.1 204 ") < told.rindex(b"whole")
    assert told.count(b"connection: close") == 1


async def test_a_header_that_would_begin_another_one_is_not_sent():
    async with _served() as port:
        told = await _told(port, _get("/split"))
    assert told.startswith(b"HTTP/1.1 500 ")
    assert b"set-cookie" not in told


async def test_a_head_without_an_end_is_refused_when_it_is_too_large():
    async with _served() as port, asyncio.timeout(_SECONDS):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        told = asyncio.create_task(reader.read())
        writer.write(b"GET /whole HTTP/1.1\r\n")
        with suppress(ConnectionError):  # it hangs up while we still speak
            for number in range(40):
                await asyncio.sleep(0.01)
                writer.write(b"x-%d: %b\r\n" % (number, b"y" * 2_000))
                await writer.drain()
        assert (await told).startswith(b"HTTP/1.1 400 ")
        writer.close()


async def test_heads_that_come_in_pieces_are_counted_each_for_itself():
    head = _get("/whole", last=False)[:-2] + b"x-long: " + b"y" * 20_000 + b"\r\n\r\n"
    async with _served() as port, asyncio.timeout(_SECONDS):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        for _ in range(5):
            for start in range(0, len(head), 6_000):
                writer.write(head[start : start + 6_000])
                await asyncio.sleep(0.005)
            assert (await reader.readuntil(b"whole")).startswith(b"HTTP/1.1 200 OK")
        writer.close()
        await writer.wait_closed()
