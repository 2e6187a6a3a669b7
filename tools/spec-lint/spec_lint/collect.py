"""Gathers the findings about specs and their cases."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from engine.bootstrap import open_registry
from engine.cases.model import Case
from engine.cases.read import read_cases
from engine.catalog import Integration
from engine.diagnostics import Diagnostic, unknown
from engine.locations import schemas_dir
from engine.spec.load import SPEC, load, spec_files

Progress = Callable[[str], None]


class NothingToCheck(Exception):
    """A path that holds no spec; the message is for the person who typed it."""


@dataclass(frozen=True, slots=True)
class Report:
    """All findings, file by file and top to bottom; `texts` holds the text of each file that has one."""

    findings: tuple[Diagnostic, ...]
    texts: Mapping[str, str] = field(repr=False)
    specs: int
    cases: int


def targets(paths: Sequence[Path]) -> list[Path]:
    """The specs that the paths name, each once: a folder of integrations, one integration, its spec or a file of its
    cases. Raises `NothingToCheck`."""
    found: dict[Path, None] = {}
    for path in paths:
        if not path.exists():
            raise NothingToCheck(f"there is no {path}")
        folder = path.parent.parent if path.is_file() and path.parent.name == "cases" else path
        specs = spec_files([folder])
        if not specs:
            raise NothingToCheck(f"{path} holds no <integrationId>/{SPEC}")
        found.update(dict.fromkeys(map(_with_folder, specs)))
    return list(found)


def _with_folder(spec: Path) -> Path:
    """The folder's name is checked too, so it must be there also when the path is `.` or a bare file name."""
    return spec if spec.parent.name not in ("", "..") else spec.resolve()


def collect(specs: Sequence[Path], *, with_cases: bool, progress: Progress) -> Report:
    """Compiles the specs and reads their cases. `progress` is told what is being done, at last nothing."""
    progress(f"compiling {len(specs)} specs")
    loaded = load(specs, open_registry(), schemas_dir())
    findings, texts, cases = list(loaded.diagnostics), dict(loaded.texts), 0
    for number, spec in enumerate(specs, 1):
        if not with_cases or spec.name != SPEC:
            continue
        progress(f"reading the cases of {number}/{len(specs)} {spec.parent.name}")
        read, found = read_cases(spec.parent)
        found += _unknown_actions(read, loaded.integrations.get(spec.parent.name))
        texts.update(_texts(found))
        findings += found
        cases += len(read)
    progress("")
    findings.sort(key=lambda found: (found.position.file, found.position.line, found.position.column))
    return Report(tuple(findings), texts, len(specs), cases)


def _unknown_actions(cases: Iterable[Case], integration: Integration | None) -> list[Diagnostic]:
    """Cases about actions that the spec does not have; nothing can be said while the spec does not compile."""
    if integration is None:
        return []
    found = []
    for case in cases:
        for action in {turn.action for turn in case.turns} - integration.actions.keys():
            message, hint = unknown("action", action, integration.actions)
            found.append(Diagnostic("NAME009", message, case.position, hint=hint))
    return found


def _texts(findings: Iterable[Diagnostic]) -> dict[str, str]:
    files = {found.position.file for found in findings}
    return {file: Path(file).read_text("utf-8", errors="replace") for file in files}
