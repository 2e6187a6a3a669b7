"""A provider over a real socket on 127.0.0.1: a handler `Seen -> Reply`, and every fault a wire can have.

It speaks just enough HTTP/1.1 to tell exactly what arrived; nothing is parsed that a test would not look at.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Self
from urllib.parse import parse_qsl

Fault = Literal[
    "drop",  # the request is read, then the connection is closed
    "half",  # all headers, half of the body, then closed
    "bad chunk",  # a chunk whose size is no number
    "trickle",  # a byte of the body now and then, for as long as the client waits
    "garbage",  # no HTTP at all
]
_PAUSE = 0.05


@dataclass(frozen=True)
class Seen:
    """A request as it stood on the wire."""

    method: str
    target: str
    pairs: tuple[tuple[str, str], ...]
    body: bytes

    @property
    def path(self) -> str:
        return self.target.partition("?")[0]

    @property
    def query(self) -> str:
        return self.target.partition("?")[2]

    @property
    def headers(self) -> dict[str, str]:
        return {name.lower(): value for name, value in self.pairs}

    def json(self) -> Any:
        return json.loads(self.body)

    def form(self) -> list[tuple[str, str]]:
        return parse_qsl(self.body.decode(), keep_blank_values=True)


@dataclass(frozen=True)
class Reply:
    """What the provider answers. `delay` in seconds; `stream` is sent chunked in place of `body`."""

    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    delay: float = 0.0
    fault: Fault | None = None
    stream: Sequence[bytes] = ()


Handler = Callable[[Seen], Reply]


def answer(value: Any, status: int = 200, **headers: str) -> Reply:
    """A JSON answer; `retry_after` is written as `retry-after`."""
    named = {name.replace("_", "-"): text for name, text in headers.items()}
    return Reply(status, {"content-type": "application/json", **named}, json.dumps(value).encode())


@dataclass
class Upstream:
    """`seen` holds every request that arrived whole, in order; `refusals` closes that many connections unread."""

    handler: Handler
    seen: list[Seen] = field(default_factory=list)
    refusals: int = 0
    connections: int = 0
    _server: asyncio.Server | None = None
    _open: set[asyncio.Task[None]] = field(default_factory=set)
    port: int = 0

    @property
    def origin(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def __aenter__(self) -> Self:
        await self.listen()
        return self

    async def listen(self) -> None:
        self._server = await asyncio.start_server(self._connected, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def arrived(self, count: int = 1) -> None:
        """Waits until that many requests are there."""
        for _ in range(2000):
            if len(self.seen) >= count:
                return
            await asyncio.sleep(0.005)
        raise AssertionError("no request arrived")

    async def hang_up(self) -> None:
        """Closes the door; the port stays known, so that it can listen there again."""
        assert self._server is not None
        self._server.close()
        for task in self._open:
            task.cancel()
        await asyncio.gather(*self._open, return_exceptions=True)

    async def __aexit__(self, *_: object) -> None:
        await self.hang_up()

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        task = asyncio.current_task()
        assert task is not None
        self._open.add(task)
        try:
            if self.refusals > 0:
                self.refusals -= 1
                return
            while (seen := await _read(reader)) is not None:
                self.seen.append(seen)
                if not await _write(writer, seen, self.handler(seen)):
                    return
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass  # the client went away, or the test is over
        finally:
            self._open.discard(task)
            writer.transport.abort()


async def _read(reader: asyncio.StreamReader) -> Seen | None:
    line = await reader.readline()
    if not line:
        return None
    method, target, _ = line.decode("latin-1").split(" ", 2)
    pairs: list[tuple[str, str]] = []
    while (line := await reader.readline()) not in (b"\r\n", b""):
        name, _, value = line.decode("latin-1").partition(":")
        pairs.append((name, value.strip()))
    length = next((int(value) for name, value in pairs if name.lower() == "content-length"), 0)
    return Seen(method, target, tuple(pairs), await reader.readexactly(length))


async def _write(writer: asyncio.StreamWriter, seen: Seen, reply: Reply) -> bool:
    """Whether the connection can carry another request."""
    if reply.delay:
        await asyncio.sleep(reply.delay)
    if reply.fault == "drop":
        return False
    if reply.fault == "garbage":
        writer.write(b"\x16\x03\x01 this is no HTTP\r\n\r\n")
        await writer.drain()
        return False
    writer.write(_head(reply))
    if reply.fault in ("half", "bad chunk"):
        writer.write(b"zz\r\n{}\r\n" if reply.fault == "bad chunk" else reply.body[: len(reply.body) // 2])
        await writer.drain()
        return False
    if reply.fault == "trickle":
        for at in range(len(reply.body)):
            writer.write(reply.body[at : at + 1])
            await writer.drain()
            await asyncio.sleep(_PAUSE)
    elif reply.stream:
        for part in reply.stream:
            writer.write(b"%x\r\n%b\r\n" % (len(part), part))
            await writer.drain()
        writer.write(b"0\r\n\r\n")
    elif seen.method != "HEAD":
        writer.write(reply.body)
    await writer.drain()
    return True


def _head(reply: Reply) -> bytes:
    lines = [f"HTTP/1.1 {reply.status} Whatever"]
    lines += [f"{name}: {value}" for name, value in reply.headers.items()]
    chunked = bool(reply.stream) or reply.fault == "bad chunk"
    lines.append("transfer-encoding: chunked" if chunked else f"content-length: {len(reply.body)}")
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")
