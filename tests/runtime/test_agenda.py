"""The agenda: nothing that is due is lost, whoever dies in between; and each entry is one process's at a time."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from engine.errors import CallError, StorageUnavailable
from engine.runtime.agenda import CLAIM_SECONDS, PREFIX, ROUND_SECONDS, Agenda, Entry, Rounds, due_of
from engine.storage.ports import Record, State, Store
from engine.storage.sqlite import open_store
from tests.storage.samples import Clock

NAMES = [("grant", "acme", "c1"), ("webhook", "acme", "c1"), ("grant", "other", "c2")]


class Breaking:
    """A state port whose process dies at one of its next writes."""

    def __init__(self, state: State) -> None:
        self._state = state
        self.writes_left: int | None = None

    def _write(self) -> None:
        if self.writes_left is not None:
            if self.writes_left == 0:
                raise StorageUnavailable("the process is dead")
            self.writes_left -= 1

    async def get(self, key: str) -> Record | None:
        return await self._state.get(key)

    def lacks(self, *keys: str) -> bool:
        return self._state.lacks(*keys)

    async def put(self, key: str, value: bytes, **more: Any) -> int | None:
        self._write()
        return await self._state.put(key, value, **more)

    async def delete(self, key: str, expected: int | None = None) -> bool:
        self._write()
        return await self._state.delete(key, expected)

    async def find(self, prefix: str, limit: int = 1000) -> list[tuple[str, Record]]:
        return await self._state.find(prefix, limit)

    async def expire(self, batch: int = 1000) -> int:
        return await self._state.expire(batch)


class AgendaHistory(RuleBasedStateMachine):
    """Two processes on one file, one of which dies now and then. The model: when each name is due, and who took it."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.clock = Clock()
        self.loop = asyncio.new_event_loop()
        self.stores = self.opened()
        self.states = [Breaking(store.state) for store in self.stores]
        self.agendas = [Agenda(state, self.clock) for state in self.states]
        self.model: dict[tuple[str, ...], int] = {}
        self.held: list[Entry] = []
        self.holds: dict[tuple[str, ...], Entry] = {}

    def opened(self) -> list[Store]:
        return [open_store(data_dir=Path(self.folder.name), now=self.clock) for _ in range(2)]

    def wait(self, job: Awaitable[Any]) -> Any:
        return self.loop.run_until_complete(asyncio.ensure_future(job, loop=self.loop))

    def teardown(self) -> None:
        for store in self.stores:
            self.wait(store.lifetime.close())
        self.wait(self.loop.shutdown_default_executor())
        self.loop.close()
        self.folder.cleanup()

    def _due(self, name: tuple[str, ...]) -> int | None:
        record = self.wait(self.stores[0].state.get(PREFIX + ":".join(name)))
        return None if record is None else due_of(record)

    @rule(who=st.sampled_from([0, 1]), name=st.sampled_from(NAMES), seconds=st.sampled_from([-50, 0, 5, 90, 400, 5000]))
    def put(self, who: int, name: tuple[str, str, str], seconds: int) -> None:
        self.wait(self.agendas[who].put(*name, self.clock.time + seconds))
        self.model[name] = int(self.clock.time) + max(seconds, 0)
        self.holds.pop(name, None)

    @rule(who=st.sampled_from([0, 1]), limit=st.sampled_from([1, 2, 8]))
    def take(self, who: int, limit: int) -> None:
        taken = self.wait(self.agendas[who].due(limit))
        ripe = sorted((due, name) for name, due in self.model.items() if due <= self.clock.time)
        assert [(one.due, (one.kind, one.tenant_id, one.connection_id)) for one in taken] == ripe[:limit]
        for entry in taken:
            name = (entry.kind, entry.tenant_id, entry.connection_id)
            self.model[name] = int(self.clock.time) + CLAIM_SECONDS
            self.held.append(entry)
            self.holds[name] = entry

    @rule(who=st.sampled_from([0, 1]), data=st.data())
    def finish(self, who: int, data: st.DataObject) -> None:
        """Also what somebody else has by now: that stays."""
        if not self.held:
            return
        entry = self.held.pop(data.draw(st.integers(0, len(self.held) - 1)))
        self.wait(self.agendas[who].done(entry))
        name = (entry.kind, entry.tenant_id, entry.connection_id)
        if self.holds.get(name) is entry:
            del self.holds[name], self.model[name]

    @rule(who=st.sampled_from([0, 1]), name=st.sampled_from(NAMES))
    def forget(self, who: int, name: tuple[str, str, str]) -> None:
        self.wait(self.agendas[who].forget(*name))
        self.model.pop(name, None)
        self.holds.pop(name, None)

    @rule(writes=st.integers(0, 3), name=st.sampled_from(NAMES), seconds=st.sampled_from([0, 90]), takes=st.booleans())
    def die(self, writes: int, name: tuple[str, str, str], seconds: int, takes: bool) -> None:
        """What nobody was told of may be done or not; what stood before is never gone."""
        before = dict(self.model)
        self.states[0].writes_left = writes
        with suppress(StorageUnavailable):
            self.wait(self.agendas[0].due(8) if takes else self.agendas[0].put(*name, self.clock.time + seconds))
        self.states[0].writes_left = None
        for one in NAMES:
            due = self._due(one)
            assert due is not None or one not in before
            if due is not None and due != before.get(one):
                self.model[one] = due
                self.holds.pop(one, None)

    @rule(seconds=st.sampled_from([1, 70, 301, 6000]))
    def time_passes(self, seconds: int) -> None:
        self.clock.time += seconds

    @invariant()
    def what_counts_is_found_in_the_order_of_time(self) -> None:
        placed = {key for key, _ in self.wait(self.stores[1].state.find("due:"))}
        for name in NAMES:
            due = self._due(name)
            assert due == self.model.get(name)
            assert due is None or f"due:{due:012d}:{':'.join(name)}" in placed


