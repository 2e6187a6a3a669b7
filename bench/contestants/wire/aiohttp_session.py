"""`aiohttp.ClientSession`, without cookies."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator
from contextlib import AbstractContextManager, asynccontextmanager

import aiohttp

from bench.contestants.job import Call, Chunk, in_flight
from bench.contestants.wire.prepared import BODY, CONNECTIONS, HEADERS, METHOD, PATH, SECONDS, whole


@asynccontextmanager
async def _call(origin: str) -> AsyncIterator[Call]:
    async with aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=CONNECTIONS, ssl=ssl.create_default_context()),
        cookie_jar=aiohttp.DummyCookieJar(),
        timeout=aiohttp.ClientTimeout(total=SECONDS),
    ) as session:

        async def call() -> object:
            async with session.request(
                METHOD, origin + PATH, headers=HEADERS, data=BODY, allow_redirects=False
            ) as answer:
                return whole(answer.status, answer.headers.get("content-type"), await answer.read())

        yield call


def opened(origin: str, width: int) -> AbstractContextManager[Chunk]:
    return in_flight(_call(origin), width)
