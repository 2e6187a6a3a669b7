"""What goes over the wire, noted: a transport around another one, a clock, and both as a case writes them."""

from __future__ import annotations

import base64
import math
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from ulid import ULID

from engine.cases.match import pairs
from engine.cases.wire import parts_of, response_of
from engine.errors import AnswerTooLarge, CallTimedOut, ConnectFailed, TransportError
from engine.frozen import frozen
from engine.library import exact
from engine.model import Request, Response
from engine.runtime import egress, url
from engine.runtime.clock import SystemClock
from engine.runtime.send import SANDBOX_MISS
from engine.runtime.transport import Transport

_LATE_MS = 30_000  # beyond the time of any call
_USUAL = frozenset({"content-type", "accept", "user-agent"})  # headers that tell nothing about a request
_TELLING = frozenset({"retry-after", "link", "location"})  # headers of answers that the engine reads itself


@frozen
class Heard:
    """One request with its answer, or with how the wire failed."""

    request: Request
    response: Response | None
    failure: TransportError | None = None


class Recording:
    """A transport that notes what goes through another one. With `origin` requests are sent there in fact."""

    def __init__(self, inner: Transport, origin: str | None = None) -> None:
        self._inner = inner
        self._origin = origin
        self.heard: list[Heard] = []

    async def send(self, request: Request, *, timeout: float, max_bytes: int) -> Response:  # noqa: ASYNC109 - a port
        sent = egress.redirect(request, url.split(request.url).host, self._origin)
        try:
            response = await self._inner.send(sent, timeout=timeout, max_bytes=max_bytes)
        except TransportError as failure:
            self.heard.append(Heard(request, None, failure))
            raise
        self.heard.append(Heard(request, response))
        return response

    async def close(self) -> None:
        await self._inner.close()

    @property
    def miss(self) -> str | None:
        """What the provider sandbox said when it had no case for a request."""
        answers = (heard.response.headers for heard in self.heard if heard.response is not None)
        return next((headers[SANDBOX_MISS] for headers in answers if SANDBOX_MISS in headers), None)

    @property
    def too_large(self) -> bool:
        return any(isinstance(heard.failure, AnswerTooLarge) for heard in self.heard)


@dataclass
class RecordingClock(SystemClock):
    """The machine's, but the time of day stands still at a whole second, and what is drawn is noted."""

    epoch: float = field(default_factory=lambda: float(math.floor(time.time())))
    drawn: list[str] = field(default_factory=list)
    made: list[str] = field(default_factory=list)

    def now(self) -> float:
        return self.epoch

    def hex(self) -> str:
        self.drawn.append(super().hex())
        return self.drawn[-1]

    def ulid(self) -> str:
        self.made.append(str(ULID.from_timestamp(self.epoch)))
        return self.made[-1]


def expected(request: Request) -> dict[str, Any]:
    """`expect` of a case that wants exactly this request."""
    address, _, query = request.url.partition("?")
    expect: dict[str, Any] = {"method": request.method, "url": address}
    if query:
        expect["query"] = pairs(query)
    kind, body = _body(request)
    headers = {name: value for name, value in request.headers if name.lower() not in _USUAL}
    if headers:
        expect["headers"] = headers
    return {**expect, kind: body} if request.body else expect


def _body(request: Request) -> tuple[str, Any]:
    content_type = next((value for name, value in request.headers if name.lower() == "content-type"), "").lower()
    text = request.body.decode("utf-8", "replace")
    if "json" in content_type:
        try:
            return "json", exact.loads(request.body)
        except ValueError:
            return "raw", text
    if content_type.startswith("application/x-www-form-urlencoded"):
        return "form", pairs(text)
    if content_type.startswith("multipart/"):
        return "multipart", parts_of(request)
    return ("xml" if "xml" in content_type else "text"), text


def answered(heard: Heard, spec_text: str) -> dict[str, Any]:
    """`answer` of a case that plays it. Headers that neither the engine nor the spec reads stay away, and files:

    nobody can see what is in them."""
    if heard.response is None:
        if isinstance(heard.failure, CallTimedOut):
            return {"status": 200, "delayMs": _LATE_MS}
        return {"drop": "before" if isinstance(heard.failure, ConnectFailed) else "after"}
    response = heard.response
    answer: dict[str, Any] = {"status": response.status, **_answer_body(response)}
    headers = dict(_headers(response, answer, spec_text.lower()))
    return {"status": response.status, "headers": headers, **answer} if headers else answer


def _answer_body(response: Response) -> dict[str, Any]:
    if not response.body:
        return {}
    content_type = response.headers.get("content-type", "")
    try:
        text = response.body.decode("utf-8")
    except UnicodeDecodeError:
        return {"base64": base64.b64encode(b"a fake file").decode()}
    if text.lstrip("\ufeff \t\r\n")[:1] in ("{", "[") or "json" in content_type:
        try:
            return {"json": exact.loads(text)}
        except ValueError:
            pass  # then it is text
    if "form-urlencoded" in content_type:
        return {"form": pairs(text)}
    return {"xml" if "xml" in content_type else "text": text}


def _headers(response: Response, answer: Mapping[str, Any], spec_text: str) -> Iterator[tuple[str, str]]:
    usual = response_of(answer).headers.get("content-type", "")
    waits_for_date = "," in response.headers.get("retry-after", "")
    for name, value in response.headers.items():
        if name == "content-type":
            if value.partition(";")[0].strip().lower() != usual.partition(";")[0]:
                yield name, value.partition(";")[0].strip() if "base64" not in answer else value
        elif _is_read(name, spec_text) or (name == "date" and waits_for_date):
            yield name, value


def _is_read(name: str, spec_text: str) -> bool:
    return name in _TELLING or "ratelimit" in name or f"headers.{name}" in spec_text or f'headers."{name}"' in spec_text
