"""Fills in events of which the provider only told what they are about, some moments after it was answered.

The read is a call like any other: limited, logged (caller service `events`, the event as its reference), on the
connection's own credentials. Its output is added to what the message told. A read that may do better later is tried
again; one that never will, or not within some hours, leaves the event as it was told, with the code of the failure as
`fetchError`: nobody waits for ever for an event.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any, Final

from engine.connections.ports import Engine
from engine.errors import RequestError
from engine.events.book import EventBook
from engine.events.unfetched import AT_ONCE, KIND, Unfetched, Wanted
from engine.library import exact
from engine.model import Answer, Command, Event
from engine.runtime.agenda import Agenda

DELAYS: Final = (60.0, 300.0, 1_800.0, 7_200.0)
"""Seconds after the first, second … attempt; after one more the event goes as it was told."""
FETCH_ERROR: Final = "fetchError"
LARGEST: Final = 256 * 1024
"""Bytes of an event's data with what was read: stores and subscribers have limits too."""
_TAKEN_SECONDS: Final = 120.0
_ROUND_SECONDS: Final = 30.0
_MOST_FAILURES: Final = 3
"""In a row, of reads that may do better later: then the provider is left alone for a while."""


class Fetcher:
    """`wake` is called when there are new events."""

    def __init__(self, engine: Engine, wake: Callable[[], None] | None = None) -> None:
        self._engine = engine
        self._clock = engine.clock
        self._unfetched = Unfetched(engine.store, engine.clock.now)
        self._book = EventBook(engine.store)
        self._agenda = Agenda(engine.store.state, engine.clock.now)
        self._wake = wake

    async def fetch(self, tenant_id: str, connection_id: str) -> float | None:
        """Handler of the agenda: fills in what waits at a connection. When to look again (epoch seconds), or None."""
        end, failures = self._clock.now() + _ROUND_SECONDS, 0
        for wanted in await self._unfetched.of(tenant_id, connection_id):
            if failures == _MOST_FAILURES or self._clock.now() >= end:
                break
            if wanted.due <= self._clock.now():
                failures = 0 if await self._fill_in(wanted) else failures + 1
        left = [one.due for one in await self._unfetched.of(tenant_id, connection_id)]
        if left and min(left) <= self._clock.now() and failures < _MOST_FAILURES:
            await self._agenda.put(KIND, tenant_id, connection_id, AT_ONCE)
            return None
        return max(min(left), self._clock.now() + DELAYS[0]) if left else None

    async def _fill_in(self, wanted: Wanted) -> bool:
        """False where it is to be tried again later."""
        taken = await self._unfetched.move(wanted, self._clock.now() + _TAKEN_SECONDS, wanted.attempts + 1)
        if taken is None:
            return True  # somebody else has it
        try:
            answer = await self._engine.execute(_command(taken))
        except RequestError:  # the connection is gone, and with it what was pending of its events
            await self._unfetched.drop(taken)
            return True
        if answer.error is not None and answer.error.retryable and taken.attempts <= len(DELAYS):
            wait = max(DELAYS[taken.attempts - 1], (answer.error.retry_after_ms or 0) / 1000)
            await self._unfetched.move(taken, self._clock.now() + wait, taken.attempts)
            return False
        await self._book.append([_filled(taken.event, answer)])
        await self._unfetched.drop(taken)
        if self._wake is not None:
            self._wake()
        return True


def _command(wanted: Wanted) -> Command:
    event = wanted.event
    return Command(
        tenant_id=event.tenant_id,
        action_id=wanted.action_id,
        input=exact.loads(wanted.input),
        connection_id=event.connection_id,
        caller_service="events",
        caller_ref=event.event_id,
    )


def _filled(event: Event, answer: Answer) -> Event:
    """What the message told stands, where both tell something."""
    told: dict[str, Any] = exact.loads(event.data)
    if answer.error is not None:
        return replace(event, data=exact.dumps({**told, FETCH_ERROR: answer.error.code}))
    found = answer.data if isinstance(answer.data, dict) else {}
    data = exact.dumps({**found, **told})
    if len(data) > LARGEST:
        data = exact.dumps({**told, FETCH_ERROR: "PAYLOAD_TOO_LARGE"})
    return replace(event, data=data)
