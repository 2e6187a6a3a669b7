"""What grows: 1,000 specs cold and warm, the first call of a process, and the log from 10^3 to 10^6 executions.

    python -m bench.scale [--rounds 9] [--scale 1.0]

CPU of whole processes for the first two. For the log two stores work in turns, a small one and a large one: what a call
adds and every list that the API shows must cost as much in the one as in the other.
"""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Final

from bench.baselines import INPUT, SHOP_ID
from bench.baselines import TOKEN as API_KEY
from bench.candidate import INTEGRATION, copy_spec
from bench.filled import QUERIES, Filled
from bench.jobs import FEE
from bench.measure import MIN_ROUNDS, Comparison, compare, interleaved
from bench.rows import Row, Target, told
from bench.upstream import upstream
from engine.locations import specs_dir

ROOT: Final = Path(__file__).resolve().parents[1]
_MODELS: Final = ROOT / "tests" / "fixtures" / "specs"
_SPECS: Final = 1_000
_SMALL: Final = 1_000
_LARGE: Final = (10_000, 100_000, 1_000_000)
_LOG: Final = "The log of calls"
_MOVED: Final = 250
"""So many new rows are moved into the log at once: each turn has its share of that."""
_FLAT: Final = Target(must=1.5, goal=1.25, moonshot=1.1)


def rows(*, rounds: int = MIN_ROUNDS, scale: float = 1.0) -> Iterator[Row]:
    """Specs and executions grow with `scale`. Raises `RuntimeError` when a process of it fails."""
    yield from many_specs(max(round(_SPECS * scale), 1), min(rounds, 2))
    yield first_call(rounds)
    for size in _LARGE:
        yield from the_log(_SMALL, max(round(size * scale), 2 * _SMALL), rounds)


# ---------------------------------------------------------------- a thousand specs


def many_specs(number: int, rounds: int) -> Iterator[Row]:
    """A catalogue of so many specs beside the project's own."""
    with tempfile.TemporaryDirectory() as folder:
        specs, kept = copies(_MODELS, Path(folder) / "specs", number), Path(folder) / "kept"
        parsed = partial(_spent, specs, kept, "parsed")
        area, against = "A thousand specs", "PyYAML's CSafeLoader, which only parses them"
        cold = _turns(parsed, lambda: _cold(specs, kept), rounds)
        name = f"{number} specs ready, nothing kept from before"
        yield _in_ms(Row.compared(area, name, against, cold, Target(must=2.0, goal=1.3, moonshot=0.4), _MODELS_NOTE))
        warm = _turns(parsed, partial(_spent, specs, kept, "ready"), rounds)
        name = f"{number} specs ready, known from before"
        yield _in_ms(Row.compared(area, name, against, warm, Target(must=0.1, goal=0.01, moonshot=0.003), _MODELS_NOTE))


_MODELS_NOTE: Final = "copies of specs of 180 to 305 lines; the process as a whole, without its imports"


def copies(models: Path, target: Path, number: int) -> Path:
    """So many specs under ids of their own, the models one after the other."""
    texts = [path.read_text("utf-8") for path in sorted(models.glob("*/spec.yaml"))]
    names = [path.parent.name for path in sorted(models.glob("*/spec.yaml"))]
    for count in range(number):
        name, text = names[count % len(names)], texts[count % len(texts)]
        folder = target / f"{name}-n{count}"
        folder.mkdir(parents=True)
        copied = text.replace(f"integrationId: {name}\n", f"integrationId: {folder.name}\n", 1)
        (folder / "spec.yaml").write_text(copied, "utf-8")
    return target


def _cold(specs: Path, kept: Path) -> float:
    shutil.rmtree(kept, ignore_errors=True)
    kept.mkdir()
    return _spent(specs, kept, "ready")


def _spent(specs: Path, kept: Path, maker: str) -> float:
    """CPU seconds."""
    command = [sys.executable, "-m", "bench.ready", str(kept), str(specs), maker]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"bench.ready failed: {done.stderr[-2000:]}")
    seconds, made = done.stdout.split()
    if int(made) < len(list(specs.iterdir())):
        raise RuntimeError(f"only {made} specs were read")
    return float(seconds)


