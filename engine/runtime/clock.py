"""Time and chance, so that a test or a case can freeze them."""

from __future__ import annotations

import asyncio
import os
import random
import secrets
import time
from functools import lru_cache
from typing import Protocol

# An id is made on every call, and python-ulid takes as long for it as the request takes to be built.
_BASE32 = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_RANDOM = (_BASE32 * 8).encode()  # for each byte the character of its lower five bits
_PAIRS = [first + second for first in _BASE32 for second in _BASE32]


class Clock(Protocol):
    def now(self) -> float:
        """Epoch seconds."""
        ...

    def monotonic(self) -> float:
        """Seconds that never run backwards."""
        ...

    async def sleep(self, seconds: float) -> None: ...

    def hex(self) -> str:
        """32 random lower-case hex characters, unguessable."""
        ...

    def secret(self) -> str:
        """43 characters of A-Z a-z 0-9 - _ that hold 32 random bytes."""
        ...

    def fraction(self) -> float:
        """A random number in [0, 1) for jitter."""
        ...

    def ulid(self) -> str:
        """A new id of this moment: 26 characters that sort by time."""
        ...


class SystemClock:
    """The machine's clock and randomness."""

    now = staticmethod(time.time)
    monotonic = staticmethod(time.monotonic)
    sleep = staticmethod(asyncio.sleep)
    fraction = staticmethod(random.random)

    def hex(self) -> str:
        return secrets.token_hex(16)

    def secret(self) -> str:
        return secrets.token_urlsafe(32)

    def ulid(self) -> str:
        milliseconds = int(time.time() * 1000)
        return _high(milliseconds >> 10) + _PAIRS[milliseconds & 1023] + os.urandom(16).translate(_RANDOM).decode()


@lru_cache(maxsize=1)
def _high(seconds: int) -> str:
    """The first eight characters, which stay for 1,024 ms."""
    return "".join(_PAIRS[seconds >> shift & 1023] for shift in (30, 20, 10, 0))
