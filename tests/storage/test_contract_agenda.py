"""The agenda over every state port: taken once, back when nobody ends it, gone when it is done."""

from __future__ import annotations

import asyncio

from engine.runtime.agenda import CLAIM_SECONDS, Agenda
from engine.storage.ports import Store
from tests.storage.samples import Clock


async def test_what_is_due_is_taken_by_one_and_comes_back_unless_it_is_done(store: Store, clock: Clock):
    agenda = Agenda(store.state, clock)
    await agenda.put("grant", "acme", "c1", clock.time + 60)
    assert await agenda.due(8) == []
    assert not await agenda.is_due()
    clock.time += 60
    assert await agenda.is_due()
    taken = await asyncio.gather(*(Agenda(store.state, clock).due(8) for _ in range(4)))
    assert sorted(len(one) for one in taken) == [0, 0, 0, 1]
    assert await agenda.due(8) == []
    clock.time += CLAIM_SECONDS + 1
    (again,) = await agenda.due(8)
    assert (again.kind, again.tenant_id, again.connection_id) == ("grant", "acme", "c1")
    (old,) = (entry for one in taken for entry in one)
    await agenda.done(old)  # too late: it is somebody else's
    clock.time += CLAIM_SECONDS + 1
    (last,) = await agenda.due(8)
    await agenda.done(last)
    clock.time += CLAIM_SECONDS + 1
    assert await agenda.due(8) == []


async def test_an_entry_moves_when_it_is_put_again_and_is_gone_when_it_is_forgotten(store: Store, clock: Clock):
    agenda = Agenda(store.state, clock)
    for kind in ("grant", "webhook"):
        await agenda.put(kind, "acme", "c1", clock.time)
    await agenda.put("grant", "acme", "c1", clock.time + 1000)
    await agenda.forget("webhook", "acme", "c1")
    assert await agenda.due(8) == []
    clock.time += 1000
    assert [one.kind for one in await agenda.due(8)] == ["grant"]


async def test_the_longest_due_come_first(store: Store, clock: Clock):
    agenda = Agenda(store.state, clock)
    for number, wait in ((1, 30), (2, 10), (3, 20), (4, 3000)):
        await agenda.put("grant", "acme", f"c{number}", clock.time + wait)
    clock.time += 100
    assert [one.connection_id for one in await agenda.due(2)] == ["c2", "c3"]
    assert [one.connection_id for one in await agenda.due(2)] == ["c1"]
