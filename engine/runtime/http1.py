"""HTTP/1.1 on one connection: a request as bytes, an answer from bytes.

The parser is llhttp (httptools), strict but for two things that careless servers write. One request at a time; nothing
is ever sent twice. An answer that breaks the protocol, or whose head and framing are larger than `MOST_FRAMING`, is
lost.
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
_TARGET: Final = re.compile(r"[\x21\x22\x24-\x7e]+")
_UNFIT: Final = r"[\x00-\x08\x0a-\x1f\x7f\ud800-\udfff]"  # hardly ever asked for, and long to compile
"""In no header's value; what has no UTF-8 neither."""
_MOST_REPEATED: Final = 1000
_MOST_MEMBERS: Final = 1000
"""Headers that come again, and gzips in one answer: joining them takes the square of their number."""
_OURS: Final = frozenset(
    {"connection", "content-length", "transfer-encoding", "keep-alive", "upgrade", "te", "trailer"}
)
_GZIP: Final = 31
_ZLIB: Final = 15
_WINDOWS: Final = {"gzip": _GZIP, "x-gzip": _GZIP, "deflate": _ZLIB}


def written(request: Request, host: str, target: str) -> bytes:
    """The request as it is sent. `host`: for the Host header; what frames the request is ours, whatever the spec says.

    Raises ValueError for what would be read as something else than it is: a line end, a control character, two hosts.
    """
    if not _is_token(request.method) or not _TARGET.fullmatch(target):
        raise ValueError("the method or the target can't be sent")
    lines, named = [f"{request.method} {target} HTTP/1.1"], set()
    for name, value in request.headers:
        key = _key(name)
        if key == "host" and key in named:
            raise ValueError("it names two hosts")
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
    values = "".join([value for _, value in request.headers])
    if not values.isprintable() and re.search(_UNFIT, values):  # the first is the faster one, and nearly always enough
        raise ValueError("a header holds a line end or a control character")
    lines.append("\r\n")
    return "\r\n".join(lines).encode() + request.body


@lru_cache(maxsize=1024)
def _key(name: str) -> str:
    if not _is_token(name):
        raise ValueError("a header's name can't be sent")
    return name.lower()


def _is_token(text: str) -> bool:
    return _TOKEN.fullmatch(text) is not None


class Line(asyncio.Protocol):
    """One connection. `idle_since`: who keeps it notes there when it became free."""

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
        "_is_up",
        "_members",
        "_most",
        "_parser",
        "_repeated",
        "_room",
        "_size",
        "_status",
        "_transport",
        "_until_close",
        "_waiter",
        "_window",
        "idle_since",
    )

    def __init__(self) -> None:
        self._transport: asyncio.Transport | None = None
        self._waiter: asyncio.Future[Response] | None = None
        self._parser = httptools.HttpResponseParser(self)
        # Written by servers that most clients understand: a line that ends in LF alone, blanks after a chunk's size.
        self._parser.set_dangerous_leniencies(lenient_optional_cr_before_lf=True, lenient_spaces_after_chunk_size=True)
        self._most = 0
        self._is_bare = False
        self._is_up = False
        self.idle_since = 0.0
        self._begin()

    # --- the connection ---

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._is_up = True

    def connection_lost(self, exc: Exception | None) -> None:
        self._is_up = False
        if self._waiter is None or self._waiter.done():
            return
        if exc is None and self._until_close:
            self.on_message_complete()
        self._fail(self._fault or AnswerLost("the connection failed before the answer was whole"))

    def eof_received(self) -> bool:
        self._is_up = False
        return False

    @property
    def is_open(self) -> bool:
        """Another request may be sent on it."""
        return self._is_up and self._transport is not None and not self._transport.is_closing()

    def close(self) -> None:
        """At once: what is still to come is for nobody, and ends no answer."""
        self._is_up = self._until_close = False
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
        """Its answer is whole, and another request may follow: this one has left whole, too."""
        transport = self._transport
        return self._ended and self._is_up and transport is not None and not transport.get_write_buffer_size()

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
        except (httptools.HttpParserError, httptools.HttpParserUpgrade) as error:
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
        self._body: bytes | bytearray = b""
        self._size = self._framing = self._window = self._members = self._repeated = 0
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
        if key not in self._headers:
            self._headers[key] = text
            return
        self._repeated += 1
        if self._repeated <= _MOST_REPEATED:
            self._headers[key] += f", {text}"
        else:
            self._fault = AnswerLost("the answer repeats too many headers")

    def on_headers_complete(self) -> None:
        self._has_head = True
        self._status = self._parser.get_status_code()
        if self._status < 200:
            self._is_interim = True
            return
        headers = self._headers
        coding = headers.get("transfer-encoding", "").lower()
        length = headers.get("content-length")
        if coding not in ("", "chunked", "chunked, chunked"):  # some proxies say it once more
            self._fault = AnswerLost("the answer is coded in a way that was not asked for")
        elif self._is_bare:
            self._complete()
        elif self._status in (204, 304):
            pass  # there is no body, whatever the length would be
        elif length is not None and int(length) > self._most:
            self._fault = self._too_large()
        else:
            self._until_close = length is None and not coding
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
        if self._is_interim:
            self._fault = AnswerLost("the answer breaks the protocol")
            return
        if self._size > self._most:  # what is packed so badly, or unpacks to nothing, counts as it came
            self._fault = self._too_large()
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
        elif not self._body:
            self._body = body
        else:
            if isinstance(self._body, bytes):
                self._body = bytearray(self._body)
            self._body += body

    def _unpacked(self, body: bytes) -> bytes:
        """At most a byte more than there is room for: a bomb does not go off. Raises `zlib.error`."""
        if self._size == len(body) and self._window == _ZLIB and body[0] & 0x0F != 8:
            self._inflate = zlib.decompressobj(-_ZLIB)  # deflate without its header, which many servers send
        made: bytes = self._inflate.decompress(body, self._room + 1)
        while self._inflate.eof and self._inflate.unused_data and len(made) <= self._room:
            self._members += 1
            if self._window != _GZIP or self._members > _MOST_MEMBERS:
                raise zlib.error("more follows than can be")
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
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(Response(self._status, self._headers, bytes(self._body)))

    def _too_large(self) -> AnswerTooLarge:
        return AnswerTooLarge(f"the answer is larger than {self._most} bytes")

    def _fail(self, error: EngineError) -> None:
        self.close()
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_exception(error)
