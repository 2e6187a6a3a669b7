"""The folder of one integration, as the commands for authors read it: its spec alone, with all its cases."""

from __future__ import annotations

import os
from pathlib import Path

from engine.bootstrap import open_specs, spec_folders
from engine.cases.model import Case
from engine.cases.read import read_cases
from engine.catalog import Catalog
from engine.diagnostics import unknown
from engine.errors import RequestError, SpecError
from engine.locations import schemas_dir
from engine.plugins import Registry
from engine.settings import Settings
from engine.spec.load import Compiled, load, spec_files


def spec_file(integration_id: str, settings: Settings) -> Path:
    """Raises `RequestError` with the nearest id."""
    files = {file.parent.name: file for file in spec_files(spec_folders(settings))}
    if integration_id not in files:
        message, hint = unknown("integration", integration_id, files)
        raise RequestError("NOT_FOUND", f"{message} ({hint})")
    return files[integration_id]


def compiled_spec(file: Path, registry: Registry) -> Compiled:
    """The spec, without any other. Raises `SpecError`."""
    loaded = load([file], registry, schemas_dir())
    if loaded.errors:
        raise SpecError(loaded.errors)
    return loaded.specs[str(file)]


def catalog_of(integration_id: str, settings: Settings) -> Catalog:
    """This integration alone, whatever is wrong with others. Raises `RequestError` with the nearest id, `SpecError`."""
    return open_specs([spec_file(integration_id, settings).parent], settings)


def schemas_from(folder: Path) -> str:
    """Relative inside a checkout, so that it holds on every machine; elsewhere the place of this installation."""
    schemas, folder = schemas_dir().resolve(), folder.resolve()
    if folder.is_relative_to(schemas.parent):
        return Path(os.path.relpath(schemas, folder)).as_posix()
    return schemas.as_posix()


def cases_in(folder: Path) -> list[Case]:
    """All cases of calls. Raises `SpecError` with what is wrong in their files."""
    cases, findings = read_cases(folder)
    wrong = tuple(finding for finding in findings if finding.severity == "error")
    if wrong:
        raise SpecError(wrong)
    return cases
