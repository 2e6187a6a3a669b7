"""Calls of several kinds: own work, short and long answers, signed, over TLS.

    python -m bench.kinds [--rounds 9] [--scale 1.0]

Ours and what it is held against work in turns in this process; the provider is another.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Iterator

import uvloop

from bench.baselines import aiohttp_call, httpx_client, opened, sequential
from bench.candidate import CONNECTOR, KINDS, Kind, engine_call
from bench.certificate import certified
from bench.contestants.job import at_once
from bench.jobs import FEE, LONG, SHORT, SIGNED
from bench.measure import MIN_ROUNDS, compare
from bench.naive import naive
from bench.rows import Row, Target, sized, told
from bench.upstream import upstream

WIDTH = 32
_OWN = "Own work, the answer from memory"
_WIRE = "Over the wire"
_NAIVE = "jsonschema, Jinja2, jmespath, SQLite"
_BY_CONNECTOR = "by the carrier's connector, which asks and tells more"
_FEE, _LIST = Target(must=0.5, goal=0.25, moonshot=0.15), Target(must=0.3, goal=0.1, moonshot=0.06)


def rows(*, rounds: int = MIN_ROUNDS, scale: float = 1.0) -> Iterator[Row]:
    """Calls grow with `scale`."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        yield own_fee(runner, rounds, scale)
        yield _own(runner, CONNECTOR, f"a fee, {_BY_CONNECTOR}", 1000, None, rounds, scale)
        yield _own(runner, KINDS[LONG.name], "a list, 112 kB", 20, _LIST, rounds, scale)
        with upstream() as origin:
            yield from over_wire(runner, CONNECTOR, origin, f"a fee, {_BY_CONNECTOR}", rounds, scale)
        for job, name in ((SHORT, "2 kB"), (LONG, "112 kB"), (SIGNED, "signed with HMAC-SHA256")):
            with upstream(job) as origin:
                yield from over_wire(runner, KINDS[job.name], origin, name, rounds, scale)
                if job is SIGNED:
                    yield _keyed(runner, origin, rounds, scale)
        with certified() as tls, upstream(FEE, tls) as origin:
            yield from over_wire(runner, KINDS[FEE.name], origin, "over TLS", rounds, scale)


def own_fee(runner: asyncio.Runner, rounds: int, scale: float) -> Row:
    """The engine's own work, beside that of the usual libraries."""
    return _own(runner, KINDS[FEE.name], "a fee, 612 bytes", 1000, _FEE, rounds, scale)


def _own(
    runner: asyncio.Runner, kind: Kind, name: str, calls: int, target: Target | None, rounds: int, scale: float
) -> Row:
    """The usual libraries do the job as its guarded spec says it, whatever the kind."""
    with opened(runner, engine_call(None, kind)) as ours, naive(KINDS[kind.job.name]) as usual:
        found = compare(usual, sequential(runner, ours), calls=sized(calls, scale), rounds=rounds)
    return Row.compared(_OWN, name, _NAIVE, found, target)


def over_wire(
    runner: asyncio.Runner,
    kind: Kind,
    origin: str,
    name: str,
    rounds: int,
    scale: float,
    targets: tuple[Target | None, Target | None] = (None, None),
) -> Iterator[Row]:
    """One after the other, and many in flight; `targets` in this order."""
    job = kind.job
    calls = 40 if job is LONG else 250
    with opened(runner, engine_call(origin, kind)) as ours:
        with httpx_client(origin, job) as usual:
            found = compare(usual, sequential(runner, ours), calls=sized(calls, scale), rounds=rounds)
        yield Row.compared(_WIRE, f"{name}, one after the other", "httpx.Client, by hand", found, targets[0])
        with opened(runner, aiohttp_call(origin, job)) as usual_call:
            many = at_once(runner, usual_call, WIDTH)
            found = compare(many, at_once(runner, ours, WIDTH), calls=sized(4 * calls, scale), rounds=rounds)
        yield Row.compared(_WIRE, f"{name}, {WIDTH} in flight", "aiohttp on uvloop, by hand", found, targets[1])


def _keyed(runner: asyncio.Runner, origin: str, rounds: int, scale: float) -> Row:
    """The intent is on disk, with fsync, before the request leaves; so is the answer before it is given."""
    with (
        opened(runner, engine_call(origin, KINDS[SIGNED.name], keyed=True)) as ours,
        httpx_client(origin, SIGNED) as usual,
    ):
        found = compare(usual, sequential(runner, ours), calls=sized(100, scale), rounds=rounds)
    name = "signed, each under an Idempotency-Key, one after the other"
    return Row.compared(_WIRE, name, "httpx.Client, by hand, without any", found)


if __name__ == "__main__":
    sys.exit(told(rows, __doc__))
