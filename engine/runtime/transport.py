"""The wire: HTTP/1.1 over connections that are kept.

Redirects are never followed, cookies never kept, proxies of the environment never used, nothing is ever sent twice,
and reading stops at the size cap. What goes wrong is one of four errors, here and nowhere else.
"""

from __future__ import annotations

import asyncio
import os
import re
import ssl
from functools import lru_cache
from typing import Final, Protocol

from engine.errors import ConnectFailed
from engine.model import Request, Response
from engine.runtime.http1 import Line, written
from engine.runtime.names import Address, Names, Unresolved
from engine.runtime.pool import Origin, Pool
from engine.runtime.url import UnsafeUrl, split

CONNECT_SECONDS: Final = 5.0
_MOST, _MOST_PER_ORIGIN = 2048, 512  # a provider that hangs holds its own share, not everybody's


class Transport(Protocol):
    async def send(self, request: Request, *, timeout: float, max_bytes: int) -> Response:  # noqa: ASYNC109 - the pool's own
        """One request, one whole answer within `timeout` seconds and `max_bytes` (decoded) bytes.

        Raises `ConnectFailed` (nothing was sent), `AnswerLost`, `CallTimedOut`, `AnswerTooLarge`.
        """
        ...

    async def close(self) -> None: ...


class HttpTransport:
    """`exempt`: hosts and ports the operator vouches for; `allow_private`: any address.

    `lookup_threads`: so many of its own, for hosts that tenants name; None: those that the whole process shares.
    """

    def __init__(
        self,
        *,
        exempt: frozenset[tuple[str, int]] = frozenset(),
        allow_private: bool = False,
        lookup_threads: int | None = None,
    ) -> None:
        self._names = Names(exempt=exempt, allow_private=allow_private, threads=lookup_threads)
        self._pool = Pool(self._connected, _MOST, _MOST_PER_ORIGIN)

    async def send(self, request: Request, *, timeout: float, max_bytes: int) -> Response:  # noqa: ASYNC109 - the pool's own
        loop = asyncio.get_running_loop()
        now = loop.time()
        deadline = now + timeout
        try:
            origin, host, target = _parts(request.url)
            data = written(request, host, target)
        except ValueError as error:
            raise ConnectFailed(f"the request can't be sent: {error}") from None
        pool = self._pool
        place = pool.place(origin)
        line = pool.kept(place, now) or await pool.another(place, deadline)
        timer = loop.call_at(deadline, line.late)
        try:
            return await line.ask(data, is_bare=request.method == "HEAD", max_bytes=max_bytes)
        finally:
            timer.cancel()
            pool.give_back(place, line, loop.time())

    async def _connected(self, origin: Origin, deadline: float) -> Line:
        loop = asyncio.get_running_loop()
        try:
            # Looking a name up may take all the time there is: where the first name server is dead, the second is
            # asked after five seconds only.
            async with asyncio.timeout_at(deadline):
                found = await self._names.addresses(origin.host, origin.port)
            limit = min(deadline, loop.time() + CONNECT_SECONDS)
            async with asyncio.timeout_at(limit):
                return await _to_one_of(found, origin, limit)
        except Unresolved as error:
            raise ConnectFailed(str(error)) from None
        except TimeoutError:
            raise ConnectFailed("connecting took too long") from None
        except ssl.SSLError:
            raise ConnectFailed("TLS failed") from None
        except OSError:
            raise ConnectFailed("the connection was refused or failed") from None

    async def close(self) -> None:
        """Calls under way lose their answers; none is sent any more."""
        await self._pool.close()
        self._names.close()


async def _to_one_of(addresses: tuple[Address, ...], origin: Origin, limit: float) -> Line:
    """Connected to the first that answers; one that says nothing leaves time for the others. Raises `OSError`."""
    loop, tls = asyncio.get_running_loop(), _trusted(*_certificates()) if origin.is_tls else None
    name = origin.host if origin.is_tls else None
    for left in range(len(addresses), 0, -1):
        address = addresses[-left]
        share = (limit - loop.time()) / left
        try:
            async with asyncio.timeout(share if left > 1 else None):
                _, line = await loop.create_connection(Line, address.host, address.port, ssl=tls, server_hostname=name)
                return line
        except ssl.SSLError:
            raise
        except OSError:  # also that its share of the time is over
            if left == 1:
                raise
    raise OSError("there is no address")


def _certificates() -> tuple[str | None, str | None]:
    return os.environ.get("SSL_CERT_FILE"), os.environ.get("SSL_CERT_DIR")


@lru_cache(maxsize=8)
def _trusted(_file: str | None, _folder: str | None) -> ssl.SSLContext:
    """Made once: it takes 20 ms. The certificates are those that these variables name, or the system's."""
    return ssl.create_default_context()


_AUTHORITY: Final = re.compile(r"[^:/?#]*://[^/?#]*")


def _parts(url: str) -> tuple[Origin, str, str]:
    """What connections are kept by, the Host header and the target. Raises ValueError."""
    found = _AUTHORITY.match(url)
    if found is None:
        raise UnsafeUrl("the URL is not absolute")
    origin, host = _origin(found[0])
    target = url[found.end() :]
    return origin, host, target if target.startswith("/") else "/" + target


@lru_cache(maxsize=1024)
def _origin(text: str) -> tuple[Origin, str]:
    found = split(text)
    return Origin(found.scheme == "https", found.host, found.port), found.origin.partition("//")[2]
