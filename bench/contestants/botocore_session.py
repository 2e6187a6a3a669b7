"""botocore: its request and its pooled session, unsigned, in threads where several calls are under way."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager

from botocore.awsrequest import AWSRequest
from botocore.httpsession import URLLib3Session

from bench.contestants.job import BODY, HEADERS, PATH, Chunk, in_threads, result


@contextmanager
def opened(origin: str, width: int) -> Iterator[Chunk]:
    session = URLLib3Session(max_pool_connections=width)
    headers = {**HEADERS, "Content-Type": "application/json"}

    def call() -> object:
        request = AWSRequest("POST", origin + PATH, headers=headers, data=json.dumps(BODY)).prepare()
        answer = session.send(request)
        if answer.status_code != 200:
            raise RuntimeError(answer.status_code)
        return result(json.loads(answer.content))

    with in_threads(call, width) as chunk:
        yield chunk
    session.close()
