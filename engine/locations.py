"""Where `specs/`, `schemas/` and `plugins/` are: at the top of a checkout, or under `engine/_data/` in a wheel."""

from __future__ import annotations

from pathlib import Path

from engine.errors import SettingsError

_PACKAGE = Path(__file__).resolve().parent
_PACKED = _PACKAGE / "_data"


def specs_dir() -> Path:
    """One folder per integration: `<integrationId>/spec.yaml`. Raises `SettingsError` when it is missing."""
    return _find("specs")


def schemas_dir() -> Path:
    """The JSON Schemas of the spec language and the shared models. Raises `SettingsError` when missing."""
    return _find("schemas")


def plugins_dir() -> Path:
    """One Python module per provider that needs one. Raises `SettingsError` when missing."""
    return _find("plugins")


def _find(name: str) -> Path:
    root = _PACKED if _PACKED.is_dir() else _PACKAGE.parent
    folder = root / name
    if not folder.is_dir():
        raise SettingsError(f"{name}/ was looked for in {root} and is not there: install the project again")
    return folder
