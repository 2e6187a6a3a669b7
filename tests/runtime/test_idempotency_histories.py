"""Long random histories under a few keys: whatever happens, the provider does nothing twice within 24 hours."""

from __future__ import annotations

import asyncio
import itertools
import tempfile
from collections.abc import Coroutine
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from engine.errors import RequestError
from engine.model import Answer, Command, Connection
from engine.runtime.execute import Engine
from engine.runtime.limits import Permits
from engine.runtime.send import Wires
from engine.runtime.transport import HttpTransport
from engine.storage.sqlite import open_store
from tests.support.scene import Stillstand, connect
from tests.support.specs import ID, action, catalog, fields, spec, text
from tests.support.upstream import Reply, Seen, Upstream, answer

T = TypeVar("T")
DAY = 24 * 3600.0
BUDGET = 28.0
BOOK = action(
    "book",
    "write",
    inputSchema=fields(note=text()),
    request={"method": "POST", "path": "/book", "headers": {"X-Key": "{{ call.key }}"}, "json": {"n": 1}},
)
KEYS = st.sampled_from(["order-1-of-lan", "order-2-of-lan"])
TENANTS = ("tenant-a", "tenant-b")
WHO = st.sampled_from(TENANTS)
MOODS = {
    "well": answer({"ok": True}),
    "refuses": answer({}, 400),
    "fails": answer({}, 503),
    "loses the answer": Reply(200, {}, b"{}", fault="drop"),
    "is busy": answer({}, 429),
    "is slow": Reply(200, {"content-type": "application/json"}, b"{}", delay=30),
}
QUICK = st.sampled_from([mood for mood in MOODS if mood != "is slow"])
NOT_SENT = ("CIRCUIT_OPEN", "RATE_LIMITED")


@dataclass
class Known:
    """What the next request with a key must find. `sure`: False after a crash that may have come before the intent."""

    note: str
    until: float
    expires: float
    answer: Answer | None = None
    sure: bool = True
    later: float = 0.0
    """The intent may be that of a later crash, which holds until then."""


@dataclass
class World:
    engine: Engine
    upstream: Upstream
    clock: Stillstand
    connections: dict[str, Connection]
    mood: str = "well"
    done: list[tuple[str, str, float]] = field(default_factory=list)
    """Tenant, key and time of each write that the provider did, or may have."""

    def reply(self, seen: Seen) -> Reply:
        if self.mood != "is busy":
            tenant = next(name for name in TENANTS if seen.headers["x-api-key"].endswith(name))
            self.done.append((tenant, seen.headers["x-key"], self.clock.now()))
        return MOODS[self.mood]


async def world(stack: AsyncExitStack, folder: Path) -> World:
    """An engine whose store goes by the same clock."""
    clock = Stillstand()
    upstream = await stack.enter_async_context(Upstream(lambda _: answer({})))
    compiled = catalog(folder / "specs", spec(BOOK))
    store = open_store(data_dir=folder / "data", now=clock.now)
    wires = Wires(
        transport=HttpTransport(allow_private=True),
        state=store.state,
        permits=Permits(store.state),
        clock=clock,
        upstreams={ID: upstream.origin},
        max_answer_bytes=100_000,
        tenant_calls_per_minute=1_000_000,
        signers={},
    )
    engine = Engine(compiled, store, wires, budget_seconds=BUDGET, max_output_bytes=100_000)
    stack.push_async_callback(engine.close)
    made = {name: await connect(engine, credentials={"apiKey": f"key-of-{name}"}, tenant=name) for name in TENANTS}
    found = World(engine, upstream, clock, made)
    upstream.handler = found.reply
    return found


