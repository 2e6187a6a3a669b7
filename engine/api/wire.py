"""One HTTP exchange as the routes see it: a `Call` in, a `Reply` out, and the reading of headers and bodies.

A body is read only after the caller was authorised, never beyond the operator's limit, and once.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Awaitable, Callable, Mapping, MutableMapping, Sequence
from dataclasses import field
from typing import Any

from engine.errors import Issue, RequestError
from engine.frozen import frozen, slotted
from engine.library import exact

Message = MutableMapping[str, Any]
Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Headers = Mapping[bytes, bytes]

IDEMPOTENCY_KEY_LIMIT = 255
JSON = b"application/json"
GATEWAY = "aws.event"
"""Where the scope holds what a gateway of AWS says of the request; servers of our own never set it."""

_JSON_TYPE = re.compile(rb'application/json(?:\s*;\s*charset="?utf-?8"?)?\s*', re.IGNORECASE)
_TENANT = re.compile(rb"[A-Za-z0-9_.-]{1,128}")
_SINGLE = frozenset({b"authorization", b"x-tenant-id", b"idempotency-key", b"content-type"})
_KEY = re.compile(rb"[\x20-\x7e]+")


class Disconnected(Exception):
    """The caller hung up before the whole body came; nobody waits for an answer."""


@slotted  # made for every request: a frozen one takes longer to make
class Reply:
    """What goes back. `cache` is the Cache-Control: what tenants own is kept by nobody. An empty type is not sent."""

    body: bytes
    status: int = 200
    content_type: bytes = JSON
    cache: bytes = b"no-store"
    headers: tuple[tuple[bytes, bytes], ...] = ()


@slotted  # made for every request: a frozen one takes longer to make
class Call:
    """What a route gets, checked: path parameters, query and body are what the operation declares."""

    tenant: str
    params: Mapping[str, str]
    query: Mapping[str, Any]
    body: Any = field(default=None, repr=False)
    headers: Headers = field(default_factory=dict, repr=False)


@frozen
class Received:
    """A whole message from a provider. `target`: path and query as they were sent; header names are lower-case."""

    method: str
    target: str = field(repr=False)
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)


def ok(value: Any, *headers: tuple[bytes, bytes]) -> Reply:
    return Reply(exact.dumps(value), headers=headers)


def single_headers(pairs: list[tuple[bytes, bytes]]) -> dict[bytes, bytes]:
    """Headers by lower-case name. The ones that decide who calls what are dropped when they come twice.

    A proxy and a caller that both set one would otherwise leave it to luck whose word counts.
    """
    headers = dict(pairs)
    if len(headers) != len(pairs):
        names = [name for name, _ in pairs]
        for name in _SINGLE:
            if names.count(name) > 1:
                headers[name] = b""
    return headers


class Incoming:
    """A request as the gate sees it: what came with its head, and its body, which is read once and when it is asked
    for. `limit`: of the body, in bytes.
    """

    __slots__ = ("_body", "_digest", "_limit", "_receive", "_scope", "headers")

    def __init__(self, scope: Scope, receive: Receive, headers: Headers, limit: int) -> None:
        self._scope, self._receive, self._limit = scope, receive, limit
        self._body: bytes | None = None
        self._digest: str | None = None
        self.headers = headers

    @property
    def method(self) -> str:
        return str(self._scope["method"])

    @property
    def path(self) -> bytes:
        return raw_path(self._scope)

    @property
    def query(self) -> bytes:
        return bytes(self._scope.get("query_string", b""))

    @property
    def pairs(self) -> Sequence[tuple[bytes, bytes]]:
        pairs: Sequence[tuple[bytes, bytes]] = self._scope["headers"]
        return pairs

    @property
    def gateway(self) -> Mapping[str, Any] | None:
        event: Mapping[str, Any] | None = self._scope.get(GATEWAY)
        return event

    async def body(self) -> bytes:
        """Raises `RequestError` beyond the limit, and where its hash is not the promised one."""
        if self._body is None:
            self._body = await read_body(self._receive, self.headers, self._limit)
        if self._digest is not None and hashlib.sha256(self._body).hexdigest() != self._digest:
            raise RequestError("UNAUTHORIZED", "the body is not the one that was signed")
        return self._body

    def promise(self, digest: str) -> None:
        """The body has this SHA-256 (hex), or it is refused."""
        self._digest = digest


def raw_path(scope: Scope) -> bytes:
    """As it was sent, without query and without what the server has taken away before us."""
    sent: bytes = scope["raw_path"]
    return sent.partition(b"?")[0].removeprefix(scope.get("root_path", "").encode())


async def received(scope: Scope, receive: Receive, headers: Headers, limit: int) -> Received:
    """Raises `RequestError` for a body beyond the limit (bytes). A header that came twice holds both texts."""
    body = await read_body(receive, headers, limit)
    joined: dict[str, str] = {}
    for raw_name, raw_value in scope["headers"]:
        name, value = raw_name.decode("latin-1").lower(), raw_value.decode("latin-1")
        joined[name] = f"{joined[name]}, {value}" if name in joined else value
    path = raw_path(scope).decode("latin-1")
    query = scope.get("query_string", b"").decode("latin-1")
    return Received(scope["method"], f"{path}?{query}" if query else path, joined, body)


def tenant_of(headers: Headers) -> str:
    """The tenant that the caller acts for. Raises `RequestError` when the header is absent, repeated or malformed."""
    raw = headers.get(b"x-tenant-id")
    if raw is None or not _TENANT.fullmatch(raw) or raw in (b".", b".."):
        what = "is missing" if raw is None else "must be 1-128 of A-Z a-z 0-9 _ . - and not . or .., given once"
        raise bad_request("the X-Tenant-Id header is needed", Issue(what, ("headers", "X-Tenant-Id")))
    return raw.decode("ascii")


def idempotency_key(headers: Headers) -> str | None:
    """The caller's key for this request. Raises `RequestError` when it is empty, too long or not printable ASCII."""
    raw = headers.get(b"idempotency-key")
    if raw is None:
        return None
    if len(raw) > IDEMPOTENCY_KEY_LIMIT or not _KEY.fullmatch(raw):
        what = f"must be 1-{IDEMPOTENCY_KEY_LIMIT} bytes of printable ASCII, given once"
        raise bad_request("the Idempotency-Key header can't be used", Issue(what, ("headers", "Idempotency-Key")))
    return raw.decode("ascii")


