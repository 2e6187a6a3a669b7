"""The engine as `serve` runs it (observers, limits, breaker, redaction, durable log) doing a benchmark's job."""

from __future__ import annotations

import os
import re
import tempfile
import time
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from bench.baselines import INPUT, SHOP_ID, TOKEN
from bench.contestants.job import Call
from bench.jobs import ACCESS_KEY, FEE, LONG, PARTNER, PAYMENT, SECRET_KEY, SHORT, SIGNED, Job
from engine.bootstrap import open_engine, open_observer
from engine.cli.log_lines import calls_logged_to
from engine.locations import specs_dir
from engine.model import Command, Connection, Request, Response
from engine.runtime.execute import Engine
from engine.settings import Settings
from engine.telemetry.metrics import Metrics

INTEGRATION = "shipping-bench"
_MODEL = "shipping-ghn"
_TENANT, _CONNECTION = "bench", "01BX5ZZKBKACTAV9WEVGEMMVRZ"
_CALLS_PER_MINUTE = 60_000_000
_GUARDED = Path(__file__).parent / "guarded"


@dataclass(frozen=True, slots=True)
class Kind:
    """A job as a call of the engine. `model`: the folder of its spec."""

    job: Job
    model: Path
    action_id: str
    input: Mapping[str, Any]
    config: Mapping[str, Any]
    credentials: Mapping[str, Any]


_SHOP = {"shopId": SHOP_ID}
_KEY = {"apiKey": TOKEN}
_CARRIER = _GUARDED / "shipping-guarded"
KINDS: Mapping[str, Kind] = {
    kind.job.name: kind
    for kind in (
        Kind(FEE, _CARRIER, "calculate_fee", INPUT, _SHOP, _KEY),
        Kind(SHORT, _CARRIER, "list_products", {}, _SHOP, _KEY),
        Kind(LONG, _CARRIER, "list_products", {}, _SHOP, _KEY),
        Kind(
            SIGNED,
            specs_dir() / "payment-momo",
            "create_payment",
            {
                "paymentId": PAYMENT["orderId"],
                "amount": PAYMENT["amount"],
                "description": PAYMENT["orderInfo"],
                "returnUrl": PAYMENT["redirectUrl"],
                "notifyUrl": PAYMENT["ipnUrl"],
            },
            {"partnerCode": PARTNER, "environment": "sandbox"},
            {"accessKey": ACCESS_KEY, "secretKey": SECRET_KEY},
        ),
    )
}


CONNECTOR = Kind(FEE, specs_dir() / _MODEL, "calculate_fee", INPUT, {**_SHOP, "environment": "sandbox"}, _KEY)
"""The fee by the connector that tenants use: a computed default, parcels, parts of the fee, 14 rules instead of 5."""


class Instant:
    """A transport whose answer is there at once: what is left is the engine's own work."""

    def __init__(self, job: Job) -> None:
        self._answer = Response(status=200, headers={"content-type": "application/json"}, body=job.answer)

    async def send(self, request: Request, *_: Any, **__: Any) -> Response:
        return self._answer

    async def close(self) -> None:
        """Holds nothing."""


def copy_spec(specs: Path, target: Path) -> Path:
    """The fee's spec under an id of its own and with a `rateLimit` that no run reaches: limits count, none refuses."""
    return _copied(specs / _MODEL, target)


def _copied(model: Path, target: Path) -> Path:
    text = (model / "spec.yaml").read_text(encoding="utf-8")
    text = re.sub(r"(\brateLimit: *)\d+", rf"\g<1>{_CALLS_PER_MINUTE}", text)
    text = text.replace(f"integrationId: {model.name}", f"integrationId: {INTEGRATION}")
    folder = target / INTEGRATION
    folder.mkdir(parents=True)
    (folder / "spec.yaml").write_text(text, encoding="utf-8")
    return target


@contextmanager
def _nowhere() -> Iterator[int]:
    descriptor = os.open(os.devnull, os.O_WRONLY)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


@asynccontextmanager
async def opened(origin: str | None, kind: Kind) -> AsyncIterator[Engine]:
    """As `serve` opens it, with its settings; answers come from `origin`, or from memory (None).

    The lines that `serve` writes of each call go to the null device.
    """
    with tempfile.TemporaryDirectory() as folder, _nowhere() as lines:
        settings = replace(
            Settings(data_dir=Path(folder) / "data", tenant_calls_per_minute=_CALLS_PER_MINUTE),
            specs_dirs=(_copied(kind.model, Path(folder) / "specs"),),
            upstreams={INTEGRATION: origin} if origin else {},
        )
        with calls_logged_to(lines) as logged:
            engine = await open_engine(
                settings,
                transport=None if origin else Instant(kind.job),
                observer=open_observer(Metrics(), logged),
            )
            try:
                yield engine
            finally:
                await engine.close()


@asynccontextmanager
async def engine_call(origin: str | None, kind: Kind = KINDS[FEE.name], *, keyed: bool = False) -> AsyncIterator[Call]:
    """One `Engine.execute` of the job against `origin`, or with the answer from memory (None).

    `keyed`: each call under an Idempotency-Key of its own.
    """
    async with opened(origin, kind) as engine:
        await _connect(engine.store, kind)
        command = Command(tenant_id=_TENANT, action_id=kind.action_id, input=kind.input, connection_id=_CONNECTION)

        async def call() -> object:
            one = replace(command, idempotency_key=engine.clock.ulid()) if keyed else command
            answer = await engine.execute(one)
            if not answer.success:
                raise RuntimeError(f"the engine's call failed: {answer.error}")
            return answer.data

        yield call


async def _connect(store: Any, kind: Kind) -> None:
    now = time.time()
    connection = Connection(
        tenant_id=_TENANT,
        connection_id=_CONNECTION,
        integration_id=INTEGRATION,
        name="bench",
        config=dict(kind.config),
        status="active",
        created_at=now,
        updated_at=now,
    )
    await store.connections.create(connection)
    await store.secrets.put(_TENANT, _CONNECTION, "credentials", dict(kind.credentials))
