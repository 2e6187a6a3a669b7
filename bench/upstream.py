"""A provider stand-in for benchmarks, in its own process: every request gets the same answer, that of a job.

    python -m bench.upstream [JOB [CERTIFICATE KEY]]    prints its port, serves on 127.0.0.1, ends when its stdin closes

As little work per request as Python allows (asyncio.Protocol and httptools), so that the client is what waits least.
"""

from __future__ import annotations

import asyncio
import ssl
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import cast

import httptools

from bench.jobs import FEE, JOBS, Job


def answer(job: Job) -> bytes:
    """As it goes over the wire."""
    return b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n%b" % (
        len(job.answer),
        job.answer,
    )


class _Connection(asyncio.Protocol):
    """One kept-alive connection: an answer for each complete request."""

    def __init__(self, answer: bytes) -> None:
        self._answer = answer

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        stream = cast(asyncio.Transport, transport)  # uvloop's is one in all but name
        self._write = stream.write
        self._close = stream.close
        self._parser = httptools.HttpRequestParser(self)

    def data_received(self, data: bytes) -> None:
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError:
            self._close()

    def on_message_complete(self) -> None:
        self._write(self._answer)


async def _serve(job: str, certificate: str | None = None, key: str | None = None) -> None:
    loop = asyncio.get_running_loop()
    tls = None
    if certificate is not None:
        tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        tls.load_cert_chain(certificate, key)
    sent = answer(JOBS[job])
    server = await loop.create_server(lambda: _Connection(sent), "127.0.0.1", 0, ssl=tls)
    sys.stdout.write(f"{server.sockets[0].getsockname()[1]}\n")
    sys.stdout.flush()
    await loop.run_in_executor(None, sys.stdin.read)
    server.close()


@contextmanager
def upstream(job: Job = FEE, tls: tuple[Path, Path] | None = None) -> Iterator[str]:
    """Start the server as a child process; yields its origin, for example `http://127.0.0.1:40123`.

    `tls`: certificate and key, of `localhost`.
    """
    command = [sys.executable, "-m", "bench.upstream", job.name, *map(str, tls or ())]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as child:
        try:
            port = child.stdout.readline().strip() if child.stdout else ""
            if not port:
                raise RuntimeError("the upstream server did not start")
            yield f"https://localhost:{port}" if tls else f"http://127.0.0.1:{port}"
        finally:
            if child.stdin:
                child.stdin.close()
            child.wait(timeout=10)


if __name__ == "__main__":
    import uvloop

    uvloop.run(_serve(*(sys.argv[1:] or [FEE.name])))
