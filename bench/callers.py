"""Callers of a service: each keeps one connection, and sends its next request when the answer to the last one is there.

As little work per call as Python allows (asyncio.Protocol and httptools), so that the service is what takes the time.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from typing import cast

import httptools

TOKEN = "fake-service-token-0000"  # noqa: S105 - a service token of nobody
EXECUTION_ID = "01BX5ZZKBKACTAV9WEVGEMMVRZ"
_SUCCESS = b'"success":true'
_PATIENCE_SECONDS = 120


def request(path: str, headers: Mapping[str, str], body: bytes) -> bytes:
    """A POST as it goes over the wire."""
    lines = [f"POST {path} HTTP/1.1", *(f"{name}: {value}" for name, value in headers.items())]
    lines.append(f"content-length: {len(body)}")
    return "\r\n".join([*lines, "", ""]).encode() + body


class _Caller(asyncio.Protocol):
    """Sends until nothing is `left`, which it shares with the others."""

    def __init__(self, sent: bytes, left: Iterator[int], done: asyncio.Future[None]) -> None:
        self._sent, self._left, self._done = sent, left, done
        self._parser = httptools.HttpResponseParser(self)
        self._body = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's is one in all but name
        self._next()

    def data_received(self, data: bytes) -> None:
        self._parser.feed_data(data)

    def on_body(self, body: bytes) -> None:
        self._body += body

    def on_message_complete(self) -> None:
        status, body, self._body = self._parser.get_status_code(), self._body, b""
        if status == 200 and _SUCCESS in body:
            self._next()
        else:
            self._end(RuntimeError(f"the service answered {status}: {body[:500]!r}"))

    def connection_lost(self, exc: Exception | None) -> None:
        self._end(exc or ConnectionError("the service has closed the connection"))

    def _next(self) -> None:
        if next(self._left, None) is None:
            self._end(None)
        else:
            self._transport.write(self._sent)

    def _end(self, error: Exception | None) -> None:
        if self._done.done():
            return
        if error is None:
            self._done.set_result(None)
        else:
            self._done.set_exception(error)
        self._transport.close()


async def call(port: int, sent: bytes, calls: int, width: int) -> None:
    """So many calls over `width` connections to 127.0.0.1. Raises `RuntimeError` for an answer that is no success."""
    loop = asyncio.get_running_loop()
    left = iter(range(calls))
    ends: list[asyncio.Future[None]] = [loop.create_future() for _ in range(min(width, calls))]
    for end in ends:
        await loop.create_connection(lambda end=end: _Caller(sent, left, end), "127.0.0.1", port)  # type: ignore[misc]
    async with asyncio.timeout(_PATIENCE_SECONDS):
        await asyncio.gather(*ends)
