"""`POST /execute` as careful developers write it with FastAPI: `python -m bench.contestants.services NAME PORT ORIGIN`.

alone            a model of the body, a constant answer: what the framework itself takes
alone_known      the same, and who calls for which tenant, as our service asks too
httpx_client     the whole job: who calls, the provider's request with httpx.AsyncClient, its answer
aiohttp_client   the same with aiohttp

None of them limits, breaks circuits, keeps a log or hides a secret.
"""

from __future__ import annotations

import re
import secrets
import sys
import time
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Annotated, Any

import aiohttp
import httpx
import uvicorn
from fastapi import FastAPI, Header, HTTPException
from pydantic import BaseModel

from bench.callers import EXECUTION_ID, TOKEN
from bench.jobs import BODY, FEE, result

_TENANT = re.compile(r"[A-Za-z0-9_.-]{1,128}")
Post = Callable[[Mapping[str, Any]], Awaitable[Any]]


class Input(BaseModel):
    """What the fee is asked for."""

    fromDistrictId: int  # noqa: N815 - as callers write it
    toDistrictId: int  # noqa: N815
    toWardCode: str  # noqa: N815
    weight: int
    length: int
    width: int
    height: int
    insuranceValue: int = 0  # noqa: N815
    codValue: int = 0  # noqa: N815


class _Asked(BaseModel):
    connectionId: str  # noqa: N815
    actionId: str  # noqa: N815
    callerService: str | None = None  # noqa: N815


class Execute(_Asked):
    """The body of any call."""

    input: dict[str, Any]


class ExecuteFee(_Asked):
    """The body of a call whose action is known."""

    input: Input


def alone() -> FastAPI:
    async def execute(body: Execute) -> dict[str, Any]:  # noqa: ARG001 - its form is what is asked for
        return _answer({"fee": 36300, "currency": "VND"}, 12)

    app = FastAPI()
    app.post("/execute")(execute)
    return app


def alone_known() -> FastAPI:
    async def execute(
        body: Execute,  # noqa: ARG001 - its form is what is asked for
        authorization: Annotated[str, Header()],
        x_tenant_id: Annotated[str, Header()],
    ) -> dict[str, Any]:
        _known(authorization, x_tenant_id)
        return _answer({"fee": 36300, "currency": "VND"}, 12)

    app = FastAPI()
    app.post("/execute")(execute)
    return app


def httpx_client(origin: str) -> FastAPI:
    client = httpx.AsyncClient(limits=httpx.Limits(max_connections=None, max_keepalive_connections=None))

    async def post(body: Mapping[str, Any]) -> Any:
        return (await client.post(origin + FEE.path, json=body, headers=FEE.headers)).raise_for_status().json()

    return _fees(post, client.aclose)


def aiohttp_client(origin: str) -> FastAPI:
    clients: list[aiohttp.ClientSession] = []

    async def post(body: Mapping[str, Any]) -> Any:
        if not clients:  # a session belongs to a loop that runs
            clients.append(aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)))
        async with clients[0].post(origin + FEE.path, json=body, headers=FEE.headers) as response:
            response.raise_for_status()
            return await response.json()

    async def close() -> None:
        for client in clients:
            await client.close()

    return _fees(post, close)


def _fees(post: Post, close: Callable[[], Awaitable[None]]) -> FastAPI:
    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        yield
        await close()

    async def execute(
        body: ExecuteFee, authorization: Annotated[str, Header()], x_tenant_id: Annotated[str, Header()]
    ) -> dict[str, Any]:
        _known(authorization, x_tenant_id)
        began = time.monotonic()
        fee = result(await post(_asked(body.input)))
        return _answer(fee, round((time.monotonic() - began) * 1000), uuid.uuid4().hex)

    app = FastAPI(lifespan=lifespan)
    app.post("/execute")(execute)
    return app


def _known(authorization: str, tenant: str) -> None:
    if not secrets.compare_digest(authorization, f"Bearer {TOKEN}"):
        raise HTTPException(401)
    if not _TENANT.fullmatch(tenant):
        raise HTTPException(400)


def _asked(given: Input) -> Mapping[str, Any]:
    return {
        **BODY,
        "from_district_id": given.fromDistrictId,
        "to_district_id": given.toDistrictId,
        "to_ward_code": given.toWardCode,
        "weight": given.weight,
        "length": given.length,
        "width": given.width,
        "height": given.height,
        "insurance_value": given.insuranceValue,
        "cod_value": given.codValue,
    }


def _answer(data: object, latency_ms: int, execution_id: str = EXECUTION_ID) -> dict[str, Any]:
    return {"success": True, "executionId": execution_id, "data": data, "latencyMs": latency_ms}


def main(name: str, port: str, origin: str) -> None:
    services: Mapping[str, Callable[[], FastAPI]] = {
        "alone": alone,
        "alone_known": alone_known,
        "httpx_client": lambda: httpx_client(origin),
        "aiohttp_client": lambda: aiohttp_client(origin),
    }
    uvicorn.run(
        services[name](),
        host="127.0.0.1",
        port=int(port),
        loop="uvloop",
        http="httptools",
        log_level="warning",
        access_log=False,
        proxy_headers=False,
        server_header=False,
    )


if __name__ == "__main__":
    main(*sys.argv[1:])
