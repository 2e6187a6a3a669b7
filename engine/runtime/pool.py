"""The connections that are kept, and who waits for one.

A connection that becomes free, or the room of one that was closed, is handed to who has waited longest: nobody who
comes later can take it. So while anybody waits for a place, it has no idle connection; while anybody waits for room,
no place has one.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Final, NamedTuple

from engine.errors import ConnectFailed
from engine.runtime.http1 import Line

IDLE_SECONDS: Final = 15.0
"""A connection that nobody used for so long is not used again: the other side may be closing it just now."""
_CLOSED: Final = "the wire was closed"


class Origin(NamedTuple):
    """What connections are kept by."""

    is_tls: bool
    host: str
    port: int


class Place:
    """The connections to one origin. `count`: those that are open or being opened; `waiting`: who waits for one."""

    __slots__ = ("count", "idle", "origin", "waiting")

    def __init__(self, origin: Origin) -> None:
        self.origin = origin
        self.count = 0
        self.idle: list[Line] = []
        self.waiting: deque[asyncio.Future[Line | None]] = deque()


class Pool:
    """At most `most` connections, `most_per_origin` of them to one. `connect`: makes one, until a time of the loop."""

    def __init__(self, connect: Callable[[Origin, float], Awaitable[Line]], most: int, most_per_origin: int) -> None:
        self._connect = connect
        self._most = most
        self._most_per_origin = most_per_origin
        self._places: dict[Origin, Place] = {}
        self._crowded: dict[Origin, Place] = {}  # those that somebody waits for; who was served last stands last
        self._open: set[Line] = set()
        self._count = 0  # of those that are open, and those that are being opened
        self._sweep: asyncio.TimerHandle | None = None
        self._is_closed = False

    def place(self, origin: Origin) -> Place:
        """To be used before anything else runs: a place without connections does not stay."""
        found = self._places.get(origin)
        if found is None:
            found = self._places[origin] = Place(origin)
        return found

    def kept(self, place: Place, now: float) -> Line | None:
        """The connection that was used last, where one may be used again."""
        while place.idle:
            line = place.idle.pop()
            if line.is_open and now - line.idle_since < IDLE_SECONDS:
                return line
            self._drop(place, line)
        return None

    async def another(self, place: Place, deadline: float) -> Line:
        """A new connection, or the next one that becomes free. Raises `ConnectFailed`."""
        if self._is_closed:
            raise ConnectFailed(_CLOSED)
        if not self._enter(place):
            line = await self._turn(place, deadline)
            if line is not None and line.is_open:
                return line
            if line is not None:  # it was closed on its way to us: its room is ours
                self._open.discard(line)
        is_made = False
        try:
            line = await self._connect(place.origin, deadline)
            is_made = True
        finally:
            if not is_made:
                self._left(place)
        self._open.add(line)
        if self._is_closed:
            self._drop(place, line)
            raise ConnectFailed(_CLOSED)
        return line

    def give_back(self, place: Place, line: Line, now: float) -> None:
        """One whose answer was not whole is not used again."""
        if not line.is_free:
            self._drop(place, line)
            return
        if self._crowded and self._is_wanted(place, line):
            return
        line.idle_since = now
        place.idle.append(line)
        if self._sweep is None:
            self._sweep = asyncio.get_running_loop().call_later(IDLE_SECONDS, self._close_idle)

    async def close(self) -> None:
        """Also under who uses one or waits for one."""
        self._is_closed = True
        if self._sweep is not None:
            self._sweep.cancel()
            self._sweep = None
        for place in self._crowded.values():
            for turn in place.waiting:
                _fail(turn, _CLOSED)
        for place in self._places.values():
            place.idle, idle = [], place.idle
            for line in idle:
                self._drop(place, line)
        for line in list(self._open):
            line.close()
        await asyncio.sleep(0)  # lets the sockets close before the loop does

    async def _turn(self, place: Place, deadline: float) -> Line | None:
        """A connection; None: room for one, which is counted as ours. Raises `ConnectFailed`."""
        loop = asyncio.get_running_loop()
        turn: asyncio.Future[Line | None] = loop.create_future()
        place.waiting.append(turn)
        self._crowded.setdefault(place.origin, place)
        timer = loop.call_at(deadline, _fail, turn, "no connection was free in time")
        is_taken = False
        try:
            line = await turn
            is_taken = True
            return line
        finally:
            timer.cancel()
            if turn in place.waiting:
                self._forget(place, turn)
            elif not is_taken and not turn.cancelled() and turn.exception() is None:
                self._pass_on(place, turn.result(), loop.time())  # we were cancelled just when it was ours

    def _pass_on(self, place: Place, line: Line | None, now: float) -> None:
        if line is None:
            self._left(place)
        else:
            self.give_back(place, line, now)

    def _enter(self, place: Place) -> bool:
        """Room for one more, where there is some, if need be that of one that is idle elsewhere."""
        if place.count >= self._most_per_origin or (self._count >= self._most and not self._has_made_room()):
            return False
        place.count, self._count = place.count + 1, self._count + 1
        return True

    def _has_made_room(self) -> bool:
        idle = [place for place in self._places.values() if place.idle]
        if not idle:
            return False
        oldest = min(idle, key=lambda place: place.idle[0].idle_since)
        self._drop(oldest, oldest.idle.pop(0))
        return True

    def _is_wanted(self, place: Place, line: Line) -> bool:
        """To who waits for one of these, but for a place without any; else its room to who waits for that."""
        turn = None if self._wants_room(below=1) else self._next(place)
        if turn is not None:
            turn.set_result(line)
            return True
        if self._wants_room(below=self._most_per_origin):
            self._drop(place, line)
            return True
        return False

    def _wants_room(self, below: int) -> bool:
        """Does somebody wait for room anywhere, whose place has fewer than that?"""
        return self._count >= self._most and any(place.count < below for place in self._crowded.values())

    def _drop(self, place: Place, line: Line) -> None:
        line.close()
        self._open.discard(line)
        self._left(place)

    def _left(self, place: Place) -> None:
        """The room goes to who waits, first to the place that has the fewest."""
        place.count, self._count = place.count - 1, self._count - 1
        for one in sorted(self._crowded.values(), key=lambda place: place.count) if self._crowded else ():
            turn = self._next(one) if one.count < self._most_per_origin else None
            if turn is not None:
                one.count, self._count = one.count + 1, self._count + 1
                turn.set_result(None)
                return

    def _next(self, place: Place) -> asyncio.Future[Line | None] | None:
        """Who has waited longest, and waits no more."""
        found = None
        while place.waiting and found is None:
            turn = place.waiting.popleft()
            found = None if turn.done() else turn
        self._crowded.pop(place.origin, None)
        if place.waiting:
            self._crowded[place.origin] = place
        return found

    def _forget(self, place: Place, turn: asyncio.Future[Line | None]) -> None:
        place.waiting.remove(turn)
        if not place.waiting:
            self._crowded.pop(place.origin, None)

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


def _fail(turn: asyncio.Future[Line | None], why: str) -> None:
    if not turn.done():
        turn.set_exception(ConnectFailed(why))
