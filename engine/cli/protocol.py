"""Callers' HTTP as it comes off the wire: what can't be read gets the body that all failures have, and the head of a
request is bounded, for it is kept in memory before anybody is known by it.
"""

from __future__ import annotations

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from engine.api.problems import problem

LARGEST_HEAD = 64 * 1024
"""Bytes of request line and headers, beside those that came together with their beginning."""


class CallerProtocol(HttpToolsProtocol):
    """One connection of a caller."""

    _head_is_open = True
    _turned = False
    """In the data that came last a request began or ended, so they are not all of one head."""
    _head = 0

    def data_received(self, data: bytes) -> None:
        self._turned = False
        super().data_received(data)
        if not self._head_is_open or self._turned:
            self._head = 0
            return
        self._head += len(data)
        if self._head > LARGEST_HEAD and not self.transport.is_closing():
            self.send_400_response("the request line and headers are too large")

    def on_message_begin(self) -> None:
        self._turned = self._head_is_open = True
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        self._head_is_open = False
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        self._turned = self._head_is_open = True
        super().on_message_complete()

    def send_400_response(self, msg: str) -> None:
        body = problem("BAD_REQUEST", msg).body
        head = b"HTTP/1.1 400 Bad Request\r\ncontent-type: application/json\r\nconnection: close\r\n"
        self.transport.write(head + b"content-length: %d\r\n\r\n" % len(body) + body)
        self.transport.close()

    def _unsupported_upgrade_warning(self) -> None:
        """Whoever asks for a WebSocket is answered without; a line for each would let strangers fill the log."""
