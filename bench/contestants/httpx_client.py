"""By hand: `httpx.Client`, in threads where several calls are under way."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import httpx

from bench.contestants.job import BODY, HEADERS, PATH, Chunk, in_threads, result


@contextmanager
def opened(origin: str, width: int) -> Iterator[Chunk]:
    with httpx.Client() as client:

        def call() -> object:
            return result(client.post(origin + PATH, json=BODY, headers=HEADERS).raise_for_status().json())

        with in_threads(call, width) as chunk:
            yield chunk
