"""A whole engine over a real data directory, with an upstream over a real socket in the provider's place."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ulid import ULID

from engine.bootstrap import open_engine
from engine.model import Answer, Command, Connection, Execution
from engine.plugins import Registry
from engine.runtime.account import CREDENTIALS
from engine.runtime.clock import Clock, SystemClock
from engine.runtime.execute import Engine
from engine.settings import Settings
from engine.storage.ports import ExecutionQuery
from engine.telemetry.events import Observer
from tests.support.specs import ID, catalog
from tests.support.upstream import Handler, Upstream, answer

START = 1_777_600_000.0
TENANT = "tenant-a"
KEY = "key-of-the-tests-4711"


@dataclass
class Stillstand:
    """A clock that moves only when somebody sleeps or a test says so."""

    passed: float = 0.0
    slept: list[float] = field(default_factory=list)
    on_sleep: Callable[[], Any] | None = None
    jitter: float = 0.0

    def now(self) -> float:
        return START + self.passed

    def monotonic(self) -> float:
        return self.passed

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.passed += seconds
        await asyncio.sleep(0)
        if self.on_sleep is not None:
            await self.on_sleep()

    def hex(self) -> str:
        return SystemClock().hex()

    def secret(self) -> str:
        return SystemClock().secret()

    def fraction(self) -> float:
        return self.jitter

    def ulid(self) -> str:
        return str(ULID())


def replies(value: Any = None, status: int = 200, **headers: str) -> Handler:
    """A handler that always answers this JSON."""
    return lambda _seen: answer({"ok": True} if value is None else value, status, **headers)


@dataclass
class Scene:
    """What a test plays with. `connection` is an account of `TENANT` at the spec's integration."""

    engine: Engine
    upstream: Upstream
    connection: Connection
    data_dir: Path

    async def call(self, action_id: str = "quote", given: Mapping[str, Any] | None = None, **command: Any) -> Answer:
        asked: dict[str, Any] = {"connection_id": self.connection.connection_id, "tenant_id": TENANT, **command}
        return await self.engine.execute(Command(action_id=action_id, input=given or {}, **asked))

    async def code(self, action_id: str = "quote", given: Mapping[str, Any] | None = None, **command: Any) -> str:
        """The error code of a call that must fail."""
        done = await self.call(action_id, given, **command)
        assert done.error is not None, done
        return done.error.code

    async def stored(self) -> Connection:
        found = await self.engine.store.connections.get(TENANT, self.connection.connection_id)
        assert found is not None
        return found

    async def log(self) -> list[Execution]:
        """Newest first."""
        return await self.engine.store.executions.find(ExecutionQuery(TENANT, limit=200))

    @property
    def seen(self) -> int:
        return len(self.upstream.seen)


async def connect(
    engine: Engine,
    integration_id: str = ID,
    *,
    config: Mapping[str, Any] | None = None,
    credentials: Mapping[str, Any] | None = None,
    tenant: str = TENANT,
    **more: Any,
) -> Connection:
    """A stored connection, as the connection API leaves it."""
    now = engine.clock.now()
    made = Connection(
        **{
            "tenant_id": tenant,
            "connection_id": str(ULID()),
            "integration_id": integration_id,
            "name": "Main",
            "config": dict(config or {}),
            "status": "active",
            "created_at": now,
            "updated_at": now,
            **more,
        }
    )
    given = {"apiKey": KEY} if credentials is None else dict(credentials)
    await engine.store.secrets.put(tenant, made.connection_id, CREDENTIALS, given)
    await engine.store.connections.create(made)
    return made


@asynccontextmanager
async def running(
    tmp_path: Path,
    one: Mapping[str, Any],
    handler: Handler | None = None,
    *others: Mapping[str, Any],
    config: Mapping[str, Any] | None = None,
    credentials: Mapping[str, Any] | None = None,
    clock: Clock | None = None,
    settings: Mapping[str, Any] | None = None,
    registry: Registry | None = None,
    observer: Observer | None = None,
) -> AsyncIterator[Scene]:
    """An engine that knows these specs, all sent to one upstream, and a connection to the first."""
    async with AsyncExitStack() as stack:
        upstream = await stack.enter_async_context(Upstream(handler or replies()))
        compiled = catalog(tmp_path / "specs", one, *others, registry=registry)
        engine = await open_engine(
            Settings(data_dir=tmp_path / "data", **(settings or {})),
            catalog=compiled,
            clock=clock or Stillstand(),
            upstreams=dict.fromkeys(compiled.integrations, upstream.origin),
            observer=observer,
        )
        stack.push_async_callback(engine.close)
        made = await connect(engine, str(one["integrationId"]), config=config, credentials=credentials)
        yield Scene(engine, upstream, made, tmp_path / "data")
