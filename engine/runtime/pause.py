"""After a sign-in that failed there is a pause: nobody asks again at once, in whichever process.

Accounts lock after a few wrong passwords, and a token endpoint that fails is not helped by a hundred calls that all
try. The pause doubles with each failure in a row, and ends early when there are other credentials.
"""

from __future__ import annotations

import math
import struct
from typing import Final

from engine.errors import CODES, CallError
from engine.frozen import frozen
from engine.storage.ports import State

FIRST: Final = 5.0
LONGEST: Final = 300.0
_FORM: Final = struct.Struct("<dd?26s")


@frozen
class _Pause:
    """`of`: 26 characters that say which credentials failed. `until`: epoch seconds."""

    until: float
    seconds: float
    retryable: bool
    of: str
    code: str
    message: str

    def pack(self) -> bytes:
        head = _FORM.pack(self.until, self.seconds, self.retryable, self.of.encode())
        return head + f"{self.code}|{self.message}".encode()

    @staticmethod
    def unpack(value: bytes) -> _Pause:
        until, seconds, retryable, of = _FORM.unpack(value[: _FORM.size])
        code, _, message = value[_FORM.size :].decode().partition("|")
        return _Pause(until, seconds, retryable, of.decode(), code, message)


@frozen
class Pauses:
    """The pauses of accounts by their keys. `now`: epoch seconds."""

    state: State

    async def heed(self, key: str, of: str, now: float) -> None:
        """Raises the failure that began the pause, as a `CallError`, while it lasts."""
        pause = await self._read(key)
        left = pause.until - now if pause is not None and pause.of == of else 0.0
        if pause is None or not 0 < left <= LONGEST:  # a clock that was set back makes no pause longer
            return
        code = next(code for code in CODES if code == pause.code)
        wait = max(1, math.ceil(left * 1000)) if pause.retryable else None
        raise CallError(code, pause.message, retryable=pause.retryable, retry_after_ms=wait)  # type: ignore[arg-type]

    async def begin(self, key: str, of: str, now: float, error: CallError, message: str) -> float:
        """After a failure; seconds until the next try. `message` is what others are told meanwhile."""
        before = await self._read(key)
        again = before is not None and before.of == of
        seconds = min(LONGEST, before.seconds * 2) if again and before is not None else FIRST
        pause = _Pause(now + seconds, seconds, error.retryable, of, error.code, message)
        # It outlives itself, so that the next failure in a row finds it.
        await self.state.put(_key(key), pause.pack(), expected=None, ttl_seconds=seconds * 3)
        return seconds

    async def end(self, key: str) -> None:
        await self.state.delete(_key(key))

    async def _read(self, key: str) -> _Pause | None:
        record = await self.state.get(_key(key))
        return _Pause.unpack(record.value) if record is not None else None


def _key(key: str) -> str:
    return f"pause:token:{key}"
