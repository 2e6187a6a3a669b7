"""dlt: `RESTClient.post`, in threads where several calls are under way."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from dlt.sources.helpers.rest_client import RESTClient

from bench.contestants.job import BODY, HEADERS, PATH, Chunk, in_threads, result


@contextmanager
def opened(origin: str, width: int) -> Iterator[Chunk]:
    client = RESTClient(base_url=origin, headers=dict(HEADERS))

    def call() -> object:
        answer = client.post(PATH.lstrip("/"), json=dict(BODY))
        answer.raise_for_status()
        return result(answer.json())

    with in_threads(call, width) as chunk:
        yield chunk