async def read_body(receive: Receive, headers: Headers, limit: int) -> bytes:
    """The whole body. Raises `RequestError` beyond the limit (bytes), however the length was announced."""
    length = headers.get(b"content-length", b"")
    if length.isdigit() and (len(length) > 15 or int(length) > limit):
        raise too_large(limit)
    message = await receive()
    if message["type"] == "http.request" and not message.get("more_body", False):
        body: bytes = message.get("body", b"")  # the usual case: it came in one piece
        return _within(body, limit)
    chunks = bytearray()
    while message["type"] == "http.request":
        chunks += message.get("body", b"")
        if len(chunks) > limit or not message.get("more_body", False):
            return _within(bytes(chunks), limit)
        message = await receive()
    raise Disconnected


def _within(body: bytes, limit: int) -> bytes:
    if len(body) > limit:
        raise too_large(limit)
    return body


def parse_body(body: bytes, headers: Headers) -> Any:
    """The JSON value of a body that is not empty; numbers keep every digit."""
    if not _JSON_TYPE.fullmatch(headers.get(b"content-type", b"")):
        raise RequestError("UNSUPPORTED_MEDIA_TYPE", "a body must be application/json in UTF-8")
    if headers.get(b"content-encoding", b"identity").lower() != b"identity":
        raise RequestError("UNSUPPORTED_MEDIA_TYPE", "a body must not be compressed")
    try:
        value = exact.loads(body)
    except (ValueError, RecursionError):  # the parser's own words quote the text
        raise bad_request("the body is not JSON", Issue("is not well-formed JSON in UTF-8")) from None
    return value


def bad_request(message: str, *issues: Issue) -> RequestError:
    return RequestError("BAD_REQUEST", message, issues)


def too_large(limit: int) -> RequestError:
    return RequestError("PAYLOAD_TOO_LARGE", f"the body is larger than {limit} bytes")
