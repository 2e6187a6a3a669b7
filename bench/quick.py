"""`make bench-quick`: the engine against hand-written clients in under a minute, CPU only.

    python -m bench.quick [--rounds 9] [--scale 1.0] [--baselines-only] [--json FILE]

Rows: one call after the other against `httpx.Client`; 32 in flight against aiohttp with uvloop; the engine's own CPU
with the answer from memory. Read a ratio only beside its A/A control, and never compare µs of two machines.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import platform
import sys
import time
from collections.abc import Iterator
from contextlib import AbstractAsyncContextManager, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

import uvloop

from bench.baselines import aiohttp_call, httpx_client, sequential
from bench.candidate import engine_call
from bench.contestants.job import Call, at_once
from bench.measure import MIN_ROUNDS, Comparison, Figure, alone, compare
from bench.upstream import upstream

WIDTH = 32
RESULTS = Path(__file__).parent / "results"


@dataclass(frozen=True, slots=True)
class Plan:
    """How much to measure; calls per chunk grow with `scale`."""

    rounds: int
    scale: float

    def calls(self, base: int) -> int:
        return max(round(base * self.scale), 1)


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table; `must` and `goal` are ratios."""

    name: str
    comparison: Comparison
    must: float | None = None
    goal: float | None = None


def main(arguments: list[str] | None = None) -> int:
    options = _options(arguments)
    plan = Plan(options.rounds, options.scale)
    started = time.perf_counter()
    own: Figure | None = None
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner, upstream() as origin:
        if options.baselines_only:
            rows = baseline_rows(runner, origin, plan)
        else:
            rows = engine_rows(runner, origin, plan)
            own = own_cpu(runner, plan)
    print_table(rows, own, time.perf_counter() - started)
    write_results(options.json or RESULTS / "quick.json", rows, own)
    return 0


def engine_rows(runner: asyncio.Runner, origin: str, plan: Plan) -> list[Row]:
    """The engine against what a developer would write by hand."""
    with opened(runner, engine_call(origin)) as engine:
        with httpx_client(origin) as by_hand:
            one = compare(by_hand, sequential(runner, engine), calls=plan.calls(250), rounds=plan.rounds)
        with opened(runner, aiohttp_call(origin)) as by_hand_async:
            many = compare(
                at_once(runner, by_hand_async, WIDTH),
                at_once(runner, engine, WIDTH),
                calls=plan.calls(1500),
                rounds=plan.rounds,
            )
    return [
        Row("engine / httpx.Client, one after the other", one, must=1.0, goal=0.5),
        Row(f"engine / aiohttp + uvloop, {WIDTH} in flight", many, must=2.0, goal=1.2),
    ]


def own_cpu(runner: asyncio.Runner, plan: Plan) -> Figure:
    """CPU µs per call of the engine alone, the answer from memory, calls one after the other."""
    with opened(runner, engine_call(None)) as engine:
        return alone(sequential(runner, engine), calls=plan.calls(1000), rounds=plan.rounds)


def baseline_rows(runner: asyncio.Runner, origin: str, plan: Plan) -> list[Row]:
    """Is the harness sound here? The same client against itself must give 1.0."""
    with httpx_client(origin) as by_hand, opened(runner, aiohttp_call(origin)) as by_hand_async:
        many = at_once(runner, by_hand_async, WIDTH)
        return [
            Row("httpx.Client / itself", compare(by_hand, by_hand, calls=plan.calls(250), rounds=plan.rounds)),
            Row(
                "aiohttp + uvloop / httpx.Client, one after the other",
                compare(by_hand, sequential(runner, by_hand_async), calls=plan.calls(250), rounds=plan.rounds),
            ),
            Row(
                f"aiohttp + uvloop / itself, {WIDTH} in flight",
                compare(many, many, calls=plan.calls(1500), rounds=plan.rounds),
            ),
        ]


@contextmanager
def opened(runner: asyncio.Runner, resource: AbstractAsyncContextManager[Call]) -> Iterator[Call]:
    """Keep an async resource open over several runs of the same loop."""
    value = runner.run(_enter(resource))
    try:
        yield value
    finally:
        runner.run(_leave(resource))


async def _enter(resource: AbstractAsyncContextManager[Call]) -> Call:
    return await resource.__aenter__()


async def _leave(resource: AbstractAsyncContextManager[Call]) -> None:
    await resource.__aexit__(None, None, None)


def print_table(rows: list[Row], own: Figure | None, seconds: float) -> None:
    head = ("CPU per call, medians (quartiles)", "ratio", "A/A control", "µs", "baseline µs", "must", "goal")
    lines = [head, *(_cells(row) for row in rows)]
    if own:
        lines.append(("engine's own, answer from memory", "", "", f"{own.median:.0f}", "", "", ""))
    widths = [max(len(line[i]) for line in lines) for i in range(len(head))]
    for line in lines:
        print("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip())
    print(f"{platform.python_version()} on {platform.machine()}, {seconds:.0f} s")


def _cells(row: Row) -> tuple[str, ...]:
    c = row.comparison
    return (
        row.name,
        _spread(c.ratio),
        _spread(c.control),
        f"{c.candidate.median:.0f}",
        f"{c.baseline.median:.0f}",
        "" if row.must is None else f"{row.must:g}",
        "" if row.goal is None else f"{row.goal:g}",
    )


def _spread(figure: Figure) -> str:
    return f"{figure.median:.2f} ({figure.low:.2f}-{figure.high:.2f})"


def write_results(file: Path, rows: list[Row], own: Figure | None) -> None:
    """The same figures as JSON."""
    file.parent.mkdir(parents=True, exist_ok=True)
    result = {
        "python": platform.python_version(),
        "machine": platform.machine(),
        "rows": [asdict(row) for row in rows],
        "ownCpuMicroseconds": asdict(own) if own else None,
    }
    file.write_text(json.dumps(result, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def _options(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.quick", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=MIN_ROUNDS + 2, help="more rounds, steadier medians")
    parser.add_argument("--scale", type=float, default=1.0, help="calls per chunk, times this")
    parser.add_argument("--baselines-only", action="store_true", help="check the harness, without the engine")
    parser.add_argument("--json", type=Path, help="where to write the figures")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main())
