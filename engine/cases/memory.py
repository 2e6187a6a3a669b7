"""A store in memory for one case: a tenant of its own, by the case's own clock.

Were limits and circuits those of all cases, the tenth case about a provider's failure would open the circuit for the
eleventh. It keeps the promises of the ports but one: nothing outlives it.
"""

from __future__ import annotations

import os
import sys
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from itertools import count
from typing import Any, TypeVar

from engine.cases.memory_deliveries import MemoryDeliveries, MemorySubscriptions
from engine.errors import StorageCorrupt, VersionConflict
from engine.library import exact
from engine.model import Connection, Event, Execution
from engine.storage.ports import Arrival, EventQuery, ExecutionQuery, Record, Secret, Store

_LONGEST_KEY = 512
_Key = tuple[str, str]


def memory_store(now: Callable[[], float]) -> Store:
    """Empty. `now` gives epoch seconds, by which state records expire."""
    connections, executions, state = _Connections(), _Executions(), _State(now)
    subscriptions, deliveries = MemorySubscriptions(), MemoryDeliveries()
    events = _Events(deliveries)
    return Store(
        connections=connections,
        secrets=_Secrets(),
        executions=executions,
        events=events,
        subscriptions=subscriptions,
        deliveries=deliveries,
        state=state,
        vault=_Vault(),
        census=_Census((connections, executions, events, subscriptions), state, deliveries),
        lifetime=_Lifetime(),
    )


class _Connections:
    def __init__(self) -> None:
        self._kept: dict[_Key, Connection] = {}

    def tenants(self) -> set[str]:
        return {tenant_id for tenant_id, _ in self._kept}

    async def create(self, connection: Connection) -> None:
        key = (connection.tenant_id, connection.connection_id)
        if key in self._kept:
            raise VersionConflict("there is a connection with this id")
        self._kept[key] = connection

    async def get(self, tenant_id: str, connection_id: str) -> Connection | None:
        return self._kept.get((tenant_id, connection_id))

    async def locate(self, connection_id: str) -> Connection | None:
        found = [one for (_, known), one in self._kept.items() if known == connection_id]
        return found[0] if len(found) == 1 else None

    async def routed(self, route: str, limit: int) -> list[Connection]:
        return [one for one in self._kept.values() if one.route == route][:limit]

    async def find(
        self, tenant_id: str, integration_id: str | None = None, status: str | None = None
    ) -> list[Connection]:
        found = [
            one
            for one in self._kept.values()
            if one.tenant_id == tenant_id
            and integration_id in (None, one.integration_id)
            and status in (None, one.status)
        ]
        return sorted(found, key=lambda one: (one.created_at, one.connection_id), reverse=True)

    async def update(self, connection: Connection) -> Connection:
        key = (connection.tenant_id, connection.connection_id)
        stored = self._kept.get(key)
        if stored is None or stored.version != connection.version:
            raise VersionConflict("the connection was changed or deleted meanwhile")
        self._kept[key] = replace(
            connection,
            version=stored.version + 1,
            integration_id=stored.integration_id,
            created_at=stored.created_at,
        )
        return self._kept[key]

    async def delete(self, tenant_id: str, connection_id: str) -> bool:
        return self._kept.pop((tenant_id, connection_id), None) is not None


class _Secrets:
    def __init__(self) -> None:
        self._kept: dict[tuple[str, str, str], tuple[bytes, int]] = {}

    async def get(self, tenant_id: str, connection_id: str, name: str) -> Secret | None:
        stored = self._kept.get((tenant_id, connection_id, name))
        return None if stored is None else Secret(exact.loads(stored[0]), stored[1])

    async def put(
        self, tenant_id: str, connection_id: str, name: str, value: Mapping[str, Any], expected: int | None = None
    ) -> int:
        key = (tenant_id, connection_id, name)
        present = self._kept[key][1] if key in self._kept else 0
        if expected is not None and expected != present:
            raise VersionConflict("the secret was changed or deleted meanwhile")
        self._kept[key] = exact.dumps(dict(value)), present + 1
        return present + 1

    async def find(self, tenant_id: str, connection_id: str) -> dict[str, Secret]:
        names = [key[2] for key in self._kept if key[:2] == (tenant_id, connection_id)]
        found = {name: await self.get(tenant_id, connection_id, name) for name in names}
        return {name: secret for name, secret in found.items() if secret is not None}

    async def delete(self, tenant_id: str, connection_id: str) -> None:
        for key in [key for key in self._kept if key[:2] == (tenant_id, connection_id)]:
            del self._kept[key]


_R = TypeVar("_R", Execution, Event)


class _Executions:
    def __init__(self) -> None:
        self._kept: dict[_Key, Execution] = {}

    def tenants(self) -> set[str]:
        return {tenant_id for tenant_id, _ in self._kept}

    async def append(self, execution: Execution) -> None:
        (execution.error_message or "").encode()  # half a character can't be written to any disk
        self._kept.setdefault((execution.tenant_id, execution.execution_id), execution)

    async def get(self, tenant_id: str, execution_id: str) -> Execution | None:
        return self._kept.get((tenant_id, execution_id))

    async def find(self, query: ExecutionQuery) -> list[Execution]:
        start = float("-inf") if query.start is None else query.start
        end = float("inf") if query.end is None else query.end
        fit = (
            row
            for row in _of(query.tenant_id, self._kept.values())
            if query.connection_id in (None, row.connection_id)
            and query.integration_id in (None, row.integration_id)
            and query.status in (None, row.status)
            and start <= row.created_at < end
        )
        return _page({(row.created_at, row.execution_id): row for row in fit}, query.after, query.limit)

    async def expire(self, before: float, batch: int = 1000) -> int:
        return _drop(self._kept, (key for key, row in self._kept.items() if row.created_at < before), batch)


