"""HTTP/1.1 on one connection: a request as bytes, an answer from bytes.

The parser is llhttp (httptools), in its strict form. One request at a time; nothing is ever sent twice. An answer that
breaks the protocol, or whose head and framing are larger than `MOST_FRAMING`, is lost.
"""

from __future__ import annotations

import asyncio
import re
import zlib
from functools import lru_cache
from typing import Any, Final, cast

import httptools

from engine.errors import AnswerLost, AnswerTooLarge, CallTimedOut, EngineError
from engine.model import Request, Response

MOST_FRAMING: Final = 128 * 1024
"""Bytes of an answer that are not its body, beside what chunks of a few bytes need."""
_FRAMING_OF_A_BYTE: Final = 16
_TOKEN: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_TARGET: Final = re.compile(r"[\x21-\x7e]+")
_OURS: Final = frozenset(
    {"connection", "content-length", "transfer-encoding", "keep-alive", "upgrade", "te", "trailer"}
)
_GZIP: Final = 31
_ZLIB: Final = 15
_WINDOWS: Final = {"gzip": _GZIP, "x-gzip": _GZIP, "deflate": _ZLIB}


def written(request: Request, host: str, target: str) -> bytes:
    """The request as it is sent. `host`: for the Host header; what frames the request is ours, whatever the spec says.

    Raises ValueError for what would be read as something else than it is: a line end, a control character.
    """
    if not _is_token(request.method) or not _TARGET.fullmatch(target):
        raise ValueError("the method or the target can't be sent")
    lines, named = [f"{request.method} {target} HTTP/1.1"], set()
    for name, value in request.headers:
        key = _key(name)
        named.add(key)
        if key not in _OURS:
            lines.append(f"{name}: {value}")
    if "host" not in named:
        lines.insert(1, f"Host: {host}")
    if "accept" not in named:
        lines.append("Accept: */*")
    if "accept-encoding" not in named:
        lines.append("Accept-Encoding: gzip, deflate")
    if request.body or request.method in ("POST", "PUT", "PATCH"):
        lines.append(f"Content-Length: {len(request.body)}")
    head = "\r\n".join(lines)
    if head.count("\n") != len(lines) - 1 or head.count("\r") != len(lines) - 1 or "\0" in head:
        raise ValueError("a header holds a line end or a control character")
    return f"{head}\r\n\r\n".encode() + request.body


@lru_cache(maxsize=1024)
def _key(name: str) -> str:
    if not _is_token(name):
        raise ValueError("a header's name can't be sent")
    return name.lower()


def _is_token(text: str) -> bool:
    return _TOKEN.fullmatch(text) is not None


