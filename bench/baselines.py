"""The same job written by hand, as a careful developer would: post the body, read `fee` and `currency`."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager

import aiohttp
import httpx

from bench.contestants.job import BODY, HEADERS, PATH, Call, result
from bench.measure import Chunk

TOKEN = HEADERS["Token"]
SHOP_ID = HEADERS["ShopId"]
INPUT = {
    "fromDistrictId": 1454,
    "toDistrictId": BODY["to_district_id"],
    "toWardCode": BODY["to_ward_code"],
    "weight": 1200,
    "length": 15,
    "width": 15,
    "height": 15,
    "insuranceValue": 500000,
    "codValue": 0,
}


@contextmanager
def httpx_client(origin: str) -> Iterator[Chunk]:
    """One call after the other over a kept-alive `httpx.Client`."""
    with httpx.Client() as client:

        def chunk(calls: int) -> None:
            for _ in range(calls):
                answer = client.post(origin + PATH, json=BODY, headers=HEADERS).raise_for_status().json()
                result(answer)

        yield chunk


@asynccontextmanager
async def aiohttp_call(origin: str) -> AsyncIterator[Call]:
    """One call over a shared `aiohttp.ClientSession`."""
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:

        async def call() -> object:
            async with session.post(origin + PATH, json=BODY, headers=HEADERS) as response:
                response.raise_for_status()
                answer = await response.json()
                return result(answer)

        yield call


def sequential(runner: asyncio.Runner, call: Call) -> Chunk:
    """A chunk that awaits one call after the other."""

    async def many(calls: int) -> None:
        for _ in range(calls):
            await call()

    return lambda calls: runner.run(many(calls))