class _Events:
    def __init__(self, deliveries: MemoryDeliveries) -> None:
        self._kept: dict[_Key, Event] = {}
        self._deliveries = deliveries

    def tenants(self) -> set[str]:
        return {tenant_id for tenant_id, _ in self._kept}

    async def append(self, events: Sequence[Event]) -> frozenset[str]:
        fresh: set[str] = set()
        for event in events:
            if (event.tenant_id, event.event_id) not in self._kept:
                self._kept[event.tenant_id, event.event_id] = event
                self._deliveries.arrived(event)
                fresh.add(event.event_id)
        return frozenset(fresh)

    async def get(self, tenant_id: str, event_id: str) -> Event | None:
        return self._kept.get((tenant_id, event_id))

    async def find(self, query: EventQuery) -> list[Event]:
        fit = (
            event
            for event in _of(query.tenant_id, self._kept.values())
            if query.connection_id in (None, event.connection_id) and query.type in (None, event.type)
        )
        return _page({(event.received_at, event.event_id): event for event in fit}, query.after, query.limit)

    async def expire(self, before: float, batch: int = 1000) -> int:
        return _drop(self._kept, (key for key, event in self._kept.items() if event.received_at < before), batch)


def _of(tenant_id: str, rows: Iterable[_R]) -> Iterable[_R]:
    return (row for row in rows if row.tenant_id == tenant_id)


def _page(placed: Mapping[tuple[float, str], _R], after: tuple[float, str] | None, limit: int) -> list[_R]:
    """Newest first, from a place on."""
    places = sorted((place for place in placed if after is None or place < after), reverse=True)
    return [placed[place] for place in places[:limit]]


def _drop(kept: dict[_Key, Any], keys: Iterable[_Key], batch: int) -> int:
    gone = list(keys)[:batch]
    for key in gone:
        del kept[key]
    return len(gone)


class _State:
    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._kept: dict[str, Record] = {}
        self._versions = count(1)

    async def get(self, key: str) -> Record | None:
        record = self._kept.get(key)
        return record if record is not None and record.expires_at > self._now() else None

    def lacks(self, *keys: str) -> bool:
        return self._kept.keys().isdisjoint(keys)

    async def put(
        self, key: str, value: bytes, *, expected: int | None, ttl_seconds: float, durable: bool = False
    ) -> int | None:
        if len(key) > _LONGEST_KEY:
            raise ValueError(f"a state key has at most {_LONGEST_KEY} characters")
        present = await self.get(key)
        if expected is not None and expected != (present.version if present is not None else 0):
            return None
        version = next(self._versions)
        self._kept[key] = Record(value, version, self._now() + ttl_seconds)
        return version

    async def delete(self, key: str, expected: int | None = None) -> bool:
        present = await self.get(key)
        if present is None or expected not in (None, present.version):
            return False
        del self._kept[key]
        return True

    async def find(self, prefix: str, limit: int = 1000) -> list[tuple[str, Record]]:
        keys = sorted(key for key in self._kept if key.startswith(prefix))
        live = [(key, record) for key in keys if (record := await self.get(key)) is not None]
        return live[:limit]

    async def expire(self, batch: int = 1000) -> int:
        gone = [key for key, record in self._kept.items() if record.expires_at <= self._now()][:batch]
        for key in gone:
            del self._kept[key]
        return len(gone)


class _Vault:
    """What is sealed stays here; the sealed bytes are only a claim to it."""

    def __init__(self) -> None:
        self._kept: dict[bytes, tuple[str, str, bytes]] = {}

    async def prepare(self, tenant_id: str) -> None:
        """There is no key to make."""

    def seal(self, tenant_id: str, context: str, data: bytes) -> bytes:
        claim = os.urandom(16)
        self._kept[claim] = tenant_id, context, data
        return claim

    def open(self, tenant_id: str, context: str, sealed: bytes) -> bytes:
        known = self._kept.get(sealed)
        if known is None or known[:2] != (tenant_id, context):
            raise StorageCorrupt("these bytes were sealed for something else")
        return known[2]


class _Census:
    def __init__(
        self,
        kept: tuple[_Connections, _Executions, _Events, MemorySubscriptions],
        state: _State,
        deliveries: MemoryDeliveries,
    ) -> None:
        self._kept = kept
        self._state = state
        self._deliveries = deliveries

    async def tenants(self) -> list[str]:
        return sorted(set().union(*(one.tenants() for one in self._kept)))

    async def records(self, prefix: str) -> AsyncIterator[tuple[str, Record]]:
        for key, record in await self._state.find(prefix, sys.maxsize):
            yield key, record

    async def arrivals(self) -> AsyncIterator[Arrival]:
        for arrival in await self._deliveries.arrivals(sys.maxsize):
            yield arrival


class _Lifetime:
    async def check(self) -> None:
        """Memory is always there."""

    async def close(self) -> None:
        """Holds nothing."""
