"""By hand: `httpx.AsyncClient`."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AbstractContextManager, asynccontextmanager

import httpx

from bench.contestants.job import BODY, HEADERS, PATH, Call, Chunk, in_flight, result


@asynccontextmanager
async def _call(origin: str) -> AsyncIterator[Call]:
    async with httpx.AsyncClient() as client:

        async def call() -> object:
            return result((await client.post(origin + PATH, json=BODY, headers=HEADERS)).raise_for_status().json())

        yield call


def opened(origin: str, width: int) -> AbstractContextManager[Chunk]:
    return in_flight(_call(origin), width)
