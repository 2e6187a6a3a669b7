"""What is due when, of all tenants: grants that would be forgotten, webhooks that would end. Shared by processes.

    agenda:<kind>:<tenant>:<connection>        when it is due: the one record that counts
    due:<time>:<kind>:<tenant>:<connection>    the same in the order of time, so that nobody walks through all of them

An entry that is taken is due again after `CLAIM_SECONDS`, unless it is done by then: so a process that dies loses
nothing. What stands in the order of time and does not count any more is dropped when its time has come.
"""

from __future__ import annotations

import asyncio
import logging
import math
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from typing import Final

from engine.errors import EngineError, StorageError, StorageUnavailable
from engine.frozen import frozen
from engine.storage.ports import Record, State

PREFIX: Final = "agenda:"
CLAIM_SECONDS: Final = 300
ROUND_SECONDS: Final = 60.0
_ORDER: Final = "due:"
_FOREVER: Final = 100 * 365.25 * 86_400.0
_TRIES: Final = 20
_AT_ONCE: Final = 8
_LOOKED_AT: Final = 4
"""Times the entries that are wanted: others may be taking the first ones."""
_STALE_SECONDS: Final = 60
"""Whoever moves an entry writes the order first, and may still be about to write what counts."""

logger = logging.getLogger("integrations")

Handler = Callable[[str, str], Awaitable[float | None]]
"""Does what is due for a connection (tenant, id), within seconds, and says when it is due again (epoch seconds), or
None. It is asked again later after an `EngineError`; the connection may be gone."""


@frozen
class Entry:
    """Something that is due (epoch seconds), in the caller's hands for a while. `claim` and `mark` say which while."""

    kind: str
    tenant_id: str
    connection_id: str
    due: int
    claim: int
    taken_until: int
    mark: int

    @property
    def name(self) -> str:
        return f"{self.kind}:{self.tenant_id}:{self.connection_id}"


class Agenda:
    """One entry for each kind and connection. `now` gives epoch seconds."""

    def __init__(self, state: State, now: Callable[[], float]) -> None:
        self._state = state
        self._now = now

    async def put(self, kind: str, tenant_id: str, connection_id: str, due: float) -> None:
        """Let it be due then, whenever it was before. Survives power loss."""
        name = f"{kind}:{tenant_id}:{connection_id}"
        at = max(math.ceil(due), math.floor(self._now()))
        for _ in range(_TRIES):
            present = await self._state.get(PREFIX + name)
            mark = await self._marked(name, present)
            if await self._move(name, present, mark, at) is not None:
                return
        raise StorageUnavailable("what is due is being changed by others all the time")

    async def due(self, limit: int) -> list[Entry]:
        """The longest due first; they are the caller's until they are done or `CLAIM_SECONDS` have passed."""
        now, taken = self._now(), list[Entry]()
        for key, record in await self._state.find(_ORDER, limit * _LOOKED_AT):
            time, _, name = key.removeprefix(_ORDER).partition(":")
            if int(time) > now or len(taken) == limit:
                break
            entry = await self._take(name, int(time), record.version, now)
            if entry is not None:
                taken.append(entry)
        return taken

    async def is_due(self) -> bool:
        """Is there anything to take?"""
        first = await self._state.find(_ORDER, 1)
        return bool(first) and int(first[0][0].split(":", 2)[1]) <= self._now()

    async def done(self, entry: Entry) -> None:
        """Remove it, unless it was put again meanwhile."""
        if await self._state.delete(PREFIX + entry.name, entry.claim):
            await self._state.delete(_place(entry.taken_until, entry.name), entry.mark)

    async def forget(self, kind: str, tenant_id: str, connection_id: str) -> None:
        """Whatever it is, it is not due any more."""
        name = f"{kind}:{tenant_id}:{connection_id}"
        present = await self._state.get(PREFIX + name)
        mark = await self._marked(name, present)
        await self._state.delete(PREFIX + name)
        if present is not None:
            await self._state.delete(_place(due_of(present), name), mark)

    async def _take(self, name: str, at: int, mark: int, now: float) -> Entry | None:
        present = await self._state.get(PREFIX + name)
        if present is None or due_of(present) != at:
            if at < now - _STALE_SECONDS:
                await self._state.delete(_place(at, name), mark)
            return None
        until = math.ceil(now) + CLAIM_SECONDS
        moved = await self._move(name, present, mark, until)
        return None if moved is None else Entry(*names_of(name), at, moved[0], until, moved[1])

    async def _move(self, name: str, present: Record | None, mark: int, at: int) -> tuple[int, int] | None:
        """The versions of both records; None when somebody else was faster.

        The order is written first and cleared last: what counts is always found in it.
        """
        put = self._state.put
        new = await put(_place(at, name), b"", expected=None, ttl_seconds=_FOREVER, durable=True)
        expected = 0 if present is None else present.version
        version = await put(PREFIX + name, b"%d" % at, expected=expected, ttl_seconds=_FOREVER, durable=True)
        if version is None or new is None:
            return None
        if present is not None and due_of(present) != at:
            await self._state.delete(_place(due_of(present), name), mark)
        return version, new

    async def _marked(self, name: str, present: Record | None) -> int:
        """Version of the record in the order of time, so that none that somebody writes later is taken for it."""
        record = None if present is None else await self._state.get(_place(due_of(present), name))
        return 0 if record is None else record.version


