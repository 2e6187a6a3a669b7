"""Gathers the findings about specs and their cases."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from engine.cases.model import AnyCase, Case, ConsentCase, ErrandCase, WebhookCase
from engine.cases.read import read_folder
from engine.catalog import Integration
from engine.diagnostics import Diagnostic, unknown
from engine.locations import schemas_dir
from engine.plugins import Registry
from engine.spec.check import check_cases
from engine.spec.load import SPEC, Compiled, Loaded, compile_text, load, read_models, spec_files
from engine.spec.source import read
from spec_lint.inspect import inspect
from spec_lint.memory import Kept, Memory
from spec_lint.mend import mend
from spec_lint.rule import Found, Rule
from spec_lint.rules import RULES
from spec_lint.subject import Subject
from spec_lint.suppress import suppress

Progress = Callable[[str], None]


class NothingToCheck(Exception):
    """A path that holds no spec; the message is for the person who typed it."""


@dataclass(frozen=True, slots=True)
class Report:
    """All findings, folder by folder, a spec before its cases, each file top to bottom; `texts` holds the text of each
    file that has one."""

    found: tuple[Found, ...]
    texts: Mapping[str, str] = field(repr=False)
    specs: int
    cases: int

    @property
    def findings(self) -> tuple[Diagnostic, ...]:
        return tuple(found.diagnostic for found in self.found)


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


def collect(
    specs: Sequence[Path],
    registry: Registry,
    *,
    with_cases: bool = True,
    progress: Progress = lambda _step: None,
    rules: Sequence[Rule] = RULES,
    memory: Memory | None = None,
) -> Report:
    """Compiles the specs, reads their cases and holds them to the rules. `progress` is told what is being done, at
    last nothing. What `memory` knows of unchanged folders is not found out again."""
    known = {spec: memory.recall(spec) for spec in specs} if memory is not None else {}
    fresh = [spec for spec in specs if known.get(spec) is None]
    progress(f"compiling {len(fresh)} specs")
    loaded = load(fresh, registry, schemas_dir())
    texts = dict(loaded.texts)
    kept = []
    for number, spec in enumerate(specs, 1):
        progress(f"checking {number}/{len(specs)} {spec.parent.name}")
        found = known.get(spec) or _looked_at(spec, loaded, registry, rules, texts, with_cases=with_cases)
        texts.update(_texts(one.diagnostic.position.file for one in found.found))
        kept.append(found)
    ids = [one.integration_id for one in kept if one.integration_id is not None]
    if memory is not None and len(set(ids)) < len(ids):  # what is wrong then is not of one folder alone
        return collect(specs, registry, with_cases=with_cases, progress=progress, rules=rules)
    for spec, one in zip(specs, kept, strict=True):
        if memory is not None and spec in fresh:
            memory.keep(spec, one)
    progress("")
    everything = sorted((found for one in kept for found in one.found), key=_place)
    return Report(tuple(everything), texts, len(specs), sum(one.cases for one in kept))


def _looked_at(
    spec: Path, loaded: Loaded, registry: Registry, rules: Sequence[Rule], texts: dict[str, str], *, with_cases: bool
) -> Kept:
    """One folder; the texts of its files are added to `texts`."""
    made = loaded.specs[str(spec)]
    folder = _read(spec.parent, made, with_cases=with_cases and spec.name == SPEC)
    here, ran = _checked(folder, rules, registry)
    own = {str(spec): texts[str(spec)], **folder.texts}
    found = [one for one in here if one.diagnostic.position.file not in own]
    for file, text in own.items():
        found += suppress(file, text, [one for one in here if one.diagnostic.position.file == file], ran)
    texts.update(own)
    integration_id = made.integration.integration_id if made.integration is not None else None
    return Kept(integration_id, len(folder.every), tuple(found))


def _texts(files: Iterable[str]) -> dict[str, str]:
    """The texts of files that can be read."""
    there = (file for file in set(files) if os.access(file, os.R_OK) and Path(file).is_file())
    return {file: Path(file).read_text("utf-8", errors="replace") for file in there}


def mended(report: Report, registry: Registry) -> int:
    """Mends what can be mended in the files of a report. How many findings were mended; then collect again."""
    models = read_models(schemas_dir())

    def problems(file: str, text: bytes) -> list[Diagnostic]:
        if Path(file).parent.name != "cases":
            return compile_text(file, text, registry, models).diagnostics
        source, found = read(file, text)
        return [*found, *check_cases(source)] if source else found

    return mend(report.found, problems)


def _place(found: Found) -> tuple[str, bool, str, int, int]:
    """A spec comes before its cases: what is wrong in it may be why they are not reproduced."""
    at = found.diagnostic.position
    file = Path(at.file)
    is_case = file.parent.name == "cases" and file.name != SPEC
    return str(file.parent.parent if is_case else file.parent), is_case, at.file, at.line, at.column


@dataclass(frozen=True, slots=True)
class _Folder:
    """One integration: what came of its spec, its cases and what is wrong with them, and the texts of their files."""

    made: Compiled
    reads_cases: bool = False
    every: tuple[AnyCase, ...] = ()
    wrong: tuple[Diagnostic, ...] = ()
    texts: Mapping[str, str] = field(default_factory=dict)


def _read(folder: Path, made: Compiled, *, with_cases: bool) -> _Folder:
    if not with_cases:
        return _Folder(made)
    every, wrong = read_folder(folder)
    cases = [case for case in every if isinstance(case, Case)]
    texts = _texts(map(str, sorted((folder / "cases").glob("*.yaml"))))
    if made.integration is not None:  # else nothing can be said about the actions of cases
        known = made.integration.actions
        for file in {one.position.file for one in cases if any(turn.action not in known for turn in one.turns)}:
            wrong += _unknown_actions(file, texts[file], made.integration)
    return _Folder(made, True, tuple(every), tuple(wrong), texts)


def _checked(folder: _Folder, rules: Iterable[Rule], registry: Registry) -> tuple[list[Found], set[str]]:
    """All findings about one folder, and the codes of the rules that looked at it."""
    made = folder.made
    found = [Found(one) for one in (*made.diagnostics, *folder.wrong)]
    if made.integration is None or made.source is None or made.findings is None:
        return found, set()
    subject = Subject(
        source=made.source,
        resolved=made.resolved,
        integration=made.integration,
        registry=registry,
        cases=tuple(case for case in folder.every if isinstance(case, Case)),
        webhook_cases=tuple(case for case in folder.every if isinstance(case, WebhookCase)),
        findings=made.findings,
        consents=tuple(case for case in folder.every if isinstance(case, ConsentCase)),
        errands=tuple(case for case in folder.every if isinstance(case, ErrandCase)),
    )
    sees_cases = folder.reads_cases and not folder.wrong
    chosen = [rule for rule in rules if sees_cases or not rule.needs_cases]
    if any(one.code == "SPEC079" for one in made.diagnostics):  # its cases are about another integration
        chosen = [rule for rule in chosen if not rule.code.startswith("COV")]
    return [*found, *inspect(subject, chosen)], {rule.code for rule in chosen}


def _unknown_actions(file: str, text: str, integration: Integration) -> Iterator[Diagnostic]:
    """Cases of one file about actions that the spec does not have."""
    source, _ = read(file, text)
    for path, name in _action_names(source.value) if source else ():
        if source and name not in integration.actions:
            message, hint = unknown("action", name, integration.actions)
            yield Diagnostic("NAME009", message, source.position(path), source.length(path), hint)


def _action_names(blocks: Sequence[Mapping[str, Any]]) -> Iterator[tuple[tuple[str | int, ...], str]]:
    """The actions that the cases of one file name, and where."""
    for number, block in enumerate(blocks):
        if "action" in block:
            yield (number, "action"), block["action"]
        for turn, call in enumerate(block.get("calls", ())):
            yield (number, "calls", turn, "action"), call["action"]
