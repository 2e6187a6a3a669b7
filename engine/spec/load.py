"""Folders of specs in, a `Catalog` or all diagnostics out.

Every spec is read, held to the language's schema, and compiled; one with errors does not hide the others' errors.
"""

from __future__ import annotations

import gc
import os
import stat
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import field, replace
from pathlib import Path
from typing import Any

import orjson

from engine.catalog import Catalog, Integration
from engine.diagnostics import Diagnostic, Position
from engine.errors import SpecError
from engine.frozen import frozen
from engine.plugins import Registry
from engine.spec.build import build_integration
from engine.spec.findings import Findings
from engine.spec.refs import Refs
from engine.spec.source import Source, read, remembered
from engine.spec.states import State, read_file, state_from

SPEC = "spec.yaml"
_MISNAMED = "spec.yml"
LOGO = "logo.svg"
_LOGO_BYTES = 64 * 1024


@frozen
class Compiled:
    """What came of one spec. `integration` is None when a finding is an error; the rest is there as far as it came."""

    integration: Integration | None
    diagnostics: list[Diagnostic]
    source: Source | None = None
    resolved: Mapping[str, Any] = field(default_factory=dict)
    """The spec with its references replaced."""
    findings: Findings | None = None
    """Knows where each part of `resolved` was written, and every query and template."""


@frozen
class Written:
    """One spec as it was read. `unfit`: what is wrong with the logo, which is None then."""

    path: Path
    text: bytes = field(repr=False)
    logo: bytes | None = field(repr=False)
    states: tuple[State, State | None]
    """How its file and that of its logo looked right before they were read."""
    unfit: tuple[Diagnostic, ...] = ()


@frozen
class Loaded:
    """What came of the folders: the integrations that compile, all findings, and the texts they point into."""

    integrations: Mapping[str, Integration]
    diagnostics: tuple[Diagnostic, ...]
    texts: Mapping[str, str] = field(repr=False)
    specs: Mapping[str, Compiled] = field(repr=False)
    """By the name of the file."""

    @property
    def errors(self) -> tuple[Diagnostic, ...]:
        return tuple(d for d in self.diagnostics if d.severity == "error")


def load_catalog(folders: Iterable[Path], registry: Registry, schemas: Path) -> Catalog:
    """The catalog of all specs below `folders`. Raises `SpecError` with every error of every spec."""
    integrations: dict[str, Integration] = {}
    errors: list[Diagnostic] = []
    for _, _, made in _compiled(folders, registry, schemas):  # one source in memory at a time
        errors += [one for one in made.diagnostics if one.severity == "error"]
        if made.integration is not None:
            integrations[made.integration.integration_id] = made.integration
    if errors:
        raise SpecError(tuple(errors))
    return Catalog(integrations, registry.functions, registry.signers, registry.refreshers)


def load(folders: Iterable[Path], registry: Registry, schemas: Path) -> Loaded:
    """Compile every spec below `folders`; the errors of one do not stop the others."""
    integrations: dict[str, Integration] = {}
    texts: dict[str, str] = {}
    specs: dict[str, Compiled] = {}
    for path, text, made in _compiled(folders, registry, schemas):
        texts[str(path)], specs[str(path)] = text, made
        if made.integration is not None:
            integrations[made.integration.integration_id] = made.integration
    return Loaded(integrations, tuple(one for made in specs.values() for one in made.diagnostics), texts, specs)


def _compiled(folders: Iterable[Path], registry: Registry, schemas: Path) -> Iterator[tuple[Path, str, Compiled]]:
    """Every spec with its text; one whose id is taken says so."""
    models = read_models(schemas)
    taken: set[str] = set()
    with collector_off():
        for path in spec_files(folders):
            text, made = _one(path, registry, models)
            name = made.integration.integration_id if made.integration is not None else ""
            if name and name in taken:
                message = f"{name} is there already, in another folder"
                made.diagnostics.append(Diagnostic("SPEC078", message, Position(str(path), 1, 1)))
            taken.add(name)
            yield path, text, made


def spec_files(folders: Iterable[Path]) -> list[Path]:
    """`<folder>/<integrationId>/spec.yaml`, or the spec of a folder (or a file) that is named itself.

    A `spec.yml` without a `spec.yaml` beside it is one too, so that its author is told of the name.
    """
    return [Path(path) for path in spec_paths(folders)]


def spec_paths(folders: Iterable[Path], is_there: Callable[[str], bool] = os.path.lexists) -> Iterator[str]:
    """The same one by one, as text. `is_there`: also a link that leads nowhere is told, not passed over."""
    for folder in folders:
        if folder.is_file():
            yield str(folder)
        elif (folder / SPEC).is_file():
            yield str(folder / SPEC)
        else:
            yield from _specs_in(folder, is_there)


def _specs_in(folder: Path, is_there: Callable[[str], bool]) -> Iterator[str]:
    is_empty = True
    for place in _places_in(folder):
        path = f"{place}{os.sep}{SPEC}"
        if is_there(path) or is_there(path := f"{place}{os.sep}{_MISNAMED}"):
            is_empty = False
            yield path
    if is_empty and (folder / _MISNAMED).is_file():
        yield str(folder / _MISNAMED)


def _places_in(folder: Path) -> list[str]:
    try:
        return sorted(one.path for one in os.scandir(folder))
    except OSError:
        return []


