"""The circuit of many callers against a model of it: two stores on one file, calls that overlap, time that passes."""

from __future__ import annotations

import asyncio
import tempfile
import time
from collections.abc import Coroutine
from pathlib import Path
from typing import Any, TypeVar

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule

from engine.errors import CODES, CallError
from engine.runtime import breaker
from engine.storage.ports import Store
from engine.storage.sqlite import open_store
from engine.storage.sqlite.cache import LOOK_SECONDS
from tests.support.scene import START, replies, running
from tests.support.specs import action, spec

T = TypeVar("T")
FAILURES = ["PROVIDER_UNAVAILABLE", "TIMEOUT", "OUTCOME_UNKNOWN"]
WELL = [None, *(code for code in CODES if code not in FAILURES)]
FORGOTTEN_SECONDS = 3600


class Circuits(RuleBasedStateMachine):
    """The model: failures in a row, when the last of them was, until when somebody probes, until when it is known."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.loop = asyncio.new_event_loop()
        self.now = START
        self.stores = [open_store(data_dir=Path(self.folder.name), now=lambda: self.now) for _ in range(2)]
        self.last = self.stores[0]
        self.failures, self.failed_at, self.probe_until, self.known_until = 0, 0.0, 0.0, 0.0

    def wait(self, job: Coroutine[Any, Any, T]) -> T:
        return self.loop.run_until_complete(job)

    def seen_by(self, which: int) -> Store:
        """The store, once it has noticed what the other one wrote."""
        store = self.stores[which]
        if store is not self.last:
            time.sleep(1.5 * LOOK_SECONDS)
            self.last = store
        return store

    @property
    def is_open(self) -> bool:
        if self.now >= self.known_until:
            self.failures, self.probe_until = 0, 0.0
        return self.failures >= 10

    @property
    def may_probe(self) -> bool:
        return self.now >= max(self.failed_at + 30, self.probe_until)

    async def enter(self, store: Store) -> bool:
        """As a call does before it is sent."""
        refused = None
        try:
            opened = await breaker.look(store.state, "c", self.now)
            if opened is not None:
                await breaker.probe(store.state, "c", opened, self.now)
        except CallError as error:
            refused = error
        if refused is not None:
            assert (refused.code, refused.not_processed) == ("CIRCUIT_OPEN", True)
            assert 1 <= (refused.retry_after_ms or 0) <= 30_000
        return refused is None

    def entered(self) -> None:
        if self.is_open:
            self.probe_until, self.known_until = self.now + 30, self.now + FORGOTTEN_SECONDS

    @rule(which=st.integers(0, 1), times=st.sampled_from([1, 1, 3, 10]), code=st.sampled_from(FAILURES))
    def calls_fail(self, which: int, times: int, code: str) -> None:
        """They end so, whenever they began: calls overlap, and some began before it opened."""
        store = self.seen_by(which)
        for _ in range(times):
            self.wait(breaker.note(store.state, "c", self.now, code))
            self.failures = 1 if self.now >= self.known_until else self.failures + 1
            self.failed_at, self.probe_until, self.known_until = self.now, 0.0, self.now + FORGOTTEN_SECONDS

    @rule(which=st.integers(0, 1), code=st.sampled_from(WELL))
    def a_call_is_understood(self, which: int, code: str | None) -> None:
        self.wait(breaker.note(self.seen_by(which).state, "c", self.now, code))
        self.failures, self.probe_until = 0, 0.0

    @rule(which=st.integers(0, 1))
    def a_call_begins(self, which: int) -> None:
        allowed = not self.is_open or self.may_probe
        assert self.wait(self.enter(self.seen_by(which))) is allowed
        if allowed:
            self.entered()

    @precondition(lambda self: self.is_open)
    @rule()
    def many_begin_at_once(self) -> None:
        """All have looked when the first claims the probe."""
        allowed = int(self.may_probe)
        time.sleep(1.5 * LOOK_SECONDS)

        async def at_once() -> int:
            return sum(await asyncio.gather(*(self.enter(store) for store in self.stores * 3)))

        assert self.wait(at_once()) == allowed
        if allowed:
            self.entered()
        self.last = self.stores[0]
        time.sleep(1.5 * LOOK_SECONDS)

    @rule(seconds=st.sampled_from([1, 10, 29, 30, 31, FORGOTTEN_SECONDS]))
    def time_passes(self, seconds: int) -> None:
        self.now += seconds

    def teardown(self) -> None:
        for store in self.stores:
            self.wait(store.lifetime.close())
        self.wait(self.loop.shutdown_default_executor())
        self.loop.close()
        self.folder.cleanup()


TestCircuits = Circuits.TestCase
TestCircuits.settings = settings(max_examples=15, stateful_step_count=25)


@pytest.mark.parametrize("code", ["AUTH_FAILED", "INVALID_INPUT", "REJECTED", "NOT_FOUND", "FORBIDDEN", "CONFLICT"])
async def test_what_a_rule_says_of_a_tenants_mistake_never_opens_it(tmp_path: Path, code: str) -> None:
    """Also where the provider's status alone would count as its failure."""
    made = spec(action("book", "write"), errors=[{"status": 500, "code": code}])
    async with running(tmp_path, made, replies({}, 500)) as scene:
        assert [await scene.code("book") for _ in range(15)] == [code] * 15
        assert scene.seen == 15
