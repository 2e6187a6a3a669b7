"""The engine with what `serve` turns on for a call: limits, breaker, redaction, durable log; its observers are off."""

from __future__ import annotations

import re
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from bench.baselines import INPUT, SHOP_ID, TOKEN
from bench.contestants.job import Call
from bench.upstream import body
from engine.model import Command, Connection, Request, Response

INTEGRATION = "shipping-bench"
_MODEL = "shipping-ghn"
_TENANT, _CONNECTION = "bench", "01BX5ZZKBKACTAV9WEVGEMMVRZ"
_CALLS_PER_MINUTE = 60_000_000
_ANSWER = Response(status=200, headers={"content-type": "application/json"}, body=body())


class Instant:
    """A transport whose answer is there at once: what is left is the engine's own work."""

    async def send(self, request: Request, *_: Any, **__: Any) -> Response:
        return _ANSWER

    async def close(self) -> None:
        """Holds nothing."""


def copy_spec(specs: Path, target: Path) -> Path:
    """The fee's spec under an id of its own and with a `rateLimit` that no run reaches: limits count, none refuses."""
    text = (specs / _MODEL / "spec.yaml").read_text(encoding="utf-8")
    text = re.sub(r"(\brateLimit: *)\d+", rf"\g<1>{_CALLS_PER_MINUTE}", text)
    text = text.replace(f"integrationId: {_MODEL}", f"integrationId: {INTEGRATION}")
    folder = target / INTEGRATION
    folder.mkdir(parents=True)
    (folder / "spec.yaml").write_text(text, encoding="utf-8")
    return target


@asynccontextmanager
async def engine_call(origin: str | None) -> AsyncIterator[Call]:
    """One `Engine.execute` of the fee action against `origin`, or with the answer from memory (None)."""
    from engine.bootstrap import open_engine
    from engine.locations import specs_dir
    from engine.settings import Settings

    with tempfile.TemporaryDirectory() as folder:
        specs = copy_spec(specs_dir(), Path(folder) / "specs")
        settings = Settings(
            data_dir=Path(folder) / "data",
            specs_dirs=(specs,),
            upstreams={INTEGRATION: origin} if origin else {},
            tenant_calls_per_minute=_CALLS_PER_MINUTE,
        )
        engine = await open_engine(settings, transport=None if origin else Instant())
        try:
            await _connect(engine.store)
            command = Command(tenant_id=_TENANT, action_id="calculate_fee", input=INPUT, connection_id=_CONNECTION)

            async def call() -> object:
                answer = await engine.execute(command)
                if not answer.success:
                    raise RuntimeError(f"the engine's call failed: {answer.error}")
                return answer.data

            yield call
        finally:
            await engine.close()


async def _connect(store: Any) -> None:
    now = time.time()
    connection = Connection(
        tenant_id=_TENANT,
        connection_id=_CONNECTION,
        integration_id=INTEGRATION,
        name="bench",
        config={"shopId": SHOP_ID, "environment": "sandbox"},
        status="active",
        created_at=now,
        updated_at=now,
    )
    await store.connections.create(connection)
    await store.secrets.put(_TENANT, _CONNECTION, "credentials", {"apiKey": TOKEN})
