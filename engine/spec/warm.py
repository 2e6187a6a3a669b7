"""Specs that are compiled when they are first used, where the same content is known to compile.

Compiling all specs takes longer than everything else at a start. Two things know of a content that it compiles:

- What is kept on disk (`kept`), one spec at a time. A spec that is new or was edited is compiled at the start, as
  everywhere else, and kept then, with the value of its text. The others are not parsed, and those that look as they did
  when they were last read (`seen`) are not read either.
- A bundle for functions does not change, so it carries a mark: the hash of everything that decides what a compile
  finds. It is written after a full compile without errors. Where the hash of what is there now differs, however little
  and for whatever reason, all is compiled at the start.

What was known at the start is what gets compiled, whatever becomes of the files meanwhile.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Final

import orjson

from engine.catalog import Catalog, Integration
from engine.diagnostics import Diagnostic, Position
from engine.errors import SpecError
from engine.plugins import Registry
from engine.spec.kept import Kept, packed, sources, unpacked
from engine.spec.load import (
    LOGO,
    Compiled,
    Written,
    collector_off,
    compile_known,
    compile_written,
    load_catalog,
    read_models,
    read_spec,
    spec_files,
    spec_paths,
)
from engine.spec.on_demand import OnDemand, WholeOnDemand
from engine.spec.seen import Seen
from engine.spec.source import read

MARK: Final = "compiled.mark"


def kept_catalog(folders: Sequence[Path], plugins: Callable[[], Registry], schemas: Path, kept: Kept) -> Catalog:
    """The catalog of all specs below `folders`; what is not kept is compiled now. `plugins`: asked for where something
    is compiled; they ran without fault where all is kept. Raises `SpecError`."""
    with collector_off():
        seen = Seen(kept, folders)
        paths = list(spec_paths(folders, seen.is_there))
        start = _Start(_Shelf(plugins, read_models(schemas), kept), seen)
        makers = dict(filter(None, map(start.maker, paths)))
    if len(makers) < len(paths):
        return load_catalog(folders, plugins(), schemas)  # something is wrong: this says what, file by file
    for key, content in start.found:
        kept.keep(key, content)
    seen.keep()
    return Catalog(
        OnDemand(makers),
        WholeOnDemand(lambda: plugins().functions),
        WholeOnDemand(lambda: plugins().signers),
        WholeOnDemand(lambda: plugins().refreshers),
    )


def warm_catalog(folders: Sequence[Path], registry: Registry, schemas: Path, plugins: Path, mark: Path) -> Catalog:
    """The catalog of all specs below `folders`. Raises `SpecError`, as `load_catalog` does: now or never."""
    written = _written(folders)
    if written is None or _read(mark) != _digest(written, schemas, plugins).encode():
        return load_catalog(folders, registry, schemas)
    models = read_models(schemas)
    makers = {one.path.parent.name: partial(_read_again, one, registry, models) for one in written}
    return Catalog(OnDemand(makers), registry.functions, registry.signers, registry.refreshers)


def mark_of(folders: Sequence[Path], registry: Registry, schemas: Path, plugins: Path) -> bytes:
    """What a mark of these specs holds. Raises `SpecError` with every error of every spec."""
    written = _written(folders)
    load_catalog(folders, registry, schemas)
    return b"" if written is None else _digest(written, schemas, plugins).encode()


class _Start:
    """Finds out which specs compile."""

    def __init__(self, shelf: _Shelf, seen: Seen) -> None:
        self._shelf = shelf
        self._seen = seen
        self.found: list[tuple[str, bytes]] = []
        """What is worth keeping: where a spec is wrong the start leaves nothing behind."""

    def maker(self, path: str) -> tuple[str, Callable[[], Integration]] | None:
        """The integration's id and what makes it; None: the spec has errors."""
        known = self._seen.recall(path)
        if known is None:
            return self._read(path)
        key, name = known
        return name, partial(self._shelf.integration, path, key, name)

    def _read(self, path: str) -> tuple[str, Callable[[], Integration]] | None:
        """The same of a spec that does not look as it did."""
        spec = read_spec(Path(path))
        if isinstance(spec, Diagnostic) or spec.unfit:
            return None
        key = self._shelf.key(spec)
        name = self._seen.name(key) or self._shelf.name(key)
        if name is None:
            return self._compiled(path, spec, key)
        self._seen.note(path, spec.states, key, name)
        return name, partial(self._shelf.integration, path, key, name)

    def _compiled(self, path: str, spec: Written, key: str) -> tuple[str, Callable[[], Integration]] | None:
        """The same of a content that is not known."""
        made = self._shelf.compiled(spec)
        integration = made.integration
        if integration is None or made.source is None or any(one.severity == "error" for one in made.diagnostics):
            return None
        name = integration.integration_id
        if (value := packed(made.source.value)) is not None:
            self.found.append((key, _content(name, spec.logo, value)))
            self._seen.note(path, spec.states, key, name)
        return name, lambda: integration


