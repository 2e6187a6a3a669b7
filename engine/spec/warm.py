"""Specs that are compiled when they are first used, where the same content is known to compile.

Compiling all specs takes longer than everything else at a start. Two things know of a content that it compiles:

- What is kept on disk (`kept`), one spec at a time. A spec that is new or was edited is compiled at the start, as
  everywhere else, and kept then, with the value of its text; the others are not even parsed.
- A bundle for functions does not change, so it carries a mark: the hash of everything that decides what a compile
  finds. It is written after a full compile without errors. Where the hash of what is there now differs, however little
  and for whatever reason, all is compiled at the start.

No time of a spec is looked at. What was hashed is what gets compiled, whatever becomes of the files meanwhile.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Final

from engine.catalog import Catalog, Integration
from engine.diagnostics import Diagnostic
from engine.plugins import Registry
from engine.spec.kept import COMPILER, PACKAGE, Kept, packed, unpacked
from engine.spec.load import (
    LOGO,
    Written,
    collector_off,
    compile_known,
    compile_written,
    load_catalog,
    read_models,
    read_spec,
    spec_files,
)
from engine.spec.on_demand import OnDemand
from engine.spec.source import read

MARK: Final = "compiled.mark"


def kept_catalog(folders: Sequence[Path], registry: Registry, schemas: Path, kept: Kept) -> Catalog:
    """The catalog of all specs below `folders`; what is not kept is compiled now. Raises `SpecError`."""
    written = _written(folders)
    shelf = _Shelf(registry, read_models(schemas), kept)
    with collector_off():
        makers = dict(filter(None, map(shelf.maker, written or ())))
    if written is None or len(makers) < len(written):
        return load_catalog(folders, registry, schemas)  # something is wrong: this says what, in the order of the files
    for key, content in shelf.found:
        kept.keep(key, content)
    return _catalog(makers, registry)


def warm_catalog(folders: Sequence[Path], registry: Registry, schemas: Path, plugins: Path, mark: Path) -> Catalog:
    """The catalog of all specs below `folders`. Raises `SpecError`, as `load_catalog` does: now or never."""
    written = _written(folders)
    if written is None or _read(mark) != _digest(written, schemas, plugins).encode():
        return load_catalog(folders, registry, schemas)
    shelf = _Shelf(registry, read_models(schemas), None)
    return _catalog({one.path.parent.name: partial(shelf.compiled, one) for one in written}, registry)


def mark_of(folders: Sequence[Path], registry: Registry, schemas: Path, plugins: Path) -> bytes:
    """What a mark of these specs holds. Raises `SpecError` with every error of every spec."""
    written = _written(folders)
    load_catalog(folders, registry, schemas)
    return b"" if written is None else _digest(written, schemas, plugins).encode()


class _Shelf:
    """Knows the values of specs that compile."""

    def __init__(self, registry: Registry, models: Mapping[str, Any], kept: Kept | None) -> None:
        self._registry = registry
        self._models = models
        self._kept = kept
        self.found: list[tuple[str, bytes]] = []
        """What is worth keeping: where a spec is wrong the start leaves nothing behind."""

    def maker(self, spec: Written) -> tuple[str, Callable[[], Integration]] | None:
        """The integration's id and what makes it; None: the spec has errors."""
        assert self._kept is not None  # without, nothing is known of a single spec
        key = self._key(self._kept, spec)
        content = self._kept.recall(key)
        if content is not None:
            return content.partition(b"\n")[0].decode(), partial(self.compiled, spec)
        made = compile_written(spec, self._registry, self._models)
        integration = made.integration
        if integration is None or made.source is None or any(one.severity == "error" for one in made.diagnostics):
            return None
        name = integration.integration_id
        self.found.append((key, name.encode() + b"\n" + (packed(made.source.value) or b"")))
        return name, lambda: integration

    def compiled(self, spec: Written) -> Integration:
        """A spec that is known to compile."""
        with collector_off():
            return compile_known(spec, self._value(spec), self._registry, self._models)

    def _value(self, spec: Written) -> Mapping[str, Any]:
        """As it was kept; else the text is read once more."""
        content = None if self._kept is None else self._kept.recall(self._key(self._kept, spec))
        value = content.partition(b"\n")[2] if content is not None else b""
        if value:
            return unpacked(value)  # type: ignore[no-any-return]
        source, _ = read(str(spec.path), spec.text)
        return {} if source is None else source.value

    @staticmethod
    def _key(kept: Kept, spec: Written) -> str:
        return kept.key(b"spec", spec.path.parent.name.encode(), spec.path.name.encode(), spec.text, spec.logo)


def _catalog(makers: Mapping[str, Callable[[], Integration]], registry: Registry) -> Catalog:
    return Catalog(OnDemand(makers), registry.functions, registry.signers, registry.refreshers)


def _written(folders: Iterable[Path]) -> list[Written] | None:
    """None where a spec can't be read: a full compile says why."""
    found = [read_spec(path) for path in spec_files(folders)]
    specs = [one for one in found if not isinstance(one, Diagnostic) and not one.unfit]
    return specs if len(specs) == len(found) else None


def _read(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except OSError:
        return None


def _digest(specs: Iterable[Written], schemas: Path, plugins: Path) -> str:
    """Folders count by the order in which they were named, files by name and content."""
    whole = hashlib.sha256()
    for one in specs:
        _add(whole, f"{one.path.parent.name}/{one.path.name}", one.text)
        _add(whole, LOGO, one.logo)
    sources = [path for pattern in COMPILER for path in sorted(PACKAGE.glob(pattern))]
    for path in [*sources, *sorted(plugins.glob("*.py")), *sorted(schemas.rglob("*.json"))]:
        _add(whole, f"{path.parent.name}/{path.name}", _read(path))
    return whole.hexdigest()


def _add(whole: Any, name: str, content: bytes | None) -> None:
    """Each part by its own hash, so that no two lists of parts read alike."""
    digest = "absent" if content is None else hashlib.sha256(content).hexdigest()
    whole.update(f"{name}\0{digest}\n".encode())
