"""`httpx2.AsyncHTTPTransport` alone: httpx2 without its client."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator
from contextlib import AbstractContextManager, asynccontextmanager

import httpx2

from bench.contestants.job import Call, Chunk, in_flight
from bench.contestants.wire.httpx2_client import LIMITS
from bench.contestants.wire.prepared import BODY, HEADERS, METHOD, PATH, SECONDS, whole

_EXTENSIONS = {"timeout": httpx2.Timeout(SECONDS).as_dict()}


@asynccontextmanager
async def _call(origin: str) -> AsyncIterator[Call]:
    url = httpx2.URL(origin + PATH)
    async with httpx2.AsyncHTTPTransport(verify=ssl.create_default_context(), limits=LIMITS) as transport:

        async def call() -> object:
            request = httpx2.Request(METHOD, url, headers=HEADERS, content=BODY, extensions=_EXTENSIONS)
            answer = await transport.handle_async_request(request)
            return whole(answer.status_code, answer.headers.get("content-type"), await answer.aread())

        yield call


def opened(origin: str, width: int) -> AbstractContextManager[Chunk]:
    return in_flight(_call(origin), width)
