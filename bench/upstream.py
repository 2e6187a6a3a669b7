"""A provider stand-in for benchmarks, in its own process: every request gets the same 612-byte answer.

    python -m bench.upstream        prints its port, serves on 127.0.0.1, ends when its stdin is closed

As little work per request as Python allows (asyncio.Protocol and httptools), so that the client is what waits least.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import cast

import httptools

BODY_BYTES = 612
_FEE = {
    "code": 200,
    "message": "Success",
    "data": {
        "total": 36300,
        "service_fee": 36300,
        "insurance_fee": 0,
        "pick_station_fee": 0,
        "coupon_value": 0,
        "r2s_fee": 0,
        "return_again": 0,
        "document_return": 0,
        "double_check": 0,
        "cod_fee": 0,
        "pick_remote_areas_fee": 0,
        "deliver_remote_areas_fee": 0,
        "cod_failed_fee": 0,
        "change_to_address_fee": 0,
        "change_return_address_fee": 0,
        "return": 0,
    },
}


def body() -> bytes:
    """A fee answer as the provider's documentation shows it, filled up with blanks to `BODY_BYTES`."""
    return json.dumps(_FEE, separators=(",", ":")).encode().ljust(BODY_BYTES)


_ANSWER = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n%b" % (BODY_BYTES, body())


class _Connection(asyncio.Protocol):
    """One kept-alive connection: an answer for each complete request."""

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
        self._write(_ANSWER)


async def _serve() -> None:
    loop = asyncio.get_running_loop()
    server = await loop.create_server(_Connection, "127.0.0.1", 0)
    sys.stdout.write(f"{server.sockets[0].getsockname()[1]}\n")
    sys.stdout.flush()
    await loop.run_in_executor(None, sys.stdin.read)
    server.close()


@contextmanager
def upstream() -> Iterator[str]:
    """Start the server as a child process; yields its origin, for example `http://127.0.0.1:40123`."""
    command = [sys.executable, "-m", "bench.upstream"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as child:
        try:
            port = child.stdout.readline().strip() if child.stdout else ""
            if not port:
                raise RuntimeError("the upstream server did not start")
            yield f"http://127.0.0.1:{port}"
        finally:
            if child.stdin:
                child.stdin.close()
            child.wait(timeout=10)


if __name__ == "__main__":
    import uvloop

    uvloop.run(_serve())
