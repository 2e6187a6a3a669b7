"""Something that only one process does at a time, all over.

A lease is short and is renewed while the work goes on, so whoever dies with one keeps the others waiting for seconds.
A process that stands still for longer than that loses it without knowing: what it stores must be compared and set.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Final

from engine.errors import StorageError
from engine.frozen import slotted
from engine.storage.ports import State

SECONDS: Final = 6.0
_BEAT: Final = 2.0


@slotted
class Lease:
    """`version`: of its record."""

    state: State
    key: str
    version: int

    @staticmethod
    async def take(state: State, key: str) -> Lease | None:
        """None: somebody else has it."""
        version = await state.put(key, b"1", expected=0, ttl_seconds=SECONDS)
        return None if version is None else Lease(state, key, version)

    @asynccontextmanager
    async def kept(self) -> AsyncIterator[None]:
        """Renewed until the block ends, then given back."""
        beat = asyncio.create_task(self._beat())
        try:
            yield
        finally:
            beat.cancel()
            with suppress(asyncio.CancelledError):
                await beat
            await self.state.delete(self.key, self.version)

    async def _beat(self) -> None:
        with suppress(StorageError):  # the work says so itself when the store is gone
            while True:
                await asyncio.sleep(_BEAT)
                renewed = await self.state.put(self.key, b"1", expected=self.version, ttl_seconds=SECONDS)
                if renewed is None:
                    return
                self.version = renewed
