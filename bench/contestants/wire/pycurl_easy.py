"""pycurl: libcurl, a handle for each thread."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pycurl

from bench.contestants.job import Chunk, in_threads
from bench.contestants.wire.prepared import BODY, HEADERS, METHOD, PATH, SECONDS, whole


@contextmanager
def opened(origin: str, width: int) -> Iterator[Chunk]:
    mine = threading.local()

    def call() -> object:
        handle = getattr(mine, "handle", None)
        if handle is None:
            handle = mine.handle = _handle()
        lines: list[bytes] = []
        handle.setopt(pycurl.URL, origin + PATH)
        handle.setopt(pycurl.CUSTOMREQUEST, METHOD)
        handle.setopt(pycurl.POSTFIELDS, BODY)
        handle.setopt(pycurl.HTTPHEADER, [f"{name}: {value}" for name, value in HEADERS.items()])
        handle.setopt(pycurl.HEADERFUNCTION, lines.append)
        body = handle.perform_rb()
        headers = dict(line.strip().split(b": ", 1) for line in lines[1:-1])
        kind = headers.get(b"content-type", b"").decode()
        return whole(handle.getinfo(pycurl.RESPONSE_CODE), kind, body)

    with in_threads(call, width) as chunk:
        yield chunk


def _handle() -> pycurl.Curl:
    handle = pycurl.Curl()
    handle.setopt(pycurl.ACCEPT_ENCODING, "gzip, deflate")
    handle.setopt(pycurl.PROXY, "")
    handle.setopt(pycurl.NOSIGNAL, 1)
    handle.setopt(pycurl.TIMEOUT_MS, round(SECONDS * 1000))
    trusted = os.environ.get("SSL_CERT_FILE")
    if trusted is not None:
        handle.setopt(pycurl.CAINFO, trusted)
    return handle
