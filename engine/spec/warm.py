"""Specs that are compiled when they are first used, where the same content is known to compile.

Compiling all specs takes longer than everything else at the start of a function. A bundle that is deployed does not
change, so it carries a mark: the hash of everything that decides what a compile finds (specs, logos, schemas, plugins,
the compiler). It is written after a full compile without errors. Where the hash of what is there now
differs, however little and for whatever reason, all is compiled at the start, as everywhere else; no time of any file
is looked at. What was hashed is kept in memory and is what gets compiled, whatever becomes of the files meanwhile.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from engine.catalog import Catalog, Integration
from engine.errors import SpecError
from engine.plugins import Registry
from engine.spec.load import LOGO, compile_text, load_catalog, read_models, spec_files

MARK: Final = "compiled.mark"
_PACKAGE: Final = Path(__file__).resolve().parents[1]
_COMPILER: Final = ("*.py", "spec/*.py", "compiled/*.py", "library/*.py")


@dataclass(frozen=True, slots=True)
class _Written:
    """One spec as it was read."""

    path: Path
    text: bytes = field(repr=False)
    logo: bytes | None = field(repr=False)


def warm_catalog(folders: Sequence[Path], registry: Registry, schemas: Path, plugins: Path, mark: Path) -> Catalog:
    """The catalog of all specs below `folders`. Raises `SpecError`, as `load_catalog` does: now or never."""
    written = _written(folders)
    if written is None or _read(mark) != _digest(written, schemas, plugins).encode():
        return load_catalog(folders, registry, schemas)
    specs = {one.path.parent.name: one for one in written}
    warm = _Warm(specs, registry, read_models(schemas))
    return Catalog(warm, registry.functions, registry.signers, registry.refreshers)


def mark_of(folders: Sequence[Path], registry: Registry, schemas: Path, plugins: Path) -> bytes:
    """What a mark of these specs holds. Raises `SpecError` with every error of every spec."""
    written = _written(folders)
    load_catalog(folders, registry, schemas)
    return b"" if written is None else _digest(written, schemas, plugins).encode()


class _Warm(Mapping[str, Integration]):
    """Integrations by id; each is compiled once, when it is first asked for."""

    def __init__(self, specs: Mapping[str, _Written], registry: Registry, models: Mapping[str, Any]) -> None:
        self._specs = specs
        self._registry = registry
        self._models = models
        self._compiled: dict[str, Integration] = {}

    def __getitem__(self, integration_id: str) -> Integration:
        found = self._compiled.get(integration_id)
        if found is None:
            found = self._compiled[integration_id] = self._compile(self._specs[integration_id])
        return found

    def __contains__(self, integration_id: object) -> bool:
        return integration_id in self._specs

    def __iter__(self) -> Iterator[str]:
        return iter(self._specs)

    def __len__(self) -> int:
        return len(self._specs)

    def __repr__(self) -> str:
        return f"{len(self._compiled)} of {len(self._specs)} integrations are compiled"

    def _compile(self, spec: _Written) -> Integration:
        made = compile_text(str(spec.path), spec.text, self._registry, self._models, spec.logo)
        if made.integration is None:
            raise SpecError(tuple(one for one in made.diagnostics if one.severity == "error"))
        return made.integration


def _written(folders: Iterable[Path]) -> list[_Written] | None:
    """None where a spec can't be read: a full compile says why."""
    found = []
    for path in spec_files(folders):
        text, logo = _read(path), path.parent / LOGO
        if text is None:
            return None
        found.append(_Written(path, text, _read(logo)))
    return found


def _read(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except OSError:
        return None


def _digest(specs: Iterable[_Written], schemas: Path, plugins: Path) -> str:
    """Folders count by the order in which they were named, files by name and content."""
    whole = hashlib.sha256()
    for one in specs:
        _add(whole, f"{one.path.parent.name}/{one.path.name}", one.text)
        _add(whole, LOGO, one.logo)
    sources = [path for pattern in _COMPILER for path in sorted(_PACKAGE.glob(pattern))]
    for path in [*sources, *sorted(plugins.glob("*.py")), *sorted(schemas.rglob("*.json"))]:
        _add(whole, f"{path.parent.name}/{path.name}", _read(path))
    return whole.hexdigest()


def _add(whole: Any, name: str, content: bytes | None) -> None:
    """Each part by its own hash, so that no two lists of parts read alike."""
    digest = "absent" if content is None else hashlib.sha256(content).hexdigest()
    whole.update(f"{name}\0{digest}\n".encode())
