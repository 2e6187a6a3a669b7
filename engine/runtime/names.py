"""From a host's name to addresses that may be called.

A name resolves to public addresses only, and what was checked is what is connected to: no second look-up can give
another answer.
"""

from __future__ import annotations

import asyncio
import socket
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Final, NamedTuple

from engine.runtime.url import private_address

_FRESH_SECONDS: Final = 10.0
_MOST: Final = 1000


class Unresolved(OSError):
    """The message says why, and names no host."""


class Address(NamedTuple):
    host: str
    port: int


class Names:
    """`exempt`: hosts and ports the operator vouches for; `allow_private`: any address.

    `threads`: so many of its own, for hosts that tenants name: a name server that hangs holds up these only. None:
    those that the whole process shares.
    """

    def __init__(self, *, exempt: frozenset[tuple[str, int]], allow_private: bool, threads: int | None) -> None:
        self._exempt = exempt
        self._allow_private = allow_private
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="lookup") if threads is not None else None
        self._known: dict[tuple[str, int], tuple[float, tuple[Address, ...]]] = {}
        self._asked: dict[tuple[str, int], asyncio.Future[tuple[Address, ...]]] = {}

    async def addresses(self, host: str, port: int) -> tuple[Address, ...]:
        """At least one. Raises `Unresolved`."""
        is_vouched = self._allow_private or (host, port) in self._exempt
        if ":" in host or host.replace(".", "").isdigit():  # an address itself
            if not is_vouched and private_address(host):
                raise Unresolved("the host is not a public address")
            return (Address(host, port),)
        until, found = self._known.get((host, port), (0.0, ()))
        if until < time.monotonic():
            found = await self._look_up(host, port)
            if len(self._known) >= _MOST:
                self._known.clear()
            self._known[host, port] = (time.monotonic() + _FRESH_SECONDS, found)
        if is_vouched:
            return found
        public = tuple(one for one in found if not private_address(one.host))
        if not public:
            raise Unresolved("the host has no public address")
        return public

    async def _look_up(self, host: str, port: int) -> tuple[Address, ...]:
        """Asked once, however many wait: who hangs up leaves the others waiting for the same answer."""
        asked = self._asked.get((host, port))
        if asked is None:
            asked = asyncio.get_running_loop().run_in_executor(self._pool, _ask, host, port)
            self._asked[host, port] = asked
            asked.add_done_callback(lambda _: self._asked.pop((host, port), None))
        try:
            found = await asyncio.shield(asked)
        except asyncio.CancelledError:
            if not asked.cancelled():
                raise
            raise Unresolved("names are looked up no more") from None
        if not found:
            raise Unresolved("the host's name can't be resolved")
        return found

    def close(self) -> None:
        if self._pool is not None:
            self._pool.shutdown(wait=False, cancel_futures=True)


def _ask(host: str, port: int) -> tuple[Address, ...]:
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_ADDRCONFIG)
    except (OSError, UnicodeError):
        return ()
    return tuple(dict.fromkeys(Address(str(address[0]), port) for *_, address in found))
