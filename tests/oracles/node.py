"""Node packages as oracles: a function of `<module>.mjs` beside this file is called with JSON, and gives JSON.

The packages are those of package.json here; `npm ci` in this folder installs them. Their clock stands on UTC.
"""

from __future__ import annotations

import json
import os
import select
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

_HERE = Path(__file__).parent
_SECONDS = 60


class Refused(Exception):
    """The package threw an error; its text."""


class Package:
    """A running node process that knows one module."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def ask(self, name: str, *given: Any) -> Any:
        """What the exported function gives (a promise is awaited). Raises `Refused` with what it threw."""
        stdin, stdout = self._process.stdin, self._process.stdout
        assert stdin is not None
        assert stdout is not None
        stdin.write(json.dumps({"name": name, "given": given}) + "\n")
        stdin.flush()
        ready, _, _ = select.select([stdout], [], [], _SECONDS)
        line = stdout.readline() if ready else ""
        assert line, f"node gave no answer to {name}"
        answer = json.loads(line)
        if "error" in answer:
            raise Refused(answer["error"])
        return answer["value"]


@contextmanager
def asking(module: str, package: str) -> Iterator[Package]:
    """`module`.mjs with the npm package that it needs; skips the test where node or the package is missing."""
    node = shutil.which("node")
    if node is None:
        pytest.skip("node is not installed")
    if not (_HERE / "node_modules" / package).is_dir():
        pytest.skip(f"the npm package {package} is not installed: run `npm ci` in tests/oracles")
    command = [node, str(_HERE / "serve.mjs"), str(_HERE / f"{module}.mjs")]
    environment = {**os.environ, "TZ": "UTC"}
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, encoding="utf-8", env=environment
    ) as process:
        try:
            yield Package(process)
        finally:
            process.kill()
