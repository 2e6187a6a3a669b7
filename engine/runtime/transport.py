"""The wire. The only file that knows the HTTP client; its exceptions are translated here and nowhere else.

One session per process: connections are kept alive, redirects are never followed, nothing is ever sent twice by
the client itself, and reading stops at the size cap.
"""

from __future__ import annotations

import asyncio
import math
import socket
import ssl
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import lru_cache
from typing import Any, Protocol

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.resolver import ThreadedResolver
from yarl import URL

from engine.errors import AnswerLost, AnswerTooLarge, CallTimedOut, ConnectFailed
from engine.model import Request, Response
from engine.runtime.url import private_address

CONNECT_SECONDS = 5.0
_POOL, _POOL_PER_HOST = 2048, 512  # a provider that hangs holds its own share, not everybody's


class Transport(Protocol):
    async def send(self, request: Request, *, timeout: float, max_bytes: int) -> Response:  # noqa: ASYNC109 - the client's own
        """One request, one whole answer within `timeout` seconds and `max_bytes` (decoded) bytes.

        Raises `ConnectFailed` (nothing was sent), `AnswerLost`, `CallTimedOut`, `AnswerTooLarge`.
        """
        ...

    async def close(self) -> None: ...


class _OwnThreads(AbstractResolver):
    """Looks names up in threads that nobody else needs: a name server that hangs holds up these lookups only."""

    def __init__(self, threads: int) -> None:
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="lookup")

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        def look_up() -> list[ResolveResult]:
            kind, flags = socket.SOCK_STREAM, socket.AI_ADDRCONFIG
            found = socket.getaddrinfo(host, port, family=family, type=kind, flags=flags)
            numeric = socket.AI_NUMERICHOST | socket.AI_NUMERICSERV
            return [
                ResolveResult(
                    hostname=host, host=str(address[0]), port=int(address[1]), family=of, proto=proto, flags=numeric
                )
                for of, _, proto, _, address in found
            ]

        return await asyncio.get_running_loop().run_in_executor(self._pool, look_up)

    async def close(self) -> None:
        self._pool.shutdown(wait=False, cancel_futures=True)


class _PublicResolver(AbstractResolver):
    """Names resolve to public addresses only, and the checked address is the one that is connected to."""

    def __init__(self, inner: AbstractResolver, exempt: frozenset[tuple[str, int]]) -> None:
        self._inner = inner
        self._exempt = exempt

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        found = await self._inner.resolve(host, port, family)
        if (host, port) in self._exempt:
            return found
        public = [entry for entry in found if not private_address(entry["host"])]
        if not public:
            raise OSError(None, "the host has no public address")
        return public

    async def close(self) -> None:
        await self._inner.close()


