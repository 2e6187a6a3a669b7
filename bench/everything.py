"""`make bench`: all that is measured, in a quarter of an hour; the figures go to bench/results/latest.json.

    python -m bench.everything [--rounds 9] [--scale 1.0] [--json FILE] [--only PART …]

With `--only`, the other parts' figures stay as they were measured before.
`python -m bench.table` then writes the tables of README.md and docs/performance.md. Nothing else should run meanwhile.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import Any

from bench import kinds, peers, scale, serving, stages, transports
from bench.measure import MIN_ROUNDS
from bench.rows import Row
from bench.table import LATEST

_ROWS: Mapping[str, Callable[..., Iterable[Row]]] = {
    "kinds": kinds.rows,
    "transports": transports.rows,
    "serving": serving.rows,
    "scale": scale.rows,
}
PARTS = ("peers", *_ROWS, "profile")
_OWN = ("httptools", "orjson", "jsonschema-rs", "uvloop", "starlette", "uvicorn")


def main(arguments: Sequence[str] | None = None) -> int:
    options = _options(arguments)
    if not peers.PEERS.exists():
        print("the peers are not installed: run `make bench`", file=sys.stderr)
        return 1
    file = options.json or LATEST
    before = json.loads(file.read_text(encoding="utf-8")) if options.only else {}
    wanted = options.only or PARTS
    found = {
        **before,
        "python": platform.python_version(),
        "cpu": _cpu(),
        "cores": os.cpu_count(),
        "versions": {**{name: version(name) for name in _OWN}, **peers.versions()},
    }
    if "peers" in wanted:
        lines = peers.measured(rounds=options.rounds, seconds=max(0.3 * options.scale, 0.02))
        print(peers.table(lines), flush=True)
        found["lines"] = [asdict(line) for line in lines]
    found["rows"] = [row for part in _ROWS for row in _rows(part, wanted, before, options.rounds, options.scale)]
    if "profile" in wanted:
        found["profile"] = stages.profile()
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(found, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    print(f"written to {file}; `python -m bench.table` makes the tables of it")
    return 0


def _rows(
    part: str, wanted: Sequence[str], before: Mapping[str, Any], rounds: int, size: float
) -> Iterator[dict[str, Any]]:
    """Measured now, or kept from before."""
    if part not in wanted:
        yield from (row for row in before["rows"] if row["part"] == part)
        return
    for row in _ROWS[part](rounds=rounds, scale=size):
        print(row.line, flush=True)
        yield {"part": part, **row.as_json()}


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
    parser.add_argument("--only", nargs="+", choices=PARTS, metavar="PART", help=f"of {', '.join(PARTS)}")
    parser.add_argument("--json", type=Path, help="where to write the figures")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main())
