"""`make bench-guard`: how much work a few fixed jobs are, beside the figures that are kept of them.

    python -m bench.instructions [--record] [--kept FILE] [--meter callgrind|loop] [--job JOB]

Valgrind's callgrind counts machine instructions, which a busy machine does not change. Where it is not installed, a
job's CPU is divided by that of a fixed loop (`loops`), which is rougher. A report and no gate: a job that takes over a
quarter more than it did is told loudly, and the exit code stays 0. 1 means that there is no figure of a job.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from bench.counted import JOBS

ROOT: Final = Path(__file__).resolve().parents[1]
KEPT: Final = ROOT / "bench" / "results" / "instructions.json"
ALARM: Final = 1.25
_PATIENCE_SECONDS: Final = 300
_VALGRIND: Final = ("valgrind", "vgdb")
_TOTALS: Final = re.compile(r"^totals: ([0-9]+)$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Line:
    """One job: `kept` and `now` in instructions or loops; `kept` is None where there is nothing to compare with."""

    job: str
    kept: float | None
    now: float

    @property
    def change(self) -> float | None:
        return self.now / self.kept if self.kept else None

    @property
    def verdict(self) -> str:
        if self.change is None:
            return "not compared"
        if self.change > ALARM:
            return "ALARM"
        return "faster: record it" if self.change < 1 / ALARM else "as before"


def machine() -> str:
    """What figures of another can't be compared with."""
    return f"Python {'.'.join(platform.python_version_tuple()[:2])} on {platform.machine()}"


def meter() -> str:
    """`callgrind`, or `loop` where that is not installed."""
    return "callgrind" if all(shutil.which(name) for name in _VALGRIND) else "loop"


def measured(job: str, how: str) -> float:
    """Of one turn. Raises `RuntimeError` with what the job said when it failed."""
    turns = JOBS[job].turns
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "callgrind.out"
        under = ["valgrind", "--tool=callgrind", "--instr-atstart=no", f"--callgrind-out-file={out}"]
        command = [*(under if how == "callgrind" else []), sys.executable, "-m", "bench.counted", how, job]
        environment = {**os.environ, "PYTHONHASHSEED": "0"}
        try:
            done = subprocess.run(
                command,
                cwd=ROOT,
                env=environment,
                capture_output=True,
                text=True,
                timeout=_PATIENCE_SECONDS,
                check=False,
            )
        except subprocess.TimeoutExpired:
            raise RuntimeError(f"{job}: not done after {_PATIENCE_SECONDS} s") from None
        except FileNotFoundError:
            raise RuntimeError(f"{job}: {command[0]} is not installed") from None
        if done.returncode:
            raise RuntimeError(f"{job}: {done.stderr[-2000:]}")
        return counted(out.read_text("utf-8")) / turns if how == "callgrind" else float(done.stdout)


def counted(text: str) -> int:
    """The instructions in what callgrind wrote. Raises `RuntimeError` when it counted none."""
    totals = [int(found) for found in _TOTALS.findall(text)]
    if not any(totals):
        raise RuntimeError("callgrind counted nothing: it was not switched on")
    return sum(totals)


def kept_figures(kept: Mapping[str, Any], how: str) -> Mapping[str, float]:
    """Those that can be compared with what this machine measures; none of another Python."""
    figures: Mapping[str, float] = kept.get(how, {}) if kept.get("machine") == machine() else {}
    return figures


def report(lines: Sequence[Line], how: str) -> Iterator[str]:
    """The table; at its end, loudly, what became slower."""
    unit = "instructions" if how == "callgrind" else "loops"
    width = max(len(line.job) for line in lines)
    yield f"{f'{unit} of one turn'.ljust(width)}  {'kept':>14}{'now':>14}{'change':>9}"
    for line in lines:
        change = "" if line.change is None else f"{line.change - 1:+.1%}"
        yield f"{line.job.ljust(width)}  {_number(line.kept):>14}{_number(line.now):>14}{change:>9}  {line.verdict}"
    slower = [line for line in lines if line.verdict == "ALARM"]
    if slower:
        yield "!" * 100
        yield from (f"!! {line.job}: {(line.change or 0) - 1:+.0%} {unit}" for line in slower)
        yield "!! Make it as fast as it was, or say why not and keep what it is: make bench-guard BENCH_ARGS=--record"
        yield "!" * 100


def _number(value: float | None) -> str:
    if value is None:
        return "-"
    return f"{value:,.0f}" if value >= 1_000 else f"{value:.2f}"


def main(arguments: Sequence[str] | None = None) -> int:
    options = _options(arguments)
    hows = ("loop", "callgrind") if options.record else (options.meter or meter(),)
    kept = json.loads(options.kept.read_text("utf-8")) if options.kept.is_file() else {}
    figures: dict[str, dict[str, float]] = {}
    missing: list[str] = []
    for how in hows:
        figures[how], failed = _all(options.job or JOBS, how)
        missing += failed
    lines = [Line(job, kept_figures(kept, how).get(job), now) for job, now in figures[how].items()]
    if lines:
        print("\n".join(report(lines, how)))
    if kept and kept.get("machine") != machine():
        print(f"The figures kept are of {kept.get('machine')}, this is {machine()}: they can't be compared.")
    for why in missing:
        print(f"no figure: {why}", file=sys.stderr)
    if options.record and not missing:
        record(options.kept, figures)
    return 1 if missing else 0


def _all(jobs: Iterable[str], how: str) -> tuple[dict[str, float], list[str]]:
    figures: dict[str, float] = {}
    failed: list[str] = []
    for job in jobs:
        try:
            figures[job] = measured(job, how)
        except RuntimeError as error:
            failed.append(str(error))
    return figures, failed


def record(file: Path, figures: Mapping[str, Mapping[str, float]]) -> None:
    """Keeps the figures of this machine in place of those that were there."""
    rounded = {
        how: {job: int(now) if now >= 1_000 else round(now, 3) for job, now in jobs.items()}
        for how, jobs in figures.items()
    }
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps({"machine": machine(), **rounded}, indent=2) + "\n", "utf-8")
    print(f"{file}: recorded")


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m bench.instructions", description=(__doc__ or "").partition("\n")[0]
    )
    parser.add_argument("--record", action="store_true", help="keep what valgrind and the loop say now")
    parser.add_argument("--kept", type=Path, default=KEPT, help="where they are kept")
    parser.add_argument("--meter", choices=("callgrind", "loop"), help="(callgrind where valgrind is installed)")
    parser.add_argument("--job", choices=JOBS, action="append", help="only this one")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main())
