"""The jobs that `bench.instructions` counts, each in a process of its own: `python -m bench.counted METER JOB`.

METER `callgrind`: this process runs under valgrind, which counts only between the two switches around the job. METER
`loop`: prints the job's CPU divided by that of a fixed loop.
"""

from __future__ import annotations

import asyncio
import gc
import json
import logging
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

import uvloop

from bench.contestants.job import Call
from bench.jobs import products
from engine.bootstrap import open_engine
from engine.locations import schemas_dir
from engine.model import Command, Connection, Execution, Request, Response
from engine.plugins import Registry
from engine.settings import Settings
from engine.spec.load import compile_text, load_catalog, read_models
from engine.storage.ports import ExecutionQuery, Store
from engine.storage.sqlite import open_store

_GUARDED: Final = Path(__file__).parent / "guarded"
_ID: Final = "shipping-guarded"
_TENANT: Final = "bench"
_CONNECTION: Final = "01BX5ZZKBKACTAV9WEVGEMMVRZ"
_PER_MINUTE: Final = 60_000_000
_LOGGED: Final = 500
_ROUNDS: Final = 9
_PARCEL: Final[Mapping[str, Any]] = {
    "fromDistrictId": 1454,
    "toDistrictId": 1442,
    "toWardCode": "20101",
    "weight": 1200,
    "length": 15,
    "width": 15,
    "height": 15,
    "insuranceValue": 500000,
}
_FEE: Final = {"code": 200, "message": "Success", "data": {"total": 36300, **dict.fromkeys("abcdefghijklmnop", 0)}}
_PRODUCTS: Final = {"code": 200, "items": products(600)}
"""About 100 kB."""


@dataclass(frozen=True, slots=True)
class Job:
    """`turns`: how often it is done while it is counted, when it is fifty times as slow as it is."""

    opened: Callable[[], AbstractAsyncContextManager[Call]]
    turns: int


class FromMemory:
    """A transport whose answer is there at once: what is left is the engine's own work."""

    def __init__(self, answer: object) -> None:
        body = json.dumps(answer, ensure_ascii=False, separators=(",", ":")).encode()
        self._answer = Response(status=200, headers={"content-type": "application/json"}, body=body)

    async def send(self, request: Request, *_: Any, **__: Any) -> Response:
        return self._answer

    async def close(self) -> None:
        """Holds nothing."""


@asynccontextmanager
async def calling(action_id: str, given: Mapping[str, Any], answer: object) -> AsyncIterator[Call]:
    """`Engine.execute`, with the answer from memory."""
    catalog = load_catalog([_GUARDED], Registry(), schemas_dir())
    with tempfile.TemporaryDirectory() as folder:
        settings = Settings(data_dir=Path(folder), tenant_calls_per_minute=_PER_MINUTE)
        engine = await open_engine(settings, catalog=catalog, transport=FromMemory(answer))
        try:
            await _connect(engine.store)
            command = Command(tenant_id=_TENANT, action_id=action_id, input=given, connection_id=_CONNECTION)

            async def call() -> object:
                answer = await engine.execute(command)
                if not answer.success:
                    raise RuntimeError(f"the call failed: {answer.error}")
                return answer.data

            yield call
        finally:
            await engine.close()


async def _connect(store: Store) -> None:
    now, config = time.time(), {"shopId": "5000001"}
    made = Connection(_TENANT, _CONNECTION, _ID, "bench", config, "active", created_at=now, updated_at=now)
    await store.connections.create(made)
    await store.secrets.put(_TENANT, _CONNECTION, "credentials", {"apiKey": "fake-guarded-token-0000"})


@asynccontextmanager
async def compiling() -> AsyncIterator[Call]:
    """One spec from its text to frozen objects."""
    text, models = (_GUARDED / _ID / "spec.yaml").read_text("utf-8"), read_models(schemas_dir())

    async def call() -> object:
        made = compile_text("spec.yaml", text, Registry(), models).integration
        if made is None:
            raise RuntimeError("the guarded spec does not compile")
        return made

    yield call


@asynccontextmanager
async def first_page() -> AsyncIterator[Call]:
    """The newest fifty executions of a tenant that has ten times as many."""
    with tempfile.TemporaryDirectory() as folder:
        store = open_store(data_dir=Path(folder))
        try:
            for number in range(_LOGGED):
                await store.executions.append(_execution(number))
            await store.executions.expire(0.0)  # which moves what has come in to its place first

            async def call() -> object:
                page = await store.executions.find(ExecutionQuery(_TENANT))
                if len(page) != 50:
                    raise RuntimeError(f"a page of {len(page)} executions")
                return page

            yield call
        finally:
            await store.lifetime.close()


def _execution(number: int) -> Execution:
    at = 1_800_000_000.0 + number
    return Execution(
        f"01J{number:023d}", _TENANT, _CONNECTION, _ID, "calculate_fee", b'{"weight":1200}', b'{"fee":36300}',
        "success", None, None, 41, "agent", None, at,
    )  # fmt: skip


JOBS: Final[Mapping[str, Job]] = {
    # More than the values of a class after which `engine.frozen` writes it an `__init__` of its own.
    "own call, answer from memory": Job(lambda: calling("calculate_fee", _PARCEL, _FEE), 100),
    "parse, map and check 100 kB": Job(lambda: calling("list_products", {}, _PRODUCTS), 4),
    "compile one spec": Job(compiling, 2),
    "first page of the log": Job(first_page, 20),
}


@contextmanager
def counting() -> Iterator[None]:
    """Callgrind counts what is done meanwhile."""
    _instrument("on")
    try:
        yield
    finally:
        _instrument("off")


def _instrument(state: str) -> None:
    command = ["vgdb", f"--pid={os.getpid()}", "instrumentation", state]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as order:
        # Valgrind looks for orders between blocks of instructions: a process that sleeps would never hear this one.
        while order.poll() is None:
            pass
    if order.returncode:
        raise RuntimeError(f"valgrind did not hear `instrumentation {state}`: vgdb ended with {order.returncode}")


def loop(turns: int) -> None:
    """A fixed amount of what Python does most: names, small objects, calls."""
    for number in range(1_000 * turns):
        row = {"number": number, "text": str(number)}
        [*row.values(), str(row)]


async def _counted(call: Call, turns: int) -> None:
    with counting():
        for _ in range(turns):
            await call()


async def _against_the_loop(call: Call, turns: int) -> float:
    """CPU of a turn / CPU of one loop, median of rounds; each between two loops, so that the machine's moods cancel."""
    times: list[float] = []
    for _ in range(_ROUNDS):
        marks = [time.process_time_ns()]
        loop(turns)
        marks.append(time.process_time_ns())
        for _ in range(turns):
            await call()
        marks.append(time.process_time_ns())
        loop(turns)
        marks.append(time.process_time_ns())
        before, job, after = (end - start for start, end in pairwise(marks))
        times.append(2 * job / (before + after))
    return statistics.median(times)


async def _main(meter: str, job: Job) -> None:
    async with job.opened() as call:
        for _ in range(job.turns):  # what is made at the first use is there
            await call()
        gc.collect()
        gc.freeze()
        gc.disable()
        if meter == "callgrind":
            await _counted(call, job.turns)
        else:
            print(await _against_the_loop(call, job.turns))


if __name__ == "__main__":
    logging.disable(logging.CRITICAL)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_main(sys.argv[1], JOBS[sys.argv[2]]))
