"""The same job written by hand, as a careful developer would: post the body, read `fee` and `currency`."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

import aiohttp
import httpx

from bench.measure import Chunk

PATH = "/v2/shipping-order/fee"
TOKEN = "00000000-1111-4222-8333-444444444444"  # noqa: S105  # invented
SHOP_ID = "5000001"
INPUT = {
    "fromDistrictId": 1454,
    "toDistrictId": 1442,
    "toWardCode": "20101",
    "weight": 1200,
    "length": 15,
    "width": 15,
    "height": 15,
    "insuranceValue": 500000,
    "codValue": 0,
}

_HEADERS = {"Token": TOKEN, "ShopId": SHOP_ID}
_BODY = {
    "service_type_id": 2,
    "to_district_id": INPUT["toDistrictId"],
    "to_ward_code": INPUT["toWardCode"],
    "weight": INPUT["weight"],
    "insurance_value": INPUT["insuranceValue"],
    "from_district_id": INPUT["fromDistrictId"],
    "length": 15,
    "width": 15,
    "height": 15,
    "cod_value": 0,
    "coupon": None,
}
Call = Callable[[], Coroutine[Any, Any, object]]


@contextmanager
def httpx_client(origin: str) -> Iterator[Chunk]:
    """One call after the other over a kept-alive `httpx.Client`."""
    with httpx.Client() as client:

        def chunk(calls: int) -> None:
            for _ in range(calls):
                answer = client.post(origin + PATH, json=_BODY, headers=_HEADERS).raise_for_status().json()
                _ = {"fee": answer["data"]["total"], "currency": "VND"}

        yield chunk


@asynccontextmanager
async def aiohttp_call(origin: str) -> AsyncIterator[Call]:
    """One call over a shared `aiohttp.ClientSession`."""
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:

        async def call() -> object:
            async with session.post(origin + PATH, json=_BODY, headers=_HEADERS) as response:
                response.raise_for_status()
                answer = await response.json()
                return {"fee": answer["data"]["total"], "currency": "VND"}

        yield call


def sequential(runner: asyncio.Runner, call: Call) -> Chunk:
    """A chunk that awaits one call after the other."""

    async def many(calls: int) -> None:
        for _ in range(calls):
            await call()

    return lambda calls: runner.run(many(calls))


def in_flight(runner: asyncio.Runner, call: Call, width: int) -> Chunk:
    """A chunk that keeps `width` calls under way."""

    async def worker(left: Iterator[int]) -> None:
        for _ in left:
            await call()

    async def many(calls: int) -> None:
        left = iter(range(calls))  # shared: whoever is free takes the next one
        await asyncio.gather(*(worker(left) for _ in range(width)))

    return lambda calls: runner.run(many(calls))
