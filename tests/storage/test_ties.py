"""Rows that begin within one microsecond: every page has its own, whatever a store can tell apart."""

from __future__ import annotations

import math
from dataclasses import replace

from engine.model import Event
from engine.storage.ports import EventQuery, ExecutionQuery, Store
from tests.storage.samples import execution

AT = 1_800_000_000.0000005


def times(count: int) -> list[float]:
    """The latest first, so that ids grow as times fall."""
    found = [AT]
    for _ in range(count - 1):
        found.append(math.nextafter(found[-1], 0))
    return found


async def test_no_call_of_one_microsecond_is_passed_over_between_pages(store: Store) -> None:
    rows = [replace(execution(number, created_at=AT), created_at=at) for number, at in enumerate(times(3))]
    for row in rows:
        await store.executions.append(row)
    for connection_id in (None, "c1"):
        query = ExecutionQuery("tenant-a", connection_id=connection_id, limit=1)
        seen: list[str] = []
        while found := await store.executions.find(query):
            seen.append(found[0].execution_id)
            assert len(seen) <= len(rows)
            query = replace(query, after=(found[0].created_at, found[0].execution_id))
        assert sorted(seen) == sorted(row.execution_id for row in rows)


async def test_no_event_of_one_microsecond_is_passed_over_between_pages(store: Store) -> None:
    rows = [Event(f"e{number}", "tenant-a", "c1", "i1", "t", b"{}", at) for number, at in enumerate(times(3))]
    await store.events.append(rows)
    query = EventQuery("tenant-a", limit=1)
    seen: list[str] = []
    while found := await store.events.find(query):
        seen.append(found[0].event_id)
        assert len(seen) <= len(rows)
        query = replace(query, after=(found[0].received_at, found[0].event_id))
    assert sorted(seen) == ["e0", "e1", "e2"]