class Orders(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.loop = asyncio.new_event_loop()
        self.stack = AsyncExitStack()
        self.world = self.wait(world(self.stack, Path(self.folder.name)))
        self.known: dict[tuple[str, str], Known] = {}

    def wait(self, job: Coroutine[Any, Any, T]) -> T:
        return self.loop.run_until_complete(job)

    def command(self, tenant: str, key: str, note: Any) -> Command:
        connection = self.world.connections[tenant]
        return Command(tenant, "book", {"note": note}, connection_id=connection.connection_id, idempotency_key=key)

    async def told(self, tenant: str, key: str, note: Any) -> Answer | str:
        try:
            return await self.world.engine.execute(self.command(tenant, key, note))
        except RequestError as error:
            return error.code

    def live(self, tenant: str, key: str) -> Known | None:
        known = self.known.get((tenant, key))
        return known if known is not None and self.world.clock.now() < known.expires else None

    @rule(tenant=WHO, key=KEYS, note=st.sampled_from(["a", "a", "b"]), mood=QUICK)
    def call(self, tenant: str, key: str, note: str, mood: str) -> None:
        self.world.mood = mood
        known, before = self.live(tenant, key), len(self.world.done)
        told = self.wait(self.told(tenant, key, note))
        if known is None:
            assert isinstance(told, Answer)
            self.learn(tenant, key, note, told, len(self.world.done) - before)
        elif known.sure or not isinstance(told, Answer) or told.replayed:
            self.expect(known, note, told)
            assert len(self.world.done) == before
        else:
            self.learn(tenant, key, note, told, len(self.world.done) - before)

    def learn(self, tenant: str, key: str, note: str, told: Answer, sent: int) -> None:
        assert not told.replayed
        assert sent <= 1
        self.known.pop((tenant, key), None)
        if told.error is not None and told.error.code in NOT_SENT:
            assert sent == 0
            return
        assert sent == 1
        now = self.world.clock.now()
        self.known[tenant, key] = Known(note, now, now + DAY, told)

    def expect(self, known: Known, note: str, told: Answer | str) -> None:
        """What a repeat gets while the first one is remembered."""
        if note != known.note or (known.answer is None and self.world.clock.now() < known.until):
            assert told == "CONFLICT"
            return
        if told == "CONFLICT" and not known.sure and self.world.clock.now() < known.later:
            return
        assert isinstance(told, Answer)
        assert told.replayed
        if known.answer is not None:
            assert (told.execution_id, told.data, told.error) == (
                known.answer.execution_id,
                known.answer.data,
                known.answer.error,
            )
        else:
            assert told.error is not None
            assert (told.error.code, told.error.retryable) == ("OUTCOME_UNKNOWN", False)

    @rule(tenant=WHO, key=KEYS)
    def call_with_what_does_not_fit(self, tenant: str, key: str) -> None:
        """It is answered without being sent, so it leaves the key as free as it was."""
        known, before = self.live(tenant, key), len(self.world.done)
        told = self.wait(self.told(tenant, key, 7))
        assert len(self.world.done) == before
        if known is not None and known.sure:
            assert told == "CONFLICT"
        elif known is None:
            assert isinstance(told, Answer)
            assert told.error is not None
            assert told.error.code == "INVALID_INPUT"

    @rule(tenant=WHO, key=KEYS, turns=st.sampled_from([0, 1, 3, 10, 2_000, 2_000]))
    def crash(self, tenant: str, key: str, turns: int) -> None:
        """The call is abandoned after so many turns of the loop, at the latest when the provider works on it."""
        self.world.mood = "is slow"
        known, before, now = self.live(tenant, key), len(self.world.done), self.world.clock.now()

        async def abandon() -> None:
            task = asyncio.create_task(self.told(tenant, key, "a"))
            for _ in range(turns):
                if task.done() or len(self.world.done) > before:
                    break
                await asyncio.sleep(0.001 if turns > 10 else 0)
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

        self.wait(abandon())
        if known is None:
            sure = len(self.world.done) > before
            self.known[tenant, key] = Known("a", now + BUDGET + 5, now + DAY, sure=sure)
        elif not known.sure:
            known.later = now + BUDGET + 5

    @rule(tenant=WHO, key=KEYS, many=st.integers(2, 5))
    def calls_at_once(self, tenant: str, key: str, many: int) -> None:
        self.world.mood = "well"
        known, before = self.live(tenant, key), len(self.world.done)

        async def at_once() -> list[Answer | str]:
            return await asyncio.gather(*(self.told(tenant, key, "a") for _ in range(many)))

        told = self.wait(at_once())
        answers = [one for one in told if isinstance(one, Answer)]
        assert {one for one in told if isinstance(one, str)} <= {"CONFLICT"}
        assert len({one.execution_id for one in answers if one.success}) <= 1
        first = [one for one in answers if not one.replayed]
        if known is None and first and all(one.success for one in first):
            (only,) = first
            self.learn(tenant, key, "a", only, len(self.world.done) - before)
        elif known is not None and known.sure:
            assert len(self.world.done) == before
        elif first:
            self.known.pop((tenant, key), None)
            if len(self.world.done) > before:
                self.learn(tenant, key, "a", next(one for one in first if one.success), 1)

    @rule(seconds=st.sampled_from([1.0, 32.0, 40.0, 3600.0, DAY - 40, DAY]))
    def time_passes(self, seconds: float) -> None:
        self.world.clock.passed += seconds

    @rule()
    def house_is_kept(self) -> None:
        self.wait(self.world.engine.store.state.expire())

    @invariant()
    def nothing_is_done_twice_within_a_day(self) -> None:
        by_key = sorted(self.world.done)
        for (*one, first), (*other, second) in itertools.pairwise(by_key):
            assert one != other or second - first >= DAY

    def teardown(self) -> None:
        self.wait(self.stack.aclose())
        self.wait(self.loop.shutdown_default_executor())
        self.loop.close()
        self.folder.cleanup()


TestOrders = Orders.TestCase
TestOrders.settings = settings(max_examples=20, stateful_step_count=25)
