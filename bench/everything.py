"""`make bench`: all that is measured, in some twenty minutes; the figures go to bench/results/latest.json.

    python -m bench.everything [--rounds 9] [--scale 1.0] [--json FILE]

`python -m bench.table` then writes the tables of README.md and docs/performance.md. Nothing else should run meanwhile.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path

from bench import kinds, peers, scale, serving, stages
from bench.measure import MIN_ROUNDS
from bench.rows import Row
from bench.table import LATEST

_OWN = ("httptools", "orjson", "jsonschema-rs", "uvloop", "starlette", "uvicorn")


def main(arguments: Sequence[str] | None = None) -> int:
    options = _options(arguments)
    if not peers.PEERS.exists():
        print("the peers are not installed: run `make bench`", file=sys.stderr)
        return 1
    lines = peers.measured(rounds=options.rounds, seconds=max(0.3 * options.scale, 0.02))
    print(peers.table(lines), flush=True)
    rows = list(_told(options.rounds, options.scale))
    found = {
        "python": platform.python_version(),
        "cpu": _cpu(),
        "cores": os.cpu_count(),
        "versions": {**{name: version(name) for name in _OWN}, **peers.versions()},
        "lines": [asdict(line) for line in lines],
        "rows": [row.as_json() for row in rows],
        "profile": stages.shares(),
    }
    file = options.json or LATEST
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(found, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    print(f"written to {file}; `python -m bench.table` makes the tables of it")
    return 0


def _told(rounds: int, size: float) -> Iterator[Row]:
    for part in (kinds, serving, scale):
        for row in part.rows(rounds=rounds, scale=size):
            ratio = "" if row.ratio is None else f"{row.ratio:.3f} of {row.against} {row.reached}"
            print(f"{row.area}: {row.name}: {ratio or f'{row.ours:.3g} {row.unit}'}", flush=True)
            yield row


def _cpu() -> str:
    """The processor's model, as Linux knows it."""
    try:
        lines = Path("/proc/cpuinfo").read_text("utf-8").splitlines()
    except OSError:
        return platform.machine()
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return models[0] if models else platform.machine()


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.everything", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=MIN_ROUNDS, help="more rounds, steadier medians")
    parser.add_argument("--scale", type=float, default=1.0, help="calls per turn, specs and executions, times this")
    parser.add_argument("--json", type=Path, help="where to write the figures")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main())