class HttpTransport:
    """HTTP/1.1 over aiohttp. `exempt`: hosts and ports the operator vouches for; `allow_private`: any address.

    `lookup_threads`: so many of its own, for hosts that tenants name; None: those that the whole process shares.
    """

    def __init__(
        self,
        *,
        exempt: frozenset[tuple[str, int]] = frozenset(),
        allow_private: bool = False,
        lookup_threads: int | None = None,
    ) -> None:
        self._exempt = exempt
        self._allow_private = allow_private
        self._lookup_threads = lookup_threads
        self._opened: aiohttp.ClientSession | None = None
        self._names: AbstractResolver | None = None

    def _session(self) -> aiohttp.ClientSession:
        """Opened on the first call, inside the running loop."""
        if self._opened is None:
            names = ThreadedResolver() if self._lookup_threads is None else _OwnThreads(self._lookup_threads)
            self._names = names
            resolver = names if self._allow_private else _PublicResolver(names, self._exempt)
            connector = aiohttp.TCPConnector(
                limit=_POOL,
                limit_per_host=_POOL_PER_HOST,
                ttl_dns_cache=10,
                resolver=resolver,
                ssl=ssl.create_default_context(),
            )
            self._opened = aiohttp.ClientSession(
                connector=connector,
                cookie_jar=aiohttp.DummyCookieJar(),
                auto_decompress=True,
                skip_auto_headers=("User-Agent", "Content-Type"),
                requote_redirect_url=False,
                trust_env=False,
            )
            # The client resends "idempotent" methods on a dropped connection; what may be resent is declared
            # by the spec's effect, not by the method.
            self._opened._retry_connection = False
        return self._opened

    async def send(self, request: Request, *, timeout: float, max_bytes: int) -> Response:  # noqa: ASYNC109 - the client's own
        url = URL(request.url, encoded=True)
        self._check_literal(url.host or "", url.port or 0)
        limits = _limits(math.floor(timeout * 10) / 10 if timeout > 1 else timeout)
        try:
            async with self._session().request(
                request.method,
                url,
                headers=request.headers,
                data=request.body or None,
                allow_redirects=False,
                timeout=limits,
            ) as answer:
                if answer.content.is_eof():  # the whole body came with its headers
                    body = _bounded(answer.content.read_nowait(), max_bytes)
                else:
                    with _failing_with_the_connection(answer):
                        body = await _read(answer, max_bytes)
                return Response(answer.status, _headers(answer), body)
        except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError, aiohttp.InvalidURL) as error:
            raise ConnectFailed(_reason(error)) from None
        except (TimeoutError, aiohttp.ServerTimeoutError):
            raise CallTimedOut("no whole answer came in time") from None
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise AnswerLost(f"the connection failed before the answer was whole ({type(error).__name__})") from None

    def _check_literal(self, host: str, port: int) -> None:
        """An address in the URL itself never meets the resolver."""
        is_address = ":" in host or host.replace(".", "").isdigit()
        is_vouched = self._allow_private or (host, port) in self._exempt
        if is_address and not is_vouched and private_address(host):
            raise ConnectFailed("the host is not a public address")

    async def close(self) -> None:
        if self._opened is not None:
            await self._opened.close()
            if self._names is not None:
                await self._names.close()
            await asyncio.sleep(0)  # lets the sockets close before the loop does


@contextmanager
def _failing_with_the_connection(answer: aiohttp.ClientResponse) -> Iterator[None]:
    """The body fails as soon as its connection is closed before its end.

    The client closes the connection on a malformed chunk without waking who reads: it would wait its whole time.
    """
    content, connection = answer.content, answer.connection
    if connection is None or connection.protocol is None:
        yield
        return

    def fail(_: object = None) -> None:
        if not content.is_eof() and content.exception() is None:
            content.set_exception(aiohttp.ClientPayloadError("the connection was closed before the answer was whole"))

    closed = connection.protocol.closed
    if closed is None:
        fail()
        yield
        return
    closed.add_done_callback(fail)
    try:
        yield
    finally:
        closed.remove_done_callback(fail)


@lru_cache(maxsize=512)
def _limits(timeout: float) -> aiohttp.ClientTimeout:
    return aiohttp.ClientTimeout(total=timeout, sock_connect=min(CONNECT_SECONDS, timeout))


def _bounded(body: bytes, max_bytes: int) -> bytes:
    if len(body) > max_bytes:
        raise AnswerTooLarge(f"the answer is larger than {max_bytes} bytes")
    return body


async def _read(answer: aiohttp.ClientResponse, max_bytes: int) -> bytes:
    length = answer.content_length
    if length is not None and length > max_bytes:
        raise AnswerTooLarge(f"the answer is larger than {max_bytes} bytes")
    chunks: list[bytes] = []
    size = 0
    async for chunk in answer.content.iter_any():
        size += len(chunk)
        if size > max_bytes:
            answer.close()
            raise AnswerTooLarge(f"the answer is larger than {max_bytes} bytes")
        chunks.append(chunk)
    return chunks[0] if len(chunks) == 1 else b"".join(chunks)


def _headers(answer: aiohttp.ClientResponse) -> dict[str, str]:
    headers: dict[str, str] = {}
    for name, value in answer.headers.items():
        key = name.lower()
        headers[key] = f"{headers[key]}, {value}" if key in headers else value
    return headers


def _reason(error: Any) -> str:
    """Why nothing was sent, without address or path."""
    if isinstance(error, aiohttp.ClientConnectorCertificateError | aiohttp.ClientSSLError):
        return "TLS failed"
    if isinstance(error, aiohttp.ClientConnectorDNSError):
        private = "no public address" in str(error)
        return "the host has no public address" if private else "the host's name can't be resolved"
    if isinstance(error, aiohttp.ConnectionTimeoutError):
        return "connecting took too long"
    return "the connection was refused or failed"
