"""The wire: HTTP/1.1 over connections that are kept.

Redirects are never followed, cookies never kept, proxies of the environment never used, nothing is ever sent twice,
and reading stops at the size cap. What goes wrong is one of four errors, here and nowhere else.
"""

from __future__ import annotations

import asyncio
import os
import re
import ssl
from collections import deque
from functools import lru_cache
from typing import Final, NamedTuple, Protocol

from engine.errors import ConnectFailed
from engine.model import Request, Response
from engine.runtime.http1 import Line, written
from engine.runtime.names import Address, Names, Unresolved
from engine.runtime.url import UnsafeUrl, split

CONNECT_SECONDS: Final = 5.0
IDLE_SECONDS: Final = 15.0
"""A connection that nobody used for so long is not used again: the other side may be closing it just now."""
_MOST, _MOST_PER_HOST = 2048, 512  # a provider that hangs holds its own share, not everybody's


class Transport(Protocol):
    async def send(self, request: Request, *, timeout: float, max_bytes: int) -> Response:  # noqa: ASYNC109 - the pool's own
        """One request, one whole answer within `timeout` seconds and `max_bytes` (decoded) bytes.

        Raises `ConnectFailed` (nothing was sent), `AnswerLost`, `CallTimedOut`, `AnswerTooLarge`.
        """
        ...

    async def close(self) -> None: ...


class Origin(NamedTuple):
    """What connections are kept by."""

    is_tls: bool
    host: str
    port: int


class _Place:
    """The connections to one origin; `waiting`: who waits for one of them."""

    __slots__ = ("count", "idle", "waiting")

    def __init__(self) -> None:
        self.count = 0
        self.idle: list[Line] = []
        self.waiting: deque[asyncio.Future[None]] = deque()


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
        self._places: dict[Origin, _Place] = {}
        self._open: set[Line] = set()
        self._count = 0  # of those that are open, and those that are being opened
        self._waiting: deque[asyncio.Future[None]] = deque()  # for a connection to whatever place
        self._sweep: asyncio.TimerHandle | None = None

    async def send(self, request: Request, *, timeout: float, max_bytes: int) -> Response:  # noqa: ASYNC109 - the pool's own
        loop = asyncio.get_running_loop()
        deadline = loop.time() + timeout
        try:
            origin, host, target = _parts(request.url)
            data = written(request, host, target)
        except ValueError as error:
            raise ConnectFailed(f"the request can't be sent: {error}") from None
        place = self._places.get(origin)
        if place is None:
            place = self._places[origin] = _Place()
        line = self._kept(place, loop.time()) or await self._another(origin, place, deadline)
        timer = loop.call_at(deadline, line.late)
        try:
            return await line.ask(data, is_bare=request.method == "HEAD", max_bytes=max_bytes)
        finally:
            timer.cancel()
            self._give_back(place, line, loop)

    def _kept(self, place: _Place, now: float) -> Line | None:
        """The connection that was used last, where one may be used again."""
        while place.idle:
            line = place.idle.pop()
            if line.is_open and now - line.idle_since < IDLE_SECONDS:
                return line
            self._drop(place, line)
        return None

    async def _another(self, origin: Origin, place: _Place, deadline: float) -> Line:
        """A new connection, or one that has become free. Raises `ConnectFailed`."""
        loop = asyncio.get_running_loop()
        while place.count >= _MOST_PER_HOST or self._count >= _MOST:
            await _turn(place.waiting if place.count >= _MOST_PER_HOST else self._waiting, deadline)
            line = self._kept(place, loop.time())
            if line is not None:
                return line
        place.count, self._count = place.count + 1, self._count + 1
        try:
            line = await self._connected(origin, deadline)
        except BaseException:
            self._left(place)
            raise
        self._open.add(line)
        return line

    async def _connected(self, origin: Origin, deadline: float) -> Line:
        loop = asyncio.get_running_loop()
        limit = min(deadline, loop.time() + CONNECT_SECONDS)
        try:
            async with asyncio.timeout_at(limit):
                found = await self._names.addresses(origin.host, origin.port)
                return await _to_one_of(found, origin)
        except Unresolved as error:
            raise ConnectFailed(str(error)) from None
        except TimeoutError:
            raise ConnectFailed("connecting took too long") from None
        except ssl.SSLError:
            raise ConnectFailed("TLS failed") from None
        except OSError:
            raise ConnectFailed("the connection was refused or failed") from None

    def _give_back(self, place: _Place, line: Line, loop: asyncio.AbstractEventLoop) -> None:
        """One whose answer was not whole is not used again."""
        if not line.is_free:
            self._drop(place, line)
            return
        line.idle_since = loop.time()
        place.idle.append(line)
        _wake(place.waiting)
        if self._sweep is None:
            self._sweep = loop.call_later(IDLE_SECONDS, self._close_idle)
        if self._waiting:  # for another place: this one makes room
            self._drop(place, place.idle.pop(0))

    def _drop(self, place: _Place, line: Line) -> None:
        line.close()
        self._open.discard(line)
        self._left(place)

    def _left(self, place: _Place) -> None:
        place.count, self._count = place.count - 1, self._count - 1
        _wake(place.waiting)
        _wake(self._waiting)

    def _close_idle(self) -> None:
        loop = asyncio.get_running_loop()
        oldest = loop.time() - IDLE_SECONDS
        for origin, place in list(self._places.items()):
            for line in [one for one in place.idle if not one.is_open or one.idle_since <= oldest]:
                place.idle.remove(line)
                self._drop(place, line)
            if not place.count and not place.waiting:
                del self._places[origin]
        kept = any(place.idle for place in self._places.values())
        self._sweep = loop.call_later(IDLE_SECONDS, self._close_idle) if kept else None

    async def close(self) -> None:
        if self._sweep is not None:
            self._sweep.cancel()
            self._sweep = None
        for line in list(self._open):
            line.close()
        self._names.close()
        await asyncio.sleep(0)  # lets the sockets close before the loop does


async def _turn(waiting: deque[asyncio.Future[None]], deadline: float) -> None:
    turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    waiting.append(turn)
    try:
        async with asyncio.timeout_at(deadline):
            await turn
    except TimeoutError:
        raise ConnectFailed("no connection was free in time") from None
    finally:
        if turn in waiting:
            waiting.remove(turn)
        elif turn.cancelled() or not turn.done():
            _wake(waiting)


def _wake(waiting: deque[asyncio.Future[None]]) -> None:
    while waiting:
        turn = waiting.popleft()
        if not turn.done():
            turn.set_result(None)
            return


async def _to_one_of(addresses: tuple[Address, ...], origin: Origin) -> Line:
    """Connected to the first that answers; one that says nothing leaves time for the others. Raises `OSError`."""
    loop, tls = asyncio.get_running_loop(), _trusted(*_certificates()) if origin.is_tls else None
    name = origin.host if origin.is_tls else None
    share = CONNECT_SECONDS / len(addresses)
    for at, address in enumerate(addresses, 1):
        is_last = at == len(addresses)
        try:
            async with asyncio.timeout(None if is_last else share):
                _, line = await loop.create_connection(Line, address.host, address.port, ssl=tls, server_hostname=name)
                return line
        except ssl.SSLError:
            raise
        except OSError:  # also that its share of the time is over
            if is_last:
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
