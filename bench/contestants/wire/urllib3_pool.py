"""`urllib3.PoolManager`, in threads where several requests are under way."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from contextlib import contextmanager

import urllib3

from bench.contestants.job import Chunk, in_threads
from bench.contestants.wire.prepared import BODY, CONNECTIONS, HEADERS, METHOD, PATH, SECONDS, whole


@contextmanager
def opened(origin: str, width: int) -> Iterator[Chunk]:
    limit = urllib3.Timeout(total=SECONDS)
    with urllib3.PoolManager(
        maxsize=CONNECTIONS, block=True, retries=False, timeout=limit, ssl_context=ssl.create_default_context()
    ) as pool:

        def call() -> object:
            answer = pool.request(METHOD, origin + PATH, headers=HEADERS, body=BODY, redirect=False)
            return whole(answer.status, answer.headers.get("content-type"), answer.data)

        with in_threads(call, width) as chunk:
            yield chunk