def _turns(baseline: Callable[[], float], candidate: Callable[[], float], rounds: int) -> Comparison:
    """In ms."""
    return interleaved(lambda _: baseline() * 1e3, lambda _: candidate() * 1e3, calls=1, rounds=rounds)


def _in_ms(row: Row) -> Row:
    return replace(row, unit="ms")


# ---------------------------------------------------------------- the first call of a process

_SCRIPT: Final = (
    "import sys, json, httpx; url, body, headers = sys.argv[1:]; "
    "answer = httpx.post(url, json=json.loads(body), headers=json.loads(headers)).raise_for_status().json(); "
    "print(json.dumps({'fee': answer['data']['total'], 'currency': 'VND'}))"
)
_CALL: Final = "from engine.cli import main; raise SystemExit(main())"


def first_call(rounds: int) -> Row:
    """`integrations call` for an account that is there, against a script that only calls."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        origin = stack.enter_context(upstream())
        python = {"PYTHONPYCACHEPREFIX": str(folder / "bytecode")}  # what is installed is compiled already
        environment = {
            **python,
            "INTEGRATIONS_DATA_DIR": str(folder / "data"),
            "INTEGRATIONS_SPECS_DIRS": str(copy_spec(specs_dir(), folder / "specs")),
            "INTEGRATIONS_UPSTREAMS": f"{INTEGRATION}={origin}",
        }
        asyncio.run(_connected(environment))
        call = [sys.executable, "-c", _CALL, "call", INTEGRATION, "calculate_fee", "--tenant", "bench"]
        call += ["--input", json.dumps(INPUT)]
        script = [
            sys.executable,
            "-c",
            _SCRIPT,
            origin + FEE.path,
            json.dumps(FEE.body()),
            json.dumps(dict(FEE.headers)),
        ]
        found = _turns(partial(_process, script, python), partial(_process, call, environment), rounds)
    target = Target(must=1.1, goal=0.8, moonshot=0.6)
    note = "two processes as a whole, from nothing to the first result; specs known from before"
    row = Row.compared("The first call", "a process and its first call", "a script with httpx", found, target, note)
    return _in_ms(row)


async def _connected(environment: Mapping[str, str]) -> None:
    from engine.bootstrap import open_engine
    from engine.connections.service import ConnectionService, Draft
    from engine.settings import Settings

    engine = await open_engine(Settings.from_environment(environment))
    try:
        config = {"shopId": SHOP_ID, "environment": "sandbox"}
        draft = Draft(integration_id=INTEGRATION, name="bench", config=config, credentials={"apiKey": API_KEY})
        await ConnectionService(engine).create("bench", draft)
    finally:
        await engine.close()


def _process(command: Sequence[str], environment: Mapping[str, str]) -> float:
    """CPU seconds of a process from its start to its end. Raises `RuntimeError` when it fails."""
    unwanted = ("INTEGRATIONS_", "PYTHONDONTWRITEBYTECODE")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(unwanted)}
    with tempfile.TemporaryFile() as said:
        process = subprocess.Popen(command, cwd=ROOT, env={**kept, **environment}, stdout=said, stderr=said)
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        said.seek(0)
        answer = said.read()
    if process.returncode or b'"fee":' not in answer:
        raise RuntimeError(f"{command[1:5]} failed: {answer[-2000:].decode(errors='replace')}")
    return used.ru_utime + used.ru_stime


# ---------------------------------------------------------------- the log


def the_log(small: int, large: int, rounds: int) -> Iterator[Row]:
    """A log with `large` executions of one tenant against one with `small`."""
    with ExitStack() as stack:
        few, many = (stack.enter_context(Filled.opened(size)) for size in (small, large))
        for name, query in QUERIES.items():
            found = compare(few.asking(query), many.asking(query), calls=50, rounds=rounds)
            yield Row.compared(_LOG, f"{name}, of {large:,}", f"of {small:,}", found, _FLAT)
        found = compare(few.logging(), many.logging(), calls=_MOVED, rounds=rounds)
        yield Row.compared(_LOG, f"one call more, beside {large:,}", f"beside {small:,}", found, _FLAT)


if __name__ == "__main__":
    sys.exit(told(rows, __doc__))