def test_a_long_history_of_two_processes_loses_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    # A read may be 20 ms old, and the model knows no such time.
    monkeypatch.setattr("engine.storage.sqlite.cache.LOOK_SECONDS", 0.0)
    run_state_machine_as_test(AgendaHistory, settings=settings(max_examples=40, stateful_step_count=30, deadline=None))


# ---------------------------------------------------------------- rounds


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def store(tmp_path: Path, clock: Clock) -> Any:
    opened = open_store(data_dir=tmp_path, now=clock)
    yield opened
    await opened.lifetime.close()


def answering(answers: dict[str, Any], seen: list[str]) -> Callable[[str, str], Awaitable[float | None]]:
    async def handler(_tenant: str, connection_id: str) -> float | None:
        seen.append(connection_id)
        answer = answers[connection_id]
        if isinstance(answer, Exception):
            raise answer
        return answer  # type: ignore[no-any-return]

    return handler


async def test_a_round_does_what_is_due_and_puts_it_where_its_handler_says(store: Store, clock: Clock) -> None:
    agenda, seen = Agenda(store.state, clock), list[str]()
    for number, due in enumerate((5, 0, 999), 1):
        await agenda.put("grant", "acme", f"c{number}", clock.time + due)
    rounds = Rounds(agenda, {"grant": answering({"c1": None, "c2": clock.time + 4000, "c3": None}, seen)})
    clock.time += 10

    assert await rounds.go()

    assert seen == ["c2", "c1"]
    clock.time += 1000
    assert await rounds.go()
    assert seen == ["c2", "c1", "c3"]
    clock.time += 3000
    assert await rounds.go()
    assert seen == ["c2", "c1", "c3", "c2"]


async def test_what_fails_comes_again_and_holds_nobody_up(store: Store, clock: Clock) -> None:
    agenda, seen = Agenda(store.state, clock), list[str]()
    failures = {"c1": CallError("PROVIDER_UNAVAILABLE", "down"), "c2": RuntimeError("a bug"), "c3": None}
    for connection_id in failures:
        await agenda.put("grant", "acme", connection_id, clock.time)
    rounds = Rounds(agenda, {"grant": answering(failures, seen)})

    assert await rounds.go()
    assert sorted(seen) == ["c1", "c2", "c3"]
    assert not await agenda.is_due()
    clock.time += CLAIM_SECONDS + 1
    assert await rounds.go()
    assert sorted(seen) == ["c1", "c1", "c2", "c2", "c3"]


async def test_a_handler_that_always_says_now_is_not_asked_without_end(store: Store, clock: Clock) -> None:
    agenda, seen = Agenda(store.state, clock), list[str]()
    await agenda.put("grant", "acme", "c1", clock.time)
    rounds = Rounds(agenda, {"grant": answering({"c1": 0.0}, seen)})
    assert await rounds.go()
    assert seen == ["c1"]
    clock.time += ROUND_SECONDS + 1
    assert await rounds.go()
    assert seen == ["c1", "c1"]


async def test_a_kind_of_another_release_stays_for_it(store: Store, clock: Clock) -> None:
    agenda, seen = Agenda(store.state, clock), list[str]()
    await agenda.put("webhook", "acme", "c1", clock.time)
    assert await Rounds(agenda, {}).go()
    clock.time += CLAIM_SECONDS + 1
    assert await Rounds(agenda, {"webhook": answering({"c1": None}, seen)}).go()
    assert seen == ["c1"]


async def test_many_rounds_at_once_do_each_thing_once(tmp_path: Path, clock: Clock) -> None:
    stores = [open_store(data_dir=tmp_path, now=clock) for _ in range(3)]
    seen: list[str] = []
    answers = {f"c{number}": None for number in range(40)}
    for connection_id in answers:
        await Agenda(stores[0].state, clock).put("grant", "acme", connection_id, clock.time)
    rounds = [Rounds(Agenda(one.state, clock), {"grant": answering(answers, seen)}) for one in stores]
    await asyncio.gather(*(one.go() for one in rounds))
    assert all([await one.go() for one in rounds])
    assert sorted(seen) == sorted(answers)
    for one in stores:
        await one.lifetime.close()


async def test_an_end_begins_nothing_new_and_breaks_nothing_off(store: Store, clock: Clock) -> None:
    agenda, began, may_end = Agenda(store.state, clock), asyncio.Event(), asyncio.Event()

    async def slow(_tenant: str, _connection_id: str) -> None:
        began.set()
        await may_end.wait()

    await agenda.put("grant", "acme", "c1", clock.time)
    rounds = Rounds(agenda, {"grant": slow})
    running = asyncio.create_task(rounds.keep())
    await began.wait()
    rounds.end()
    await agenda.put("grant", "acme", "c2", clock.time)
    assert not running.done()
    may_end.set()
    await running
    assert [one.connection_id for one in await agenda.due(8)] == ["c2"]
