"""The events of all tenants: written once, read by their tenant. Their data may be personal, so it is kept sealed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from engine.model import Event
from engine.storage.ports import EventQuery, Store


class EventBook:
    """Here `data` of an event is JSON text; in the store it is sealed for the tenant."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def append(self, events: Sequence[Event]) -> frozenset[str]:
        """Durable when it returns: the ids that are new; an id that was there keeps its first event."""
        if not events:
            return frozenset()
        await self._store.vault.prepare(events[0].tenant_id)
        seal = self._store.vault.seal
        return await self._store.events.append(
            [replace(one, data=seal(one.tenant_id, _context(one), one.data)) for one in events]
        )

    async def get(self, tenant_id: str, event_id: str) -> Event | None:
        found = await self._store.events.get(tenant_id, event_id)
        return self._opened(found) if found is not None else None

    async def find(self, query: EventQuery) -> list[Event]:
        """Newest first."""
        return [self._opened(one) for one in await self._store.events.find(query)]

    def _opened(self, event: Event) -> Event:
        return replace(event, data=self._store.vault.open(event.tenant_id, _context(event), event.data))


def _context(event: Event) -> str:
    return f"event|{event.connection_id}|{event.event_id}"
