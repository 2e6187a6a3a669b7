"""Callers' HTTP as it comes off the wire: what can't be read gets the body that all failures have, and the head of a
request is bounded, for it is kept in memory before anybody is known by it.
"""

from __future__ import annotations

import re
from typing import Any

from starlette.types import Message, Receive, Scope, Send
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol, RequestResponseCycle

from engine.api.problems import problem

LARGEST_HEAD = 64 * 1024
"""Bytes of request line and headers, beside those that came together with their beginning."""
_LENGTH = b"content-length"
_UNFIT = re.compile(rb"[\x00-\x08\x0a-\x1f\x7f]")
"""In no header: it would end it, and begin another one."""


class _Answering:
    """The answer of one exchange. One of a known length goes out in one piece with its head, whose values are looked at
    once; what comes bit by bit is left to uvicorn.
    """

    __slots__ = ("_cycle", "_head")

    def __init__(self, cycle: RequestResponseCycle) -> None:
        self._cycle = cycle
        self._head: Message | None = None

    async def send(self, message: Message) -> None:
        head, self._head = self._head, None
        if head is None and _LENGTH in dict(message.get("headers", ())):
            self._head = message
        elif head is None or message.get("more_body") or self._cycle.flow.write_paused:
            for one in filter(None, (head, message)):
                await self._cycle.send(one)  # type: ignore[arg-type]
        elif not self._cycle.disconnected:
            self._whole(head, message.get("body", b""))

    def _whole(self, head: Message, body: bytes) -> None:
        cycle = self._cycle
        headers = [*cycle.default_headers, *head["headers"]]
        if not cycle.keep_alive:
            headers.append((b"connection", b"close"))
        if _UNFIT.search(b"".join([value for _, value in headers])):
            raise RuntimeError("a header holds what no header can hold")
        lines = [b"%b: %b\r\n" % header for header in headers]
        cycle.transport.write(b"".join((STATUS_LINE[head["status"]], *lines, b"\r\n", body)))
        cycle.response_started = cycle.response_complete = True
        cycle.message_event.set()
        if not cycle.keep_alive:
            cycle.transport.close()
        cycle.on_response()


class CallerProtocol(HttpToolsProtocol):
    """One connection of a caller."""

    _head = 0
    """Bytes of a head that is not whole yet."""

    def data_received(self, data: bytes) -> None:
        before = self.scope
        super().data_received(data)
        # uvicorn makes a scope when a request begins, and puts the path into it when its head is whole.
        if self.scope is not before or "path" in (before or ()):
            self._head = 0
            return
        self._head += len(data)
        if self._head > LARGEST_HEAD and not self.transport.is_closing():
            self.send_400_response("the request line and headers are too large")

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:
        async def answered(scope: Scope, receive: Receive, _send: Send) -> None:
            await app(scope, receive, _Answering(cycle).send)

        super()._start_asgi_task(cycle, answered)  # type: ignore[arg-type]

    def send_400_response(self, msg: str) -> None:
        body = problem("BAD_REQUEST", msg).body
        head = b"HTTP/1.1 400 Bad Request\r\ncontent-type: application/json\r\nconnection: close\r\n"
        self.transport.write(head + b"content-length: %d\r\n\r\n" % len(body) + body)
        self.transport.close()

    def _unsupported_upgrade_warning(self) -> None:
        """Whoever asks for a WebSocket is answered without; a line for each would let strangers fill the log."""
