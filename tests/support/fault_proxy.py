"""A TCP proxy on 127.0.0.1 that stands before a real server and breaks what a test tells it to.

It reads one HTTP/1.1 request at a time, so a fault can be put exactly before or after the server has seen it:

    client ── request ──> proxy ── request ──> server
                 │ "reset before": cut while the request is unread
                 │ "reset after": the server has it, its answer is thrown away
    client <── answer ─── proxy <── answer ─── server
                   "half", "bad chunk", "garbage": what comes back is not what was sent; "late": it comes after a pause
"""

from __future__ import annotations

import asyncio
import re
import socket
import struct
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal, Self

Fault = Literal["reset before", "reset after", "half", "bad chunk", "garbage", "late"]
FAULTS: tuple[Fault, ...] = ("reset before", "reset after", "half", "bad chunk", "garbage", "late")
LATE_SECONDS = 0.2
_LENGTH = re.compile(rb"\r\ncontent-length: *([0-9]+)", re.IGNORECASE)


@dataclass
class FaultProxy:
    """`choose` is asked for each request, with its number from 0: the fault to play, or None. `played` counts them."""

    port_behind: int
    choose: Callable[[int], Fault | None]
    played: dict[Fault, int] = field(default_factory=dict)
    requests: int = 0
    port: int = 0
    _server: asyncio.Server | None = None
    _open: set[asyncio.Task[None]] = field(default_factory=set)

    @property
    def origin(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._connected, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._server is not None
        self._server.close()
        for task in self._open:
            task.cancel()
        await asyncio.gather(*self._open, return_exceptions=True)

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._open.add(task)
        behind: asyncio.StreamWriter | None = None
        try:
            answers, behind = await asyncio.open_connection("127.0.0.1", self.port_behind)
            while await self._one(reader, writer, answers, behind):
                pass
        except (OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass  # either side went away, or the test is over
        finally:
            self._open.discard(task)
            _cut(writer)
            if behind is not None:
                behind.transport.abort()

    async def _one(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        answers: asyncio.StreamReader,
        behind: asyncio.StreamWriter,
    ) -> bool:
        """One request and its answer; whether the connection goes on."""
        first = await reader.readexactly(1)
        fault = self.choose(self.requests)
        self.requests += 1
        if fault is not None:
            self.played[fault] = self.played.get(fault, 0) + 1
        if fault == "reset before":
            return False
        behind.write(first + await _message(reader))
        answer = await _message(answers)
        if fault == "reset after":
            return False
        if fault == "late":
            await asyncio.sleep(LATE_SECONDS)
        writer.write(_spoilt(answer, fault))
        await writer.drain()
        return fault in (None, "late")


async def _message(reader: asyncio.StreamReader) -> bytes:
    """The rest of a message whose length its head tells, as everybody's does here."""
    head = await reader.readuntil(b"\r\n\r\n")
    length = _LENGTH.search(head)
    return head + await reader.readexactly(int(length[1]) if length else 0)


def _spoilt(answer: bytes, fault: Fault | None) -> bytes:
    head, _, body = answer.partition(b"\r\n\r\n")
    if fault == "half":
        return head + b"\r\n\r\n" + body[: len(body) // 2]
    if fault == "bad chunk":
        return b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n" + body + b"\r\n"
    return b"\x16\x03\x01 this is no HTTP\r\n\r\n" if fault == "garbage" else answer


def _cut(writer: asyncio.StreamWriter) -> None:
    """Ends the connection with a reset, not with a farewell."""
    sock = writer.get_extra_info("socket")
    if sock is not None and sock.fileno() >= 0:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()
