"""What a message tells of becomes events of a connection: each once, durable before the provider is told so.

An event that is told twice is stored once, also when both messages come at the same moment or when the process dies
between its identity and the event: the second message finds the id of the first and stores the event under it, if it
is not there.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from ulid import ULID

from engine.events.book import EventBook
from engine.events.interpret import Happening
from engine.events.unfetched import Unfetched
from engine.model import Connection, Event
from engine.storage.ports import Store

REMEMBERED_SECONDS = 30 * 86_400
"""How long the same event is known again."""


class Now(Protocol):
    def now(self) -> float:
        """Epoch seconds."""
        ...


class Intake:
    def __init__(self, store: Store, clock: Now) -> None:
        self._store = store
        self._book = EventBook(store)
        self._unfetched = Unfetched(store, clock.now)

    async def keep(self, connection: Connection, happenings: Sequence[Happening], now: float) -> tuple[str, ...]:
        """The ids that are new. One that must be filled in waits for that, and becomes an event then."""
        events = [await self._event(connection, happening, now) for happening in happenings]
        pairs = list(zip(events, happenings, strict=True))
        new = set(await self._book.append([event for event, happening in pairs if happening.fetch is None]))
        for event, happening in pairs:
            if happening.fetch is not None and await self._unfetched.put(event, *happening.fetch):
                new.add(event.event_id)
        return tuple(dict.fromkeys(event.event_id for event in events if event.event_id in new))

    async def _event(self, connection: Connection, happening: Happening, now: float) -> Event:
        event_id = str(ULID.from_timestamp(now))
        if happening.dedupe is not None:
            key = f"webhook:{connection.tenant_id}:{connection.connection_id}:{happening.dedupe}"
            event_id = await self._first_id(key, event_id)
        return Event(
            event_id=event_id,
            tenant_id=connection.tenant_id,
            connection_id=connection.connection_id,
            integration_id=connection.integration_id,
            type=happening.type,
            data=happening.data,
            received_at=now,
        )

    async def _first_id(self, key: str, mine: str) -> str:
        """The id that the first message of this event gave it."""
        version = await self._store.state.put(key, mine.encode(), expected=0, ttl_seconds=REMEMBERED_SECONDS)
        if version is not None:
            return mine
        record = await self._store.state.get(key)
        return record.value.decode() if record is not None else mine
