"""CPU per call of two ways to do the same job, measured so that the machine's moods cancel out.

Each chunk of the candidate stands between two chunks of the baseline and is divided by their mean; between the same
pairs runs the baseline once more as if it were a candidate (the A/A control: far from 1.0 means the run is worthless).
CPU is user + system time of this process, all threads; the upstream server is another process.
"""

from __future__ import annotations

import gc
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

Chunk = Callable[[int], None]
"""Does the job that many times."""
Cost = Callable[[int], float]
"""Does it that many times, and says what one took."""

MIN_ROUNDS = 9


@dataclass(frozen=True, slots=True)
class Figure:
    """Median with the middle half of the rounds (quartiles)."""

    median: float
    low: float
    high: float

    @classmethod
    def of(cls, values: list[float]) -> Figure:
        low, median, high = statistics.quantiles(values, n=4, method="inclusive")
        return cls(round(median, 3), round(low, 3), round(high, 3))


@dataclass(frozen=True, slots=True)
class Comparison:
    """`ratio` = candidate / baseline, `control` = baseline / baseline; the rest is CPU µs per call."""

    ratio: Figure
    control: Figure
    candidate: Figure
    baseline: Figure
    rounds: int
    calls: int


def cpu(chunk: Chunk, calls: int) -> float:
    """CPU µs per call."""
    before = time.process_time_ns()
    chunk(calls)
    return (time.process_time_ns() - before) / calls / 1000


def compare(baseline: Chunk, candidate: Chunk, *, calls: int, rounds: int = MIN_ROUNDS) -> Comparison:
    """Two jobs of this process."""
    return interleaved(partial(cpu, baseline), partial(cpu, candidate), calls=calls, rounds=rounds)


def interleaved(baseline: Cost, candidate: Cost, *, calls: int, rounds: int = MIN_ROUNDS) -> Comparison:
    """Warm both up, then `rounds` times: baseline, candidate, baseline, control (and the next round's baseline)."""
    for cost in (baseline, candidate):
        cost(max(calls // 4, 1))
        gc.collect()
    baselines, candidates, controls = [baseline(calls)], [], []
    for _ in range(rounds):
        candidates.append(candidate(calls))
        baselines.append(baseline(calls))
        controls.append(baseline(calls))
        baselines.append(baseline(calls))
    return Comparison(
        ratio=Figure.of([c * 2 / (baselines[2 * i] + baselines[2 * i + 1]) for i, c in enumerate(candidates)]),
        control=Figure.of([c * 2 / (baselines[2 * i + 1] + baselines[2 * i + 2]) for i, c in enumerate(controls)]),
        candidate=Figure.of(candidates),
        baseline=Figure.of(baselines),
        rounds=rounds,
        calls=calls,
    )


def alone(chunk: Chunk, *, calls: int, rounds: int = MIN_ROUNDS) -> Figure:
    """CPU µs per call of one job without a baseline."""
    _warm_up(chunk, calls)
    return Figure.of([cpu(chunk, calls) for _ in range(rounds)])


def _warm_up(chunk: Chunk, calls: int) -> None:
    chunk(max(calls // 4, 1))
    gc.collect()
