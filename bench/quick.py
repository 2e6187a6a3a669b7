"""`make bench-quick`: the engine against hand-written clients and the usual libraries in under a minute, CPU only.

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
from collections.abc import Iterator, Sequence
from pathlib import Path

import uvloop

from bench.baselines import aiohttp_call, httpx_client, opened, sequential
from bench.candidate import KINDS
from bench.contestants.job import at_once
from bench.jobs import FEE
from bench.kinds import WIDTH, over_wire, own_fee
from bench.measure import MIN_ROUNDS, compare
from bench.rows import WIDTHS, Row, sized
from bench.upstream import upstream

RESULTS = Path(__file__).parent / "results"
_HARNESS = "The harness"
_OWN = 0.3  # of the calls that `make bench` takes: what is usual is slow


def main(arguments: list[str] | None = None) -> int:
    options = _options(arguments)
    started = time.perf_counter()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner, upstream() as origin:
        measured = baseline_rows if options.baselines_only else engine_rows
        rows = list(measured(runner, origin, options.rounds, options.scale))
    print_table(rows)
    print(f"{platform.python_version()} on {platform.machine()}, {time.perf_counter() - started:.0f} s")
    write_results(options.json or RESULTS / "quick.json", rows)
    return 0


def engine_rows(runner: asyncio.Runner, origin: str, rounds: int, scale: float) -> Iterator[Row]:
    """The engine against what a developer would write by hand, and against what is usual."""
    yield from over_wire(runner, KINDS[FEE.name], origin, "a fee", rounds, scale, (WIDTHS[1][1], WIDTHS[WIDTH][1]))
    yield own_fee(runner, rounds, scale * _OWN)


def baseline_rows(runner: asyncio.Runner, origin: str, rounds: int, scale: float) -> Iterator[Row]:
    """Is the harness sound here? The same client against itself must give 1.0."""
    few, more = sized(250, scale), sized(1000, scale)
    with httpx_client(origin) as by_hand, opened(runner, aiohttp_call(origin)) as by_hand_async:
        one, many = sequential(runner, by_hand_async), at_once(runner, by_hand_async, WIDTH)
        for name, against, baseline, candidate, calls in (
            ("httpx.Client", "itself", by_hand, by_hand, few),
            ("aiohttp on uvloop, one after the other", "httpx.Client", by_hand, one, few),
            (f"aiohttp on uvloop, {WIDTH} in flight", "itself", many, many, more),
        ):
            yield Row.compared(_HARNESS, name, against, compare(baseline, candidate, calls=calls, rounds=rounds))


def print_table(rows: Sequence[Row]) -> None:
    head = ("CPU per call", "against", "ratio (quartiles)", "A/A", "µs", "baseline µs", "must", "goal")
    lines = [head, *map(_cells, rows)]
    widths = [max(len(line[i]) for line in lines) for i in range(len(head))]
    for line in lines:
        print("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip())


def _cells(row: Row) -> tuple[str, ...]:
    low, high = row.spread or (0.0, 0.0)
    limits = ("" if limit is None else f"{limit:g}" for limit in (row.must, row.goal))
    ratio = f"{row.ratio:.2f} ({low:.2f}-{high:.2f})"
    return (row.name, row.against, ratio, f"{row.control:.2f}", f"{row.ours:.0f}", f"{row.baseline:.0f}", *limits)


def write_results(file: Path, rows: Sequence[Row]) -> None:
    """The same figures as JSON."""
    file.parent.mkdir(parents=True, exist_ok=True)
    found = {
        "python": platform.python_version(),
        "machine": platform.machine(),
        "rows": [row.as_json() for row in rows],
    }
    file.write_text(json.dumps(found, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def _options(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.quick", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=MIN_ROUNDS, help="more rounds, steadier medians")
    parser.add_argument("--scale", type=float, default=1.0, help="calls per chunk, times this")
    parser.add_argument("--baselines-only", action="store_true", help="check the harness, without the engine")
    parser.add_argument("--json", type=Path, help="where to write the figures")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main())
