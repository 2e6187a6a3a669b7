"""By hand: `aiohttp` on uvloop."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AbstractContextManager, asynccontextmanager

import aiohttp

from bench.contestants.job import BODY, HEADERS, PATH, Call, Chunk, in_flight, result


@asynccontextmanager
async def _call(origin: str) -> AsyncIterator[Call]:
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:

        async def call() -> object:
            async with session.post(origin + PATH, json=BODY, headers=HEADERS) as response:
                response.raise_for_status()
                return result(await response.json())

        yield call


def opened(origin: str, width: int) -> AbstractContextManager[Chunk]:
    return in_flight(_call(origin), width)
