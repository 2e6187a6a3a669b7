"""One contestant in a process of its own, so that its CPU is its own: `python -m bench.worker NAME ORIGIN WIDTH`.

Says `ready`; then, for each number of calls that it reads, a line `CPU WALL`: µs per call, CPU of all its threads.
Ends when its stdin is closed.
"""

from __future__ import annotations

import gc
import importlib
import logging
import subprocess
import sys
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

_ROOT = Path(__file__).resolve().parents[1]


@dataclass(frozen=True, slots=True)
class Took:
    """µs per call."""

    cpu: float
    wall: float


class Worker:
    """A contestant that waits for work."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def run(self, calls: int) -> Took:
        stdin, stdout = self._process.stdin, self._process.stdout
        assert stdin is not None
        assert stdout is not None
        stdin.write(f"{calls}\n")
        stdin.flush()
        cpu, wall = stdout.readline().split()
        return Took(float(cpu), float(wall))


@contextmanager
def working(python: Path, name: str, origin: str, width: int) -> Iterator[Worker]:
    """Raises `RuntimeError` with what the contestant said when it can't start."""
    command = [str(python), "-m", "bench.worker", name, origin, str(width)]
    with subprocess.Popen(
        command, cwd=_ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        if process.stdout.readline().strip() != "ready":
            raise RuntimeError(f"{name} did not start: {process.stderr.read()[-2000:]}")
        try:
            yield Worker(process)
        finally:
            process.kill()


def main() -> None:
    name, origin, width = sys.argv[1:]
    warnings.simplefilter("ignore")
    logging.disable(logging.CRITICAL)
    module = importlib.import_module(f"bench.contestants.{name}")
    with module.opened(origin, int(width)) as chunk:
        print("ready", flush=True)
        for line in sys.stdin:
            gc.collect()
            calls = int(line)
            cpu, wall = time.process_time(), time.perf_counter()
            chunk(calls)
            spent, took = time.process_time() - cpu, time.perf_counter() - wall
            print(spent / calls * 1e6, took / calls * 1e6, flush=True)


if __name__ == "__main__":
    main()
