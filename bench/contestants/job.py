"""The job, and how a chunk of it is run one after the other, in threads, or in flight."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractAsyncContextManager, contextmanager
from typing import Any

import uvloop

from bench.jobs import BODY, FEE, result
from bench.measure import Chunk

Call = Callable[[], Coroutine[Any, Any, object]]
__all__ = ["BODY", "HEADERS", "PATH", "Call", "Chunk", "at_once", "in_flight", "in_threads", "result"]

PATH = FEE.path
HEADERS = FEE.headers


@contextmanager
def in_threads(call: Callable[[], object], width: int) -> Iterator[Chunk]:
    """A chunk of a call that blocks."""
    if width == 1:

        def alone(calls: int) -> None:
            for _ in range(calls):
                call()

        yield alone
        return
    with ThreadPoolExecutor(width) as pool:

        def worker(left: Iterator[int]) -> None:
            for _ in left:
                call()

        def chunk(calls: int) -> None:
            shares = [iter(range(calls // width + (i < calls % width))) for i in range(width)]
            list(pool.map(worker, shares))

        yield chunk


def at_once(runner: asyncio.Runner, call: Call, width: int) -> Chunk:
    """A chunk that keeps `width` calls under way."""

    async def worker(left: Iterator[int]) -> None:
        for _ in left:
            await call()

    async def many(calls: int) -> None:
        left = iter(range(calls))  # shared: whoever is free takes the next one
        await asyncio.gather(*(worker(left) for _ in range(width)))

    return lambda calls: runner.run(many(calls))


@contextmanager
def in_flight(call: AbstractAsyncContextManager[Call], width: int) -> Iterator[Chunk]:
    """A chunk of a call that waits, on uvloop; the call is kept open over all chunks."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        made = runner.run(_entered(call))

        yield at_once(runner, made, width)
        runner.run(_left(call))


async def _entered(call: AbstractAsyncContextManager[Call]) -> Call:
    return await call.__aenter__()


async def _left(call: AbstractAsyncContextManager[Call]) -> None:
    await call.__aexit__(None, None, None)
