"""This project's own: HTTP/1.1 on httptools and `asyncio.Protocol`, with all that it promises."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AbstractContextManager, asynccontextmanager

from bench.contestants.job import Call, Chunk, in_flight
from bench.contestants.wire.prepared import BODY, HEADERS, METHOD, PATH, SECONDS, whole
from engine.model import Request
from engine.runtime.transport import HttpTransport

_MAX_BYTES = 5_000_000


@asynccontextmanager
async def _call(origin: str) -> AsyncIterator[Call]:
    transport = HttpTransport(allow_private=True)
    request = Request(METHOD, origin + PATH, tuple(HEADERS.items()), BODY)

    async def call() -> object:
        answer = await transport.send(request, timeout=SECONDS, max_bytes=_MAX_BYTES)
        return whole(answer.status, answer.headers.get("content-type"), answer.body)

    yield call
    await transport.close()


def opened(origin: str, width: int) -> AbstractContextManager[Chunk]:
    return in_flight(_call(origin), width)
