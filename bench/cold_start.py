"""`make bench-cold`: how long a function takes to start, and its first call, in a bundle as it is deployed.

    python -m bench.cold_start [--rounds 7]

Each round starts a process of its own for each row. Columns, in milliseconds (median): importing modules, the rest of
the import (specs), the first call (the store is opened), the first use of an integration, and a call after that. The
store is SQLite; what the network to AWS adds is not in it.
"""

from __future__ import annotations

import argparse
import compileall
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PARTS = ("engine", "plugins", "schemas", "specs")
COLUMNS = ("modules", "specs", "first call", "first use", "next call")

_CHILD = """
import json, sys, time
marks = [time.perf_counter()]
import engine.api.app, engine.bootstrap, engine.storage.sqlite, mangum
marks.append(time.perf_counter())
from engine.api.lambda_handler import handler
marks.append(time.perf_counter())
def call(path):
    http = {"method": "GET", "path": path, "sourceIp": "192.0.2.1"}
    iam = {"userArn": "arn:aws:iam::111122223333:user/lan"}
    context = {"http": http, "authorizer": {"iam": iam}}
    event = {"version": "2.0", "rawPath": path, "rawQueryString": "", "requestContext": context}
    answer = handler({**event, "headers": {"host": "h", "x-tenant-id": "acme"}}, None)
    assert answer["statusCode"] == 200, answer
    marks.append(time.perf_counter())
call("/healthz")
call(sys.argv[1])
call(sys.argv[1])
print(json.dumps([1000 * (b - a) for a, b in zip(marks, marks[1:])]))
"""
_MARK = "from engine.cli import main; raise SystemExit(main(['warm']))"
_POLICY = """\
policyVersion: 1
allow: [{principals: ["arn:aws:iam::111122223333:user/*"], tenants: [acme], actions: [execute]}]
"""


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.cold_start")
    parser.add_argument("--rounds", type=int, default=7, help="processes per row (7)")
    rounds = parser.parse_args(arguments).rounds
    with tempfile.TemporaryDirectory() as folder:
        bundle = _bundle(Path(folder))
        cold, warm = _environment(bundle, "cold"), _environment(bundle, "warm")
        rows = {"all specs compiled at the start": [_start(bundle, cold) for _ in range(rounds)]}
        subprocess.run([sys.executable, "-c", _MARK], cwd=bundle, env=warm, check=True, stdout=subprocess.DEVNULL)
        rows["marked by `integrations warm`"] = [_start(bundle, warm) for _ in range(rounds)]
        integrations = len(list((bundle / "specs").glob("*/spec.yaml")))
    print(f"{integrations} integrations, {rounds} processes a row, median of each column in ms")
    print(f"{'':34}" + "".join(f"{name:>12}" for name in COLUMNS))
    for name, times in rows.items():
        print(f"{name:34}" + "".join(f"{statistics.median(column):12.1f}" for column in zip(*times, strict=True)))
    return 0


def _bundle(folder: Path) -> Path:
    """The files of the project as they are deployed, byte-compiled."""
    for part in PARTS:
        shutil.copytree(ROOT / part, folder / part, ignore=shutil.ignore_patterns("__pycache__", "compiled.mark"))
    compileall.compile_dir(folder / "engine", quiet=2)
    (folder / "policy.yaml").write_text(_POLICY, "utf-8")
    return folder


def _environment(bundle: Path, name: str) -> Mapping[str, str]:
    kept = {key: value for key, value in os.environ.items() if not key.startswith("INTEGRATIONS_")}
    return {
        **kept,
        "PYTHONPATH": str(bundle),
        "INTEGRATIONS_DATA_DIR": str(bundle / name),
        "INTEGRATIONS_AUTH": "sigv4",
        "INTEGRATIONS_POLICY": str(bundle / "policy.yaml"),
    }


def _start(bundle: Path, environment: Mapping[str, str]) -> list[float]:
    integration = next((bundle / "specs").glob("*/spec.yaml")).parent.name
    command = [sys.executable, "-c", _CHILD, f"/catalog/{integration}"]
    done = subprocess.run(command, cwd=bundle, env=environment, check=True, capture_output=True, text=True)
    return [float(one) for one in json.loads(done.stdout)]


if __name__ == "__main__":
    raise SystemExit(main())
