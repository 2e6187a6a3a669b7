"""`httpx2.AsyncClient`."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator
from contextlib import AbstractContextManager, asynccontextmanager

import httpx2

from bench.contestants.job import Call, Chunk, in_flight
from bench.contestants.wire.prepared import BODY, CONNECTIONS, HEADERS, METHOD, PATH, SECONDS, whole

LIMITS = httpx2.Limits(max_connections=CONNECTIONS, max_keepalive_connections=CONNECTIONS)


@asynccontextmanager
async def _call(origin: str) -> AsyncIterator[Call]:
    tls = ssl.create_default_context()
    async with httpx2.AsyncClient(verify=tls, limits=LIMITS, timeout=SECONDS, trust_env=False) as client:

        async def call() -> object:
            answer = await client.request(METHOD, origin + PATH, headers=HEADERS, content=BODY)
            return whole(answer.status_code, answer.headers.get("content-type"), answer.content)

        yield call


def opened(origin: str, width: int) -> AbstractContextManager[Chunk]:
    return in_flight(_call(origin), width)
