"""pyreqwest: Rust's reqwest, its loop in a thread of its own."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import AbstractContextManager, asynccontextmanager
from datetime import timedelta
from pathlib import Path

from pyreqwest.client import Client, ClientBuilder

from bench.contestants.job import Call, Chunk, in_flight
from bench.contestants.wire.prepared import BODY, CONNECTIONS, HEADERS, METHOD, PATH, SECONDS, whole


@asynccontextmanager
async def _call(origin: str) -> AsyncIterator[Call]:
    async with _client() as client:

        async def call() -> object:
            request = client.request(METHOD, origin + PATH).headers(HEADERS).body_bytes(BODY).build()
            answer = await request.send()
            return whole(answer.status, answer.headers.get("content-type"), bytes(await answer.bytes()))

        yield call


def _client() -> Client:
    builder = ClientBuilder().follow_redirects(False).no_proxy()
    builder = builder.max_connections(CONNECTIONS).timeout(timedelta(seconds=SECONDS))
    trusted = os.environ.get("SSL_CERT_FILE")
    if trusted is not None:
        builder = builder.add_root_certificate_pem(Path(trusted).read_bytes())
    return builder.build()


def opened(origin: str, width: int) -> AbstractContextManager[Chunk]:
    return in_flight(_call(origin), width)
