"""httpx-aiohttp's transport alone: httpx's interface over aiohttp."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator
from contextlib import AbstractContextManager, asynccontextmanager

import httpx
from httpx_aiohttp import AiohttpTransport

from bench.contestants.job import Call, Chunk, in_flight
from bench.contestants.wire.prepared import BODY, CONNECTIONS, HEADERS, METHOD, PATH, SECONDS, whole

_EXTENSIONS = {"timeout": httpx.Timeout(SECONDS).as_dict()}


@asynccontextmanager
async def _call(origin: str) -> AsyncIterator[Call]:
    url, limits = httpx.URL(origin + PATH), httpx.Limits(max_connections=CONNECTIONS, keepalive_expiry=SECONDS)
    async with AiohttpTransport(verify=ssl.create_default_context(), limits=limits) as transport:

        async def call() -> object:
            request = httpx.Request(METHOD, url, headers=HEADERS, content=BODY, extensions=_EXTENSIONS)
            answer = await transport.handle_async_request(request)
            return whole(answer.status_code, answer.headers.get("content-type"), await answer.aread())

        yield call


def opened(origin: str, width: int) -> AbstractContextManager[Chunk]:
    return in_flight(_call(origin), width)
