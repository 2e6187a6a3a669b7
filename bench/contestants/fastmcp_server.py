"""fastmcp: a server made from an OpenAPI document; its tool is called inside the process, without a client."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AbstractContextManager, asynccontextmanager

import httpx
from fastmcp import FastMCP

from bench.contestants.job import BODY, HEADERS, PATH, Call, Chunk, in_flight, result

_INPUT = {name: value for name, value in BODY.items() if value is not None}
_TYPES = {int: "integer", str: "string"}
_BODY = {"type": "object", "properties": {name: {"type": _TYPES[type(value)]} for name, value in _INPUT.items()}}
_ANSWER = {"type": "object", "properties": {"code": {"type": "integer"}, "data": {"type": "object"}}}
_OPERATION = {
    "operationId": "calculate_fee",
    "requestBody": {"required": True, "content": {"application/json": {"schema": _BODY}}},
    "responses": {"200": {"description": "The fee.", "content": {"application/json": {"schema": _ANSWER}}}},
}
_DOCUMENT = {"openapi": "3.1.0", "info": {"title": "Fees", "version": "1"}, "paths": {PATH: {"post": _OPERATION}}}


@asynccontextmanager
async def _call(origin: str) -> AsyncIterator[Call]:
    async with httpx.AsyncClient(base_url=origin, headers=HEADERS) as client:
        server = FastMCP.from_openapi(_DOCUMENT, client=client)

        async def call() -> object:
            return result((await server.call_tool("calculate_fee", _INPUT)).structured_content)

        yield call


def opened(origin: str, width: int) -> AbstractContextManager[Chunk]:
    return in_flight(_call(origin), width)
