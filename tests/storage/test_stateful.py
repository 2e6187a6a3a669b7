"""Long random histories, compared with a model in memory."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Coroutine
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar, TypeVar

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from engine.errors import VersionConflict
from engine.model import Connection
from engine.storage.ports import Store
from tests.storage.conftest import ADAPTERS
from tests.storage.samples import Clock, connection

T = TypeVar("T")
KEYS = st.sampled_from(["a", "b", "c"])
EXPECTED = st.sampled_from(["absent", "present", "stale", "any"])
TTL = st.sampled_from([5, 20, 60])


class Machine(RuleBasedStateMachine):
    """Opens a store on an empty place. `sqlite` stands for all adapters that sweep, which share the contract."""

    sweeps: ClassVar[bool] = True

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.clock = Clock()
        self.loop = asyncio.new_event_loop()
        self.store = self.opened()

    def opened(self) -> Store:
        return ADAPTERS["sqlite"](Path(self.folder.name), self.clock)

    def wait(self, job: Coroutine[Any, Any, T]) -> T:
        return self.loop.run_until_complete(job)

    def teardown(self) -> None:
        self.wait(self.store.lifetime.close())
        self.wait(self.loop.shutdown_default_executor())
        self.loop.close()
        self.folder.cleanup()


class StateHistory(Machine):
    """The model holds (value, version, expiry) of each key and every version it ever had."""

    def __init__(self) -> None:
        super().__init__()
        self.model: dict[str, tuple[bytes, int, float]] = {}
        self.seen: dict[str, list[int]] = {"a": [], "b": [], "c": []}

    def live(self, key: str) -> tuple[bytes, int, float] | None:
        record = self.model.get(key)
        return record if record and record[2] > self.clock.time else None

    def expectation(self, key: str, kind: str) -> int | None:
        if kind == "any":
            return None
        record = self.live(key)
        if kind == "present" and record:
            return record[1]
        stale = [version for version in self.seen[key] if not record or version != record[1]]
        return stale[-1] if kind == "stale" and stale else 0

    @rule(key=KEYS, value=st.binary(max_size=20), kind=EXPECTED, ttl=TTL, durable=st.booleans())
    def put(self, key: str, value: bytes, kind: str, ttl: int, durable: bool) -> None:
        expected = self.expectation(key, kind)
        record = self.live(key)
        fits = expected is None or expected == (record[1] if record else 0)
        version = self.wait(self.store.state.put(key, value, expected=expected, ttl_seconds=ttl, durable=durable))
        assert (version is not None) == fits
        if version is not None:
            assert version > 0
            assert version not in self.seen[key]
            self.seen[key].append(version)
            self.model[key] = (value, version, self.clock.time + ttl)

    @rule(key=KEYS, kind=EXPECTED)
    def delete(self, key: str, kind: str) -> None:
        expected = self.expectation(key, kind)
        record = self.live(key)
        fits = record is not None and expected in {None, record[1]}
        assert self.wait(self.store.state.delete(key, expected)) == fits
        if fits:
            del self.model[key]

    @rule(seconds=st.sampled_from([1, 10, 30]))
    def time_passes(self, seconds: int) -> None:
        self.clock.time += seconds

    @rule()
    def expire(self) -> None:
        expired = [key for key in self.model if not self.live(key)]
        assert self.wait(self.store.state.expire()) == (len(expired) if self.sweeps else 0)
        for key in expired:
            del self.model[key]

    @invariant()
    def the_store_shows_what_the_model_holds(self) -> None:
        for key in self.seen:
            record = self.wait(self.store.state.get(key))
            assert (record and (record.value, record.version, record.expires_at)) == self.live(key)

    @rule(key=KEYS)
    def what_is_lacking_is_not_there(self, key: str) -> None:
        assert self.live(key) is None or not self.store.state.lacks(key)


class AccountHistory(Machine):
    """Connections and secrets with their versions."""

    def __init__(self) -> None:
        super().__init__()
        self.connections: dict[int, Connection] = {}
        self.secrets: dict[int, tuple[str, int]] = {}

    @rule(number=st.integers(1, 3))
    def create(self, number: int) -> None:
        try:
            self.wait(self.store.connections.create(connection(number)))
        except VersionConflict:
            assert number in self.connections
        else:
            assert number not in self.connections
            self.connections[number] = connection(number)

    @rule(number=st.integers(1, 3), version=st.integers(1, 4), name=st.text("abc", max_size=3))
    def update(self, number: int, version: int, name: str) -> None:
        present = self.connections.get(number)
        changed = replace(present or connection(number), name=name, version=version)
        try:
            stored = self.wait(self.store.connections.update(changed))
        except VersionConflict:
            assert present is None or present.version != version
        else:
            assert present is not None
            assert present.version == version
            assert stored == replace(changed, version=version + 1)
            self.connections[number] = stored

    @rule(number=st.integers(1, 3))
    def delete(self, number: int) -> None:
        existed = self.wait(self.store.connections.delete("tenant-a", f"c{number}"))
        assert existed == (self.connections.pop(number, None) is not None)
        self.wait(self.store.secrets.delete("tenant-a", f"c{number}"))
        self.secrets.pop(number, None)

    @rule(number=st.integers(1, 3), text=st.text(max_size=5), expected=st.one_of(st.none(), st.integers(0, 4)))
    def put_secret(self, number: int, text: str, expected: int | None) -> None:
        present = self.secrets.get(number, ("", 0))[1]
        put = self.store.secrets.put("tenant-a", f"c{number}", "credentials", {"key": text}, expected)
        try:
            version = self.wait(put)
        except VersionConflict:
            assert expected not in {None, present}
        else:
            assert expected in {None, present}
            assert version == present + 1
            self.secrets[number] = (text, version)

    @invariant()
    def the_store_shows_what_the_model_holds(self) -> None:
        newest_first = [self.connections[number] for number in sorted(self.connections, reverse=True)]
        assert self.wait(self.store.connections.find("tenant-a")) == newest_first
        for number in (1, 2, 3):
            secret = self.wait(self.store.secrets.get("tenant-a", f"c{number}", "credentials"))
            assert (secret and (secret.value["key"], secret.version)) == self.secrets.get(number)


TestStateHistory = StateHistory.TestCase
TestAccountHistory = AccountHistory.TestCase
TestStateHistory.settings = TestAccountHistory.settings = settings(
    max_examples=20, stateful_step_count=25, deadline=None
)