class _Shelf:
    """Makes integrations from what is kept."""

    def __init__(self, plugins: Callable[[], Registry], models: Mapping[str, Any], kept: Kept) -> None:
        self._plugins = plugins
        self._models = models
        self._kept = kept

    def key(self, spec: Written) -> str:
        names = os.fsencode(spec.path.parent.name), os.fsencode(spec.path.name)
        return self._kept.key(b"spec", *names, spec.text, spec.logo)

    def name(self, key: str) -> str | None:
        """The integration of a content that is kept."""
        content = self._kept.recall(key)
        return None if content is None else _parts(content)[0]

    def compiled(self, spec: Written) -> Compiled:
        return compile_written(spec, self._plugins(), self._models)

    def integration(self, path: str, key: str, name: str) -> Integration:
        """The integration of a content that is known to compile. Raises `SpecError` where it is lost."""
        content = self._kept.recall(key) or self._kept_again(path, key, name)
        _, logo, value = _parts(content)
        with collector_off():
            return compile_known(Path(path), unpacked(value), logo, self._plugins(), self._models)

    def _kept_again(self, path: str, key: str, name: str) -> bytes:
        """Of a content that is kept no more; the file may still hold it. Raises `SpecError`."""
        spec = read_spec(Path(path))
        if isinstance(spec, Diagnostic):
            raise SpecError((spec,))
        if self.key(spec) != key:
            message = "the file was changed after this process began, and what it held then is not kept any more"
            raise SpecError((Diagnostic("SPEC096", message, Position(path, 1, 1), 1, "start the process again"),))
        value = packed(_value(spec))
        assert value is not None  # as before
        content = _content(name, spec.logo, value)
        self._kept.keep(key, content)
        return content


def _read_again(spec: Written, registry: Registry, models: Mapping[str, Any]) -> Integration:
    """The integration of a spec that is known to compile, from its text."""
    with collector_off():
        return compile_known(spec.path, _value(spec), spec.logo, registry, models)


def _value(spec: Written) -> Mapping[str, Any]:
    source, _ = read(str(spec.path), spec.text)
    return {} if source is None else source.value


def _content(name: str, logo: bytes | None, value: bytes) -> bytes:
    """What is kept of a spec: a line that tells of the rest, the logo, the value of the text."""
    return b"%b\n%b%b" % (orjson.dumps([name, None if logo is None else len(logo)]), logo or b"", value)


def _parts(content: bytes) -> tuple[str, bytes | None, bytes]:
    told, _, rest = content.partition(b"\n")
    name, size = orjson.loads(told)
    return name, None if size is None else rest[:size], rest[size or 0 :]


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
    for path in map(Path, sources(schemas, plugins)):
        _add(whole, f"{path.parent.name}/{path.name}", _read(path))
    return whole.hexdigest()


def _add(whole: Any, name: str, content: bytes | None) -> None:
    """Each part by its own hash, so that no two lists of parts read alike."""
    digest = "absent" if content is None else hashlib.sha256(content).hexdigest()
    whole.update(f"{name}\0{digest}\n".encode())
