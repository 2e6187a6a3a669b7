"""Where each microsecond of a call goes: `python -m bench.stages`.

The engine's own work is sampled with the answers from memory (`bench.sampled`): a stage has its share of the loop
thread's CPU. What other threads do, and what the wire adds over the loopback, are differences of CPU times, in turns.
"""

from __future__ import annotations

import asyncio
import math
import resource
import statistics
import sys
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from types import CodeType
from typing import Any, Final

import uvloop

import engine
from bench.baselines import opened, sequential
from bench.candidate import engine_call
from bench.measure import MIN_ROUNDS, Chunk
from bench.sampled import OUTSIDE, sampling
from bench.upstream import upstream

SAMPLES: Final = 5000
_CALLS: Final = 500
_ENGINE: Final = Path(engine.__path__[0])
_BETWEEN: Final = "the steps between them"
_LOOP: Final = "the event loop, and who calls"
STAGES: Final[Mapping[str, tuple[str, ...]]] = {
    "connection and account": ("runtime/account.py",),
    "input: defaults, schema, checks, vars": ("runtime/inputs.py",),
    "the call and its scope": ("runtime/call.py", "runtime/clock.py"),
    "credentials and token": ("runtime/execute.py:Engine.signing",),
    "request from its templates": ("runtime/request.py:build",),
    "signed in, as bytes": ("runtime/send.py:signed", "runtime/request.py:finish"),
    "host, breaker and limits": (
        "runtime/egress.py", "runtime/breaker.py", "runtime/limits.py", "runtime/waits.py", "storage/sqlite/state.py",
    ),
    "answer parsed": ("runtime/response.py:answer_scope", "runtime/parse.py"),
    "answer classified": ("runtime/response.py:classify",),
    "output mapped, checked and written": ("runtime/output.py",),
    "observers: metrics and lines": ("runtime/tally.py", "telemetry/"),
    "log row: masked, made": (
        "runtime/log.py", "runtime/execute.py:Engine._row", "runtime/execute.py:Engine._shown_output",
    ),
    "log row: committed": ("storage/sqlite/executions.py",),
    _BETWEEN: ("runtime/execute.py", "runtime/send.py"),
}  # fmt: skip
"""Folders, files and functions of the engine, in the order of a call; the innermost that is known has the time."""


@dataclass(frozen=True, slots=True)
class Spent:
    """CPU µs of one call; `error`: one standard error. `kind`: own, beside (other threads), wire."""

    stage: str
    kind: str
    us: float
    error: float


@dataclass(frozen=True, slots=True)
class _Used:
    """CPU µs per call."""

    user: float
    system: float
    loop: float

    @classmethod
    def by(cls, chunk: Chunk, calls: int) -> _Used:
        before, loop = resource.getrusage(resource.RUSAGE_SELF), time.thread_time()
        chunk(calls)
        after, each = resource.getrusage(resource.RUSAGE_SELF), 1e6 / calls
        spent = after.ru_utime - before.ru_utime, after.ru_stime - before.ru_stime, time.thread_time() - loop
        return cls(*(seconds * each for seconds in spent))

    @property
    def beside(self) -> float:
        return self.user + self.system - self.loop


def profile(*, samples: int = SAMPLES, rounds: int = 2 * MIN_ROUNDS, calls: int = _CALLS) -> dict[str, Any]:
    """The stages of a call, `kernel` µs of its own work, and how many strikes and calls the shares are taken from."""
    with (
        asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner,
        upstream() as origin,
        opened(runner, engine_call(None)) as instant,
        opened(runner, engine_call(origin)) as over_wire,
    ):
        memory, wire = sequential(runner, instant), sequential(runner, over_wire)
        memory(calls)
        wire(calls)
        pairs = [(_Used.by(memory, calls), _Used.by(wire, calls)) for _ in range(rounds)]
        found, used = _sampled(memory, samples, calls)
    spent = [
        *_shares(found, statistics.fmean(one.loop for one in used)),
        _mean("the log's index and checkpoints", "beside", [one.beside for one in used]),
        _mean("written, waited for, parsed", "wire", [there.user - here.user for here, there in pairs]),
        _mean("the kernel's part", "wire", [there.system - here.system for here, there in pairs]),
    ]
    return {
        "calls": len(used) * calls,
        "samples": found.total(),
        "kernel": round(statistics.fmean(here.system for here, _ in pairs), 1),
        "stages": [asdict(one) for one in spent],
    }


def _sampled(chunk: Chunk, samples: int, calls: int) -> tuple[Counter[str], list[_Used]]:
    used = []
    with sampling(stage_of) as found:
        while found.total() < samples:
            used.append(_Used.by(chunk, calls))
    return found, used


def stage_of(code: CodeType) -> str | None:
    """Which stage a function belongs to of itself."""
    name = name_of(code)
    return None if name is None else _STAGE_OF[name]


def name_of(code: CodeType) -> str | None:
    """Under which name of `STAGES` a function falls: its own before its file's."""
    if not code.co_filename.startswith(str(_ENGINE)):
        return None
    file = Path(code.co_filename).relative_to(_ENGINE).as_posix()
    names = f"{file}:{code.co_qualname}", file, f"{file.partition('/')[0]}/"
    return next((name for name in names if name in _STAGE_OF), None)


_STAGE_OF: Final = {name: stage for stage, names in STAGES.items() for name in names}


def _shares(found: Counter[str], whole: float) -> list[Spent]:
    names = {**{stage: stage for stage in STAGES}, OUTSIDE: _LOOP}
    return [_share(shown, found[name] / found.total(), found.total(), whole) for name, shown in names.items()]


def _share(stage: str, share: float, samples: int, whole: float) -> Spent:
    error = whole * math.sqrt(share * (1 - share) / samples)
    return Spent(stage, "own", round(whole * share, 2), round(error, 2))


def _mean(stage: str, kind: str, values: Sequence[float]) -> Spent:
    error = statistics.stdev(values) / math.sqrt(len(values))
    return Spent(stage, kind, round(statistics.fmean(values), 2), round(error, 2))


def main() -> int:
    found = profile()
    for row in found["stages"]:
        print(f"{row['us']:7.1f} µs ± {row['error']:4.1f}  {row['stage']}")
    print(f"{found['samples']:,} samples of {found['calls']:,} calls; own work in the kernel: {found['kernel']} µs")
    return 0


if __name__ == "__main__":
    sys.exit(main())