def compile_text(
    file: str, text: str | bytes, registry: Registry, models: Mapping[str, Any], logo: bytes | None = None
) -> Compiled:
    """One spec from its text. Nothing in the text makes it raise.

    What is wrong with the structure does not hide what is wrong with names and expressions.
    """
    from engine.spec.check import check_structure  # what is known to compile is not checked again

    source, diagnostics = read(file, text)
    if source is None:
        return Compiled(None, diagnostics)
    refused = check_structure(source)
    diagnostics = _one_each(diagnostics, refused)
    if not isinstance(source.value, dict):
        return Compiled(None, diagnostics, source)
    findings = Findings(source)
    written = _fit(source) if refused else source.value
    spec = Refs(written, models, findings).resolve(written)
    integration = build_integration(spec, findings, registry, logo)
    known = {(d.position.line, d.position.column) for d in diagnostics}
    diagnostics += [d for d in findings.diagnostics if (d.position.line, d.position.column) not in known]
    diagnostics.sort(key=lambda d: (d.position.line, d.position.column))
    failed = any(d.severity == "error" for d in diagnostics)
    return Compiled(None if failed else integration, diagnostics, source, spec, findings)


def _one_each(misread: list[Diagnostic], refused: list[Diagnostic]) -> list[Diagnostic]:
    """What can't be read is no value of the wrong type besides; where no text is wanted, it is not to be quoted."""
    typed = {d.position for d in refused if d.code == "SPEC003"}
    places = {one.position for one in misread}
    kept = [d for d in refused if d.code != "SPEC003" or d.position not in places]
    plainly = [d.hint.rpartition(", or ")[2] if d.position in typed else d.hint for d in misread]
    return [*(replace(d, hint=hint) for d, hint in zip(misread, plainly, strict=True)), *kept]


_BLANK: Mapping[str, Any] = {
    "string": "", "object": {}, "array": [], "boolean": False, "integer": 0, "number": 0, "null": None,
}  # fmt: skip


def _fit(source: Source) -> dict[str, Any]:
    """The spec with an empty value wherever its value has a wrong type, so that the rest can be compiled."""
    whole: dict[str, Any] = deepcopy(source.value)
    from engine.spec.check import mistyped

    for path, wanted in mistyped(source):
        around: Any = whole
        for step in path[:-1]:
            around = around[step]
        if path:
            around[path[-1]] = deepcopy(next(blank for name, blank in _BLANK.items() if name in wanted))
    return whole


def _one(path: Path, registry: Registry, models: Mapping[str, Any]) -> tuple[str, Compiled]:
    """The text and what came of it."""
    written = read_spec(path)
    if isinstance(written, Diagnostic):
        return "", Compiled(None, [written])
    return written.text.decode(errors="replace"), compile_written(written, registry, models)


def read_spec(path: Path) -> Written | Diagnostic:
    """The bytes of a spec and of its logo, or why there are none."""
    here = Position(str(path), 1, 1)
    if path.name == _MISNAMED:
        return Diagnostic("SPEC097", f"a spec's file is named {SPEC}", here, 1, "rename it")
    try:
        text, status = read_file(path)
    except OSError as error:
        return Diagnostic("SPEC096", f"can't read the file: {type(error).__name__}", here)
    logo, seen, unfit = _logo(path.parent / LOGO)
    return Written(path, text or b"", logo, (state_from(status), seen), unfit)


def compile_written(written: Written, registry: Registry, models: Mapping[str, Any]) -> Compiled:
    """What came of a spec in its folder."""
    path = written.path
    made = compile_text(str(path), written.text, registry, models, written.logo)
    made.diagnostics.extend(written.unfit)
    integration = made.integration
    if integration is not None and path.name == SPEC and path.parent.name != integration.integration_id:
        message = f"the folder must have the integration's id: {integration.integration_id}"
        made.diagnostics.append(Diagnostic("SPEC079", message, Position(str(path), 1, 1)))
    return made


def compile_known(
    path: Path, value: Mapping[str, Any], logo: bytes | None, registry: Registry, models: Mapping[str, Any]
) -> Integration:
    """The integration of a spec that was compiled before without errors, and gave this value; its actions are compiled
    when they are first asked for. Raises `SpecError` where it was not so."""
    findings = Findings(remembered(str(path), value))
    spec = Refs(value, models, findings).resolve(value)
    integration = build_integration(spec, findings, registry, logo, known_good=True)
    findings.raise_errors()
    return integration


def _logo(path: Path) -> tuple[bytes | None, State | None, tuple[Diagnostic, ...]]:
    """The logo, how it looked, and why there is none where one should be."""
    here = Position(str(path), 1, 1)
    try:
        logo, status = read_file(path, _is_logo)
    except (FileNotFoundError, NotADirectoryError):
        return None, None, ()
    except OSError as error:
        return None, None, (Diagnostic("SPEC096", f"can't read the file: {type(error).__name__}", here),)
    if logo is None and stat.S_ISREG(status.st_mode):
        message = f"the logo is larger than {_LOGO_BYTES // 1024} kB"
        return None, state_from(status), (Diagnostic("SPEC095", message, here),)
    return logo, state_from(status), ()


def _is_logo(status: os.stat_result) -> bool:
    return stat.S_ISREG(status.st_mode) and status.st_size <= _LOGO_BYTES


def read_models(schemas: Path) -> Mapping[str, Any]:
    """The schemas that specs may refer to, by their names."""
    return {path.stem: orjson.loads(path.read_bytes()) for path in sorted((schemas / "models").glob("*.json"))}


@contextmanager
def collector_off() -> Iterator[None]:
    """Compiling makes many objects and no garbage: the collector would walk them again and again."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            if not gc.get_freeze_count():  # else some are frozen for good
                gc.freeze()
                gc.unfreeze()  # all that was made is of the oldest generation now, which is seldom walked
            gc.enable()
