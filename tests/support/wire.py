"""A server that says exactly the bytes it is told to, for what no well-behaved server would say."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, Self

from engine.model import Request, Response
from engine.runtime.transport import HttpTransport

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
MOST = 1_000_000


@dataclass
class Talk:
    """One connection, as the server sees it."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    peer: Peer

    async def heard(self) -> bytes:
        """The next request, whole; its connection's end is an `IncompleteReadError`."""
        head = await self.reader.readuntil(b"\r\n\r\n")
        length = 0
        for line in head.lower().split(b"\r\n"):
            if line.startswith(b"content-length:"):
                length = int(line.partition(b":")[2])
        whole = head + await self.reader.readexactly(length)
        self.peer.requests.append(whole)
        return whole

    async def say(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    async def hang_up(self) -> None:
        """When the client does: nothing more is said, and nothing closed."""
        await self.reader.read()


Script = Callable[[Talk], Awaitable[None]]


def saying(*answers: bytes, stays: bool = True) -> Script:
    """Each request of a connection gets the next answer, the last one again and again; `stays`: until it is left."""

    async def script(talk: Talk) -> None:
        for at in range(10_000):
            await talk.heard()
            await talk.say(answers[min(at, len(answers) - 1)])
            if not stays and at + 1 >= len(answers):
                return

    return script


@dataclass
class Peer:
    """`requests`: every one that came whole; `connections`: how many there were; `open`: how many there are."""

    script: Script
    host: str = "127.0.0.1"
    tls: ssl.SSLContext | None = None
    port: int = 0
    requests: list[bytes] = field(default_factory=list)
    connections: int = 0
    open: int = 0
    _server: asyncio.Server | None = None
    _talks: set[asyncio.Task[Any]] = field(default_factory=set)

    @property
    def origin(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{'https' if self.tls else 'http'}://{host}:{self.port}"

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._connected, self.host, self.port, ssl=self.tls)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._server is not None
        self._server.close()
        for talk in self._talks:
            talk.cancel()
        await asyncio.gather(*self._talks, return_exceptions=True)

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self.open += 1
        task = asyncio.current_task()
        assert task is not None
        self._talks.add(task)
        try:
            await self.script(Talk(reader, writer, self))
            writer.close()
            await writer.wait_closed()
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError, ssl.SSLError):
            writer.transport.abort()
        finally:
            self.open -= 1
            self._talks.discard(task)


def get(origin: str, path: str = "/", **headers: str) -> Request:
    return Request("GET", origin + path, tuple(headers.items()), b"")


async def sent(wire: HttpTransport, request: Request, *, timeout: float = 5.0, most: int = MOST) -> Response:  # noqa: ASYNC109
    return await wire.send(request, timeout=timeout, max_bytes=most)


async def until(holds: Callable[[], bool]) -> None:
    """Waits until it does; a test whose claim is wrong fails here."""
    for _ in range(2000):
        if holds():
            return
        await asyncio.sleep(0.002)
    raise AssertionError("it never came to hold")
