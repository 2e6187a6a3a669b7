"""The jobs written by hand, as a careful developer would: send the body, read what the caller wants to know."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager

import aiohttp
import httpx

from bench.contestants.job import BODY, HEADERS, Call
from bench.jobs import FEE, Job
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
def httpx_client(origin: str, job: Job = FEE) -> Iterator[Chunk]:
    """One call after the other over a kept-alive `httpx.Client`."""
    with httpx.Client() as client:

        def chunk(calls: int) -> None:
            for _ in range(calls):
                answer = client.request(job.method, origin + job.path, json=job.body(), headers=job.headers)
                job.result(answer.raise_for_status().json())

        yield chunk


@asynccontextmanager
async def aiohttp_call(origin: str, job: Job = FEE) -> AsyncIterator[Call]:
    """One call over a shared `aiohttp.ClientSession`."""
    connector = aiohttp.TCPConnector(limit=0, ssl=ssl.create_default_context())
    async with aiohttp.ClientSession(connector=connector) as session:

        async def call() -> object:
            url, body = origin + job.path, job.body()
            async with session.request(job.method, url, json=body, headers=job.headers) as response:
                response.raise_for_status()
                return job.result(await response.json())

        yield call


def sequential(runner: asyncio.Runner, call: Call) -> Chunk:
    """A chunk that awaits one call after the other."""

    async def many(calls: int) -> None:
        for _ in range(calls):
            await call()

    return lambda calls: runner.run(many(calls))


@contextmanager
def opened(runner: asyncio.Runner, resource: AbstractAsyncContextManager[Call]) -> Iterator[Call]:
    """Keep an async resource open over several runs of the same loop."""
    value = runner.run(_enter(resource))
    try:
        yield value
    finally:
        runner.run(_leave(resource))


async def _enter(resource: AbstractAsyncContextManager[Call]) -> Call:
    return await resource.__aenter__()


async def _leave(resource: AbstractAsyncContextManager[Call]) -> None:
    await resource.__aexit__(None, None, None)