def due_of(record: Record) -> int:
    """Epoch seconds, of a record that counts."""
    return int(record.value)


def _place(at: int, name: str) -> str:
    return f"{_ORDER}{at:012d}:{name}"


def names_of(name: str) -> tuple[str, str, str]:
    """Kind, tenant, connection: none of them holds a colon."""
    kind, tenant_id, connection_id = name.split(":")
    return kind, tenant_id, connection_id


class Rounds:
    """Does what is due, by the handler of its kind; one process of several at a time takes each entry."""

    def __init__(self, agenda: Agenda, handlers: Mapping[str, Handler]) -> None:
        self._agenda = agenda
        self._handlers = handlers
        self._over = asyncio.Event()
        self._woken = asyncio.Event()

    async def keep(self) -> None:
        """A round each minute, and when it is woken, until `end`."""
        while not self._over.is_set():
            with suppress(StorageError):  # full or locked: calls say so, and the next round tries again
                await self.go()
            with suppress(TimeoutError):
                await asyncio.wait_for(self._woken.wait(), ROUND_SECONDS)
            self._woken.clear()

    def end(self) -> None:
        """Begin nothing new. What runs is never broken off: it may hold the only copy of a token."""
        self._over.set()
        self.wake()

    def wake(self) -> None:
        """There may be something that is due at once."""
        self._woken.set()

    async def go(self, seconds: float = ROUND_SECONDS) -> bool:
        """Begin what is due for so long, and wait for it; False when there is more."""
        loop = asyncio.get_running_loop()
        last = loop.time() + seconds
        while loop.time() < last and not self._over.is_set():
            entries = await self._agenda.due(_AT_ONCE)
            if not entries:
                return True
            for failure in await asyncio.gather(*map(self._do, entries), return_exceptions=True):
                if failure is not None:  # a message may quote a value
                    logger.error("what was due was not done: %s", type(failure).__name__)
        return False

    async def _do(self, entry: Entry) -> None:
        handler = self._handlers.get(entry.kind)
        if handler is None:
            return  # another release knows the kind
        try:
            again = await handler(entry.tenant_id, entry.connection_id)
        except EngineError as error:
            logger.warning(
                "%s of connection %s is tried again later: %s", entry.kind, entry.connection_id, type(error).__name__
            )
            return
        if again is None:
            await self._agenda.done(entry)
        else:
            soonest = entry.taken_until - CLAIM_SECONDS + ROUND_SECONDS
            await self._agenda.put(entry.kind, entry.tenant_id, entry.connection_id, max(again, soonest))
