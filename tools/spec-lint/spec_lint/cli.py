"""The command `spec-lint`.

spec-lint [PATH …] [--format text|json|github|sarif]     check specs and their cases
          [--fix] [--strict] [--only CODE …] [--except CODE …] [--no-cases] [--fresh]
spec-lint explain [CODE]                                 what a code means and how it is mended; all codes

Ends with 0 when all is well, 1 when there are errors (with --strict also for warnings), 2 when it was called wrongly.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TextIO

from engine.bootstrap import open_registry
from engine.errors import EngineError
from engine.locations import specs_dir
from spec_lint.collect import NothingToCheck, Progress, Report, collect, mended, targets
from spec_lint.explain import list_of_codes, page_of, show_page
from spec_lint.memory import open_memory
from spec_lint.rule import Rule
from spec_lint.rules import RULES
from spec_lint.sarif import as_sarif
from spec_lint.show import as_github, as_json, as_text
from spec_lint.table import UnknownCode, entry_of

CLEAN, FOUND, WRONG_CALL = 0, 1, 2
_MANY = 3  # specs; fewer need no progress
_MOST_ROUNDS = 5  # of fixes: where a spec compiles again, rules see it


def main(arguments: Sequence[str] | None = None) -> int:
    given = list(sys.argv[1:] if arguments is None else arguments)
    try:
        return _explain(given[1:]) if given[:1] == ["explain"] else _check(_parser().parse_args(given))
    except (NothingToCheck, UnknownCode, EngineError) as error:
        _write(sys.stderr, f"spec-lint: {error}\n")
        return WRONG_CALL


def _check(asked: argparse.Namespace) -> int:
    specs = targets([Path(path) for path in asked.paths] or [specs_dir()])
    rules, registry, progress = _chosen(asked.only, asked.without), open_registry(), _progress(len(specs))
    about = " ".join([str(not asked.no_cases), *(rule.code for rule in rules)])
    memory = None if asked.fresh else open_memory(about)

    def look() -> Report:
        cases = not asked.no_cases
        return collect(specs, registry, with_cases=cases, progress=progress, rules=rules, memory=memory)

    report = look()
    if asked.fix:
        count = 0
        for _ in range(_MOST_ROUNDS):
            mended_now = mended(report, registry)
            if not mended_now:
                break
            count += mended_now
            report = look()
        _write(sys.stderr, f"spec-lint: {count} {'finding' if count == 1 else 'findings'} mended\n")
    _write(sys.stdout, _shown(report, asked.format))
    is_bad = any(found.severity == "error" or asked.strict for found in report.findings)
    return FOUND if is_bad else CLEAN


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="spec-lint",
        description="Check integration specs and their cases. `spec-lint explain CODE` says what a code means.",
    )
    formats = ("text", "json", "github", "sarif")
    add = parser.add_argument
    add("paths", nargs="*", metavar="PATH", help="folder or file of specs (default: the project's)")
    add("--format", choices=formats, default="text", help="how findings are shown")
    add("--fix", action="store_true", help="mend in the files what can be mended without changing what they mean")
    add("--strict", action="store_true", help="warnings end with 1 too")
    add("--only", action="append", default=[], metavar="CODE", help="of the rules only these, or this family: QRY")
    add("--except", action="append", default=[], metavar="CODE", dest="without", help="all rules but these")
    add("--no-cases", action="store_true", help="leave the files of cases alone")
    add("--fresh", action="store_true", help="look also at folders that have not changed since the last time")
    return parser


def _chosen(only: Sequence[str], without: Sequence[str]) -> list[Rule]:
    """The rules by their codes or families. What compiling says can't be left out: no rule could run."""
    for asked in (*only, *without):
        entry_of(asked.upper(), families=True)
    kept = [rule for rule in RULES if not only or rule.code.startswith(tuple(code.upper() for code in only))]
    return [rule for rule in kept if not rule.code.startswith(tuple(code.upper() for code in without))]


def _explain(given: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="spec-lint explain", description="Say what a code means.")
    parser.add_argument("code", metavar="CODE", nargs="?", help="for example YAML014 (default: list all codes)")
    code = parser.parse_args(given).code
    if code is None:
        _write(sys.stdout, list_of_codes())
    elif _is_coloured(sys.stdout):
        show_page(page_of(code.upper()), sys.stdout)
    else:
        _write(sys.stdout, page_of(code.upper()))
    return CLEAN


def _shown(report: Report, kind: str) -> str:
    makers = {"json": as_json, "github": as_github, "sarif": as_sarif}
    return makers[kind](report) if kind in makers else as_text(report, colour=_is_coloured(sys.stdout))


def _is_coloured(stream: TextIO) -> bool:
    return stream.isatty() and "NO_COLOR" not in os.environ and os.environ.get("TERM") != "dumb"


def _progress(specs: int) -> Progress:
    """One line on a terminal that each step overwrites and the last one leaves empty; elsewhere nothing."""
    if specs < _MANY or not sys.stderr.isatty():
        return lambda _step: None
    return lambda step: _write(sys.stderr, f"\r\x1b[2K{step}\r" if step else "\r\x1b[2K")


def _write(stream: TextIO, text: str) -> None:
    """What the terminal's encoding lacks is shown as `?`."""
    encoding = stream.encoding or "utf-8"
    stream.write(text.encode(encoding, "replace").decode(encoding))
    stream.flush()
