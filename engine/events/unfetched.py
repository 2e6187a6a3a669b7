"""Events that wait to be filled in: the message only told which thing it is about, and a read tells the rest.

    fetch:<tenant>:<connection>:<event>       the event as it is known, what to read, and when; sealed

A record is durable before the provider is answered, and goes when the event is stored. Whoever works on one has moved
its turn ahead first, so that others leave it alone, and find it again should he die. That a connection has any stands
in the agenda.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import field, replace
from typing import Final

from engine.frozen import frozen
from engine.library import exact
from engine.model import Event
from engine.runtime.agenda import Agenda
from engine.storage.ports import Record, Store

KIND: Final = "fetch"
"""Of the entries in the agenda."""
AT_ONCE: Final = 0.0
"""The agenda counts in whole seconds: a moment ago may be one that is still to come."""
LIFETIME_SECONDS: Final = 7 * 86_400.0
MOST: Final = 1000
"""Of a connection, that are looked at at once."""


@frozen
class Wanted:
    """An event and the read that fills it in. `input` is JSON text; `due`: epoch seconds; `attempts` so far."""

    event: Event
    action_id: str
    input: bytes = field(repr=False)
    due: float
    attempts: int = 0
    version: int = 0


class Unfetched:
    """`now` gives epoch seconds."""

    def __init__(self, store: Store, now: Callable[[], float]) -> None:
        self._store = store
        self._agenda = Agenda(store.state, now)

    async def put(self, event: Event, action_id: str, given: bytes) -> bool:
        """False where the event is known already."""
        ids = (event.tenant_id, event.connection_id)
        if await self._store.events.get(event.tenant_id, event.event_id) is not None:
            return False
        await self._store.vault.prepare(event.tenant_id)
        version = await self._write(Wanted(event, action_id, given, event.received_at))
        await self._agenda.put(KIND, *ids, AT_ONCE)  # also where it is known: whoever wrote it may have died
        return version is not None

    async def of(self, tenant_id: str, connection_id: str) -> list[Wanted]:
        """The oldest first."""
        found = await self._store.state.find(f"{KIND}:{tenant_id}:{connection_id}:", MOST)
        return [self._opened(key, record) for key, record in found]

    async def move(self, wanted: Wanted, due: float, attempts: int) -> Wanted | None:
        """Its turn comes then. None when somebody else took it."""
        moved = replace(wanted, due=due, attempts=attempts)
        version = await self._write(moved)
        return None if version is None else replace(moved, version=version)

    async def drop(self, wanted: Wanted) -> None:
        await self._store.state.delete(_key(wanted.event), wanted.version)

    async def _write(self, wanted: Wanted) -> int | None:
        event = wanted.event
        plain = {
            "integrationId": event.integration_id,
            "type": event.type,
            "data": event.data.decode(),
            "receivedAt": event.received_at,
            "actionId": wanted.action_id,
            "input": wanted.input.decode(),
            "due": wanted.due,
            "attempts": wanted.attempts,
        }
        key = _key(event)
        sealed = self._store.vault.seal(event.tenant_id, key, exact.dumps(plain))
        return await self._store.state.put(
            key, sealed, expected=wanted.version, ttl_seconds=LIFETIME_SECONDS, durable=True
        )

    def _opened(self, key: str, record: Record) -> Wanted:
        _, _, connection_id, event_id = key.split(":")
        tenant_id = tenant_of(key)
        plain = exact.loads(self._store.vault.open(tenant_id, key, record.value))
        event = Event(
            event_id=event_id,
            tenant_id=tenant_id,
            connection_id=connection_id,
            integration_id=plain["integrationId"],
            type=plain["type"],
            data=plain["data"].encode(),
            received_at=float(plain["receivedAt"]),
        )
        action_id, given = plain["actionId"], plain["input"].encode()
        return Wanted(event, action_id, given, float(plain["due"]), plain["attempts"], record.version)


def tenant_of(key: str) -> str:
    """None of the ids in a key holds a colon."""
    return key.split(":")[1]


def _key(event: Event) -> str:
    return f"{KIND}:{event.tenant_id}:{event.connection_id}:{event.event_id}"