class Line(asyncio.Protocol):
    """One connection. `is_open`: another request may be sent on it."""

    __slots__ = (
        "_body",
        "_ended",
        "_fault",
        "_framing",
        "_has_head",
        "_headers",
        "_inflate",
        "_is_bare",
        "_is_interim",
        "_most",
        "_parser",
        "_room",
        "_size",
        "_status",
        "_transport",
        "_until_close",
        "_waiter",
        "_window",
        "idle_since",
        "is_open",
    )

    def __init__(self) -> None:
        self._transport: asyncio.Transport | None = None
        self._waiter: asyncio.Future[Response] | None = None
        self._parser = httptools.HttpResponseParser(self)
        self._most = 0
        self._is_bare = False
        self.is_open = False
        self.idle_since = 0.0
        self._begin()

    # --- the connection ---

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self.is_open = True

    def connection_lost(self, exc: Exception | None) -> None:
        self.is_open = False
        if self._waiter is None or self._waiter.done():
            return
        if exc is None and self._until_close:
            self.on_message_complete()
        self._fail(self._fault or AnswerLost("the connection was closed before the answer was whole"))

    def eof_received(self) -> bool:
        return False

    def close(self) -> None:
        """At once: what is still to come is for nobody."""
        self.is_open = False
        if self._transport is not None:
            self._transport.abort()

    # --- a request ---

    def ask(self, data: bytes, *, is_bare: bool, max_bytes: int) -> asyncio.Future[Response]:
        """Send it; the answer of at most `max_bytes` (unpacked). `is_bare`: whatever its head says, it has no body."""
        assert self._transport is not None
        self._most, self._is_bare = max_bytes, is_bare
        self._begin()
        self._waiter = asyncio.get_running_loop().create_future()
        self._transport.write(data)
        return self._waiter

    @property
    def is_free(self) -> bool:
        """Its answer is whole, and another request may follow."""
        return self.is_open and self._ended

    def late(self) -> None:
        self._fail(CallTimedOut("no whole answer came in time"))

    # --- an answer ---

    def data_received(self, data: bytes) -> None:
        if self._waiter is None or self._waiter.done():
            self.close()  # nobody has asked: what it says is no answer to a later request
            return
        before = self._size
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError as error:
            self._fail(self._fault or AnswerLost(f"the answer breaks the protocol ({type(error).__name__})"))
            return
        if self._fault is not None:
            self._fail(self._fault)
            return
        self._framing += len(data) - (self._size - before)
        if not self._ended and self._framing > MOST_FRAMING + _FRAMING_OF_A_BYTE * self._size:
            self._fail(AnswerLost("the head of the answer, or what frames its body, is too large"))

    def _begin(self) -> None:
        self._status = 0
        self._headers: dict[str, str] = {}
        self._body: list[bytes] = []
        self._size = self._framing = self._window = 0
        self._room = self._most
        self._inflate: Any = None
        self._fault: EngineError | None = None
        self._has_head = self._is_interim = self._until_close = self._ended = False

    def on_message_begin(self) -> None:
        if self._ended:
            self.close()  # more came than one answer: who knows what for
        self._headers, self._has_head, self._is_interim = {}, False, False

    def on_header(self, name: bytes, value: bytes) -> None:
        if self._has_head:  # a trailer
            return
        key = name.decode("latin-1").lower()
        text = value.decode("utf-8", "surrogateescape").strip(" \t")
        self._headers[key] = f"{self._headers[key]}, {text}" if key in self._headers else text

    def on_headers_complete(self) -> None:
        self._has_head = True
        self._status = self._parser.get_status_code()
        if self._status < 200:
            self._is_interim = True
            return
        headers = self._headers
        coding = headers.get("transfer-encoding", "").lower()
        length = headers.get("content-length")
        if coding not in ("", "chunked"):
            self._fault = AnswerLost("the answer is coded in a way that was not asked for")
        elif self._is_bare:
            self._complete()
        elif length is not None and length.isdecimal() and int(length) > self._most:
            self._fault = self._too_large()
        else:
            self._until_close = length is None and not coding and self._status not in (204, 304)
            self._unpack(headers.get("content-encoding", "").strip().lower())

    def _unpack(self, encoding: str) -> None:
        if encoding in ("", "identity"):
            return
        if encoding not in _WINDOWS:
            self._fault = AnswerLost("the answer is packed in a way that was not asked for")
            return
        self._window = _WINDOWS[encoding]
        self._inflate = zlib.decompressobj(self._window)

    def on_body(self, body: bytes) -> None:
        self._size += len(body)
        if self._fault is not None or self._ended:
            return
        if self._inflate is not None:
            try:
                body = self._unpacked(body)
            except zlib.error:
                self._fault = AnswerLost("the answer can't be unpacked")
                return
        self._room -= len(body)
        if self._room < 0:
            self._fault = self._too_large()
        elif body:
            self._body.append(body)

    def _unpacked(self, body: bytes) -> bytes:
        """At most a byte more than there is room for: a bomb does not go off."""
        if self._size == len(body) and self._window == _ZLIB and body[0] & 0x0F != 8:
            self._inflate = zlib.decompressobj(-_ZLIB)  # deflate without its header, which many servers send
        made: bytes = self._inflate.decompress(body, self._room + 1)
        while self._inflate.eof and self._inflate.unused_data and self._window == _GZIP and len(made) <= self._room:
            rest, self._inflate = self._inflate.unused_data, zlib.decompressobj(_GZIP)
            made += self._inflate.decompress(rest, self._room + 1 - len(made))
        return made

    def on_message_complete(self) -> None:
        if self._is_interim or self._ended or self._fault is not None:
            return
        if self._inflate is not None and self._size and not self._inflate.eof:
            self._fault = AnswerLost("the packed answer ends too soon")
            return
        self._complete()

    def _complete(self) -> None:
        self._ended = True
        if self._is_bare or self._until_close or not self._parser.should_keep_alive():
            self.close()
        body = self._body[0] if len(self._body) == 1 else b"".join(self._body)
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(Response(self._status, self._headers, body))

    def _too_large(self) -> AnswerTooLarge:
        return AnswerTooLarge(f"the answer is larger than {self._most} bytes")

    def _fail(self, error: EngineError) -> None:
        self.close()
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_exception(error)
