"""The command `spec-lint`.

spec-lint [PATH …] [--format text|json|github] [--no-cases]     check specs and their cases
spec-lint explain CODE                                          what a code means

Ends with 0 when all is well, 1 when there are findings, 2 when it was called wrongly.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TextIO

from engine.diagnostics import CODES, unknown
from engine.errors import EngineError
from engine.locations import specs_dir
from spec_lint.collect import NothingToCheck, Progress, Report, collect, targets
from spec_lint.show import as_github, as_json, as_text

CLEAN, FOUND, WRONG_CALL = 0, 1, 2
_MANY = 3  # specs; fewer need no progress


def main(arguments: Sequence[str] | None = None) -> int:
    given = list(sys.argv[1:] if arguments is None else arguments)
    if given[:1] == ["explain"]:
        return _explain(given[1:])
    return _check(given)


def _check(given: list[str]) -> int:
    asked = _parser().parse_args(given)
    try:
        specs = targets([Path(path) for path in asked.paths] or [specs_dir()])
        report = collect(specs, with_cases=not asked.no_cases, progress=_progress(len(specs)))
    except (NothingToCheck, EngineError) as error:
        return _wrong(str(error))
    _write(sys.stdout, _shown(report, asked.format))
    return FOUND if report.findings else CLEAN


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="spec-lint",
        description="Check integration specs and their cases. `spec-lint explain CODE` says what a code means.",
    )
    parser.add_argument("paths", nargs="*", metavar="PATH", help="folder or file of specs (default: the project's)")
    parser.add_argument("--format", choices=("text", "json", "github"), default="text", help="how findings are shown")
    parser.add_argument("--no-cases", action="store_true", help="leave the files of cases alone")
    return parser


def _explain(given: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="spec-lint explain", description="Say what a code means.")
    parser.add_argument("code", metavar="CODE", help="for example YAML014")
    code = parser.parse_args(given).code.upper()
    if code not in CODES:
        message, hint = unknown("code", code, CODES)
        return _wrong(f"{message} ({hint})")
    _write(sys.stdout, f"{code}: {CODES[code]}\n")
    return CLEAN


def _shown(report: Report, kind: str) -> str:
    if kind == "json":
        return as_json(report)
    return as_github(report) if kind == "github" else as_text(report, colour=_is_coloured(sys.stdout))


def _is_coloured(stream: TextIO) -> bool:
    return stream.isatty() and "NO_COLOR" not in os.environ and os.environ.get("TERM") != "dumb"


def _progress(specs: int) -> Progress:
    """One line on a terminal that each step overwrites and the last one leaves empty; elsewhere nothing."""
    if specs < _MANY or not sys.stderr.isatty():
        return lambda _step: None
    return lambda step: _write(sys.stderr, f"\r\x1b[2K{step}\r" if step else "\r\x1b[2K")


def _wrong(message: str) -> int:
    _write(sys.stderr, f"spec-lint: {message}\n")
    return WRONG_CALL


def _write(stream: TextIO, text: str) -> None:
    """What the terminal's encoding lacks is shown as `?`."""
    encoding = stream.encoding or "utf-8"
    stream.write(text.encode(encoding, "replace").decode(encoding))
    stream.flush()
