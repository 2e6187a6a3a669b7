"""The engine beside hand-written clients and the peers of its field, each in a process of its own.

    python -m bench.peers [--rounds 9] [--seconds 0.3] [--only NAME …] [--json FILE]

In a round every contestant works once, between two turns of the baseline, and is divided by their mean; the baseline
once more as a contestant is the A/A control. Peers run in the environment that `bench/contestants/requirements.lock`
locks. Read a ratio only beside the control, and never compare µs of two machines.
"""

from __future__ import annotations

import argparse
import json
import platform
import subprocess
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path

from bench.measure import MIN_ROUNDS, Figure
from bench.upstream import upstream
from bench.worker import Took, Worker, working

ROOT = Path(__file__).resolve().parents[1]
PEERS = ROOT / ".venv-bench" / "bin" / "python"
RESULTS = Path(__file__).parent / "results"
WIDTHS = {1: "httpx_client", 32: "aiohttp_client"}
"""Calls under way, and what all others are held against there."""
NAMES = {
    "engine": "**this engine**",
    "httpx_client": "httpx.Client, by hand",
    "httpx_async": "httpx.AsyncClient, by hand",
    "aiohttp_client": "aiohttp on uvloop, by hand",
    "botocore_session": "botocore",
    "fastmcp_server": "fastmcp, from_openapi",
    "airbyte_retriever": "airbyte-cdk, retriever",
    "dlt_client": "dlt, RESTClient",
}
_PACKAGES = (
    *("httpx", "aiohttp", "uvloop", "botocore", "fastmcp", "airbyte-cdk", "dlt"),
    *("httpx2", "httpx-aiohttp", "pyreqwest", "pycurl", "urllib3"),
)
_PILOT = 40


@dataclass(frozen=True, slots=True)
class Line:
    """A contestant at one width. `ratio` to the baseline; CPU in µs per call; calls a second of wall time."""

    name: str
    width: int
    baseline: str
    ratio: Figure
    cpu: Figure
    rate: Figure


def main(arguments: Sequence[str] | None = None) -> int:
    options = _options(arguments)
    if not PEERS.exists():
        print("the peers are not installed: run `make bench`", file=sys.stderr)
        return 1
    names = options.only or list(NAMES)
    lines = measured(names, options.rounds, options.seconds)
    print(table(lines))
    _write(options.json or RESULTS / "peers.json", lines)
    return 0


def measured(names: Sequence[str] = tuple(NAMES), rounds: int = MIN_ROUNDS, seconds: float = 0.3) -> list[Line]:
    """These contestants at both widths, with the baselines against themselves."""
    with upstream() as origin:
        return [
            line
            for width, baseline in WIDTHS.items()
            for line in _measured(origin, width, baseline, names, rounds, seconds)
        ]


def _measured(origin: str, width: int, baseline: str, names: Sequence[str], rounds: int, seconds: float) -> list[Line]:
    with ExitStack() as stack:

        def hired(name: str) -> Worker:
            python = Path(sys.executable) if name == "engine" else PEERS
            return stack.enter_context(working(python, name, origin, width))

        base = hired(baseline)
        contestants = {"control": hired(baseline), **{name: hired(name) for name in names if name != baseline}}
        calls = {name: _calls(worker, seconds) for name, worker in contestants.items()}
        base_calls = _calls(base, seconds)
        took: dict[str, list[tuple[float, Took]]] = {name: [] for name in contestants}
        before = base.run(base_calls)
        for number in range(rounds):
            for done, (name, worker) in enumerate(contestants.items(), 1):
                _progress(width, number * len(contestants) + done, rounds * len(contestants))
                mine = worker.run(calls[name])
                after = base.run(base_calls)
                took[name].append((mine.cpu * 2 / (before.cpu + after.cpu), mine))
                before = after
    return [_line(name, width, baseline, turns) for name, turns in took.items()]


def _line(name: str, width: int, baseline: str, turns: list[tuple[float, Took]]) -> Line:
    return Line(
        name,
        width,
        baseline,
        Figure.of([ratio for ratio, _ in turns]),
        Figure.of([took.cpu for _, took in turns]),
        Figure.of([1e6 / took.wall for _, took in turns]),
    )


def _calls(worker: Worker, seconds: float) -> int:
    """As many as take about that long, after a warm-up."""
    worker.run(_PILOT)
    return max(round(seconds * 1e6 / worker.run(_PILOT).wall), _PILOT)


def _progress(width: int, done: int, of: int) -> None:
    if sys.stderr.isatty():
        print(f"\r{width} under way: {done} of {of} turns", end="\n" if done == of else "", file=sys.stderr, flush=True)


def table(lines: Sequence[Line]) -> str:
    """The lines as Markdown, the fastest first at each width."""
    rows = ["| under way | who | CPU per call, ratio | µs | calls/s |", "|---:|---|---:|---:|---:|"]
    for line in sorted(lines, key=lambda line: (line.width, line.ratio.median)):
        name = f"{NAMES[line.baseline]}, once more" if line.name == "control" else NAMES[line.name]
        ratio = f"{line.ratio.median:.2f} ({line.ratio.low:.2f}-{line.ratio.high:.2f})"
        rows.append(f"| {line.width} | {name} | {ratio} | {line.cpu.median:.0f} | {line.rate.median:.0f} |")
    return "\n".join(rows)


def _write(file: Path, lines: Sequence[Line]) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    found = {
        "python": platform.python_version(),
        "machine": platform.machine(),
        "versions": versions(),
        "lines": [asdict(line) for line in lines],
    }
    file.write_text(json.dumps(found, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def versions() -> dict[str, str]:
    """Of the peers, as their environment has them."""
    script = "import sys, importlib.metadata as m; print('\\n'.join(m.version(n) for n in sys.argv[1:]))"
    done = subprocess.run([PEERS, "-c", script, *_PACKAGES], capture_output=True, text=True, check=True)
    return dict(zip(_PACKAGES, done.stdout.split(), strict=True))


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.peers", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=MIN_ROUNDS, help="more rounds, steadier medians")
    parser.add_argument("--seconds", type=float, default=0.3, help="about how long a turn takes")
    parser.add_argument("--only", nargs="+", choices=list(NAMES), metavar="NAME", help="these, and the baseline")
    parser.add_argument("--json", type=Path, help="where to write the figures")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main())
