"""What was found in a folder stays true while nothing changes: neither its files nor the linter.

One small file per folder in the user's cache, `$XDG_CACHE_HOME/spec-lint` or `~/.cache/spec-lint`. It counts only as
long as the SHA-256 of all that the findings follow from is the same: every file of the folder, the sources of engine,
linter and plugins, the schemas, the versions of Python and of every package, and what was asked for. Where nothing can
be written nothing is remembered; nor while somebody works on the linter itself, for what runs may be older than what
stands on disk.
"""

from __future__ import annotations

import hashlib
import os
import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import engine
import spec_lint
from engine.diagnostics import Diagnostic, Position
from engine.library import exact
from engine.locations import plugins_dir, schemas_dir
from engine.spec.load import LOGO, SPEC
from spec_lint.rule import Fix, Found

_MOST = 1000  # folders
_AT_REST = 60.0  # seconds since the last change of a source
_STARTED = time.time()
_SOURCES = frozenset({".py", ".json", ".yaml"})


@dataclass(frozen=True, slots=True)
class Kept:
    """What came of one folder. `integration_id` is None where the spec does not compile."""

    integration_id: str | None
    cases: int
    found: tuple[Found, ...]


class Memory:
    """`linter` stands for everything that looks, `asked` for what it was asked: its rules, whether cases are read."""

    def __init__(self, home: Path, linter: str, asked: str) -> None:
        self._home = home
        self._linter = linter
        self._asked = asked
        self._keys: dict[Path, str] = {}

    def recall(self, spec: Path) -> Kept | None:
        """What came of this spec's folder, if all is as it was then."""
        key = self._keys[spec] = self._key(spec)
        try:
            stored = exact.loads(self._file(spec).read_bytes())
            return _kept(stored) if stored["key"] == key else None
        except (OSError, ValueError, KeyError, TypeError):
            return None  # never kept, or by an older version: it is found out anew

    def keep(self, spec: Path, kept: Kept) -> None:
        """Asked after `recall`: what changed meanwhile is not kept, nobody knows which of the two was looked at."""
        key = self._key(spec)
        if key != self._keys.get(spec):
            return
        stored = {"key": key, "kept": asdict(kept)}
        with suppress(OSError, ValueError):
            self._home.mkdir(parents=True, exist_ok=True)
            written = self._file(spec).with_suffix(f".{os.getpid()}")
            written.write_bytes(exact.dumps(stored))
            written.replace(self._file(spec))
            self._forget_the_oldest()

    def _file(self, spec: Path) -> Path:
        """One for each way to ask, so that an editor's questions don't drive out those of the command line."""
        name = f"{spec}\0{spec.resolve()}\0{self._asked}"
        return self._home / f"{hashlib.sha256(name.encode(errors='surrogateescape')).hexdigest()[:32]}.json"

    def _key(self, spec: Path) -> str:
        folder = spec.parent
        files = [spec, folder / LOGO, *sorted((folder / "cases").glob("*.yaml"))] if spec.name == SPEC else [spec]
        return _digest([self._asked, self._linter, *_contents(files)])

    def _forget_the_oldest(self) -> None:
        files = sorted(self._home.glob("*.json"), key=lambda file: file.stat().st_mtime)
        for file in files[:-_MOST]:
            file.unlink(missing_ok=True)


def open_memory(asked: str) -> Memory | None:
    """The memory of this user; None where there is none to be had."""
    given = Path(os.environ.get("XDG_CACHE_HOME", ""))
    try:
        home = given if given.is_absolute() else Path("~/.cache").expanduser()
    except RuntimeError:
        return None  # a user without a home
    packages = (Path(module.__file__ or "").parent for module in (engine, spec_lint))
    linter = linter_of((*packages, plugins_dir(), schemas_dir()))
    return None if linter is None else Memory(home / "spec-lint", linter, asked)


def linter_of(folders: Iterable[Path]) -> str | None:
    """All that findings follow from besides the specs; None when one of the sources has just been changed."""
    files = [file for folder in folders for file in sorted(folder.rglob("*")) if file.suffix in _SOURCES]
    if any(file.stat().st_mtime > _STARTED - _AT_REST for file in files):
        return None
    return _digest([sys.version, *_installed(), *_contents(files)])


def _installed() -> Iterator[str]:
    """The packages with their versions, as their folders are called."""
    for place in map(Path, sys.path):
        if place.is_dir():
            yield from sorted(one.name for one in place.iterdir() if one.suffix in (".dist-info", ".egg-info"))


def _contents(files: Iterable[Path]) -> Iterator[str]:
    """Names and contents; of a file that is not there or can't be read only that."""
    for file in files:
        yield str(file)
        try:
            yield hashlib.sha256(file.read_bytes()).hexdigest()
        except OSError as error:
            yield type(error).__name__


def _digest(parts: Iterable[str]) -> str:
    made = hashlib.sha256()
    for part in parts:
        data = part.encode(errors="surrogateescape")
        made.update(len(data).to_bytes(8, "big") + data)
    return made.hexdigest()


def _kept(stored: Any) -> Kept:
    kept = stored["kept"]
    return Kept(kept["integration_id"], kept["cases"], tuple(map(_found, kept["found"])))


def _found(stored: Any) -> Found:
    diagnostic, fix = stored["diagnostic"], stored["fix"]
    made = Diagnostic(**{**diagnostic, "position": Position(**diagnostic["position"])})
    if fix is None:
        return Found(made)
    path = None if fix["path"] is None else tuple(fix["path"])
    return Found(made, Fix(**{**fix, "position": Position(**fix["position"]), "path": path}))
