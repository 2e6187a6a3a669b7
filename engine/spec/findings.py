"""Collects what is wrong with one spec while it is compiled, each finding at its place in the file."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from engine.compiled.fault import Fault, Path
from engine.diagnostics import Diagnostic
from engine.spec.source import Source


class Findings:
    """All findings of one file; the same code at the same place is reported once."""

    def __init__(self, source: Source) -> None:
        self.source = source
        self.diagnostics: list[Diagnostic] = []
        self._seen: set[tuple[int, int, str]] = set()
        self._origins: dict[Path, Path] = {}

    def came_from(self, path: Path, origin: Path) -> None:
        """What stands at `path` after references were replaced was written at `origin`."""
        self._origins[path] = origin

    def report(self, path: Path, fault: Fault) -> None:
        """A fault of an expression: `offset` characters into the scalar at `path`."""
        path = (*path, *fault.below)
        if fault.key:
            self.add(path, fault.code, fault.message, fault.hint, key=True)
        elif fault.below or not fault.length:
            self.add(path, fault.code, fault.message, fault.hint)
        else:
            self._add(path, fault.code, fault.message, fault.hint, offset=fault.offset, length=fault.length)

    def add(self, path: Path, code: str, message: str, hint: str = "", *, key: bool = False) -> None:
        """A finding about the value at `path`, or about its key."""
        self._add(path, code, message, hint, key=key)

    def twice(self, names: Sequence[Any], path: Path, key: str) -> None:
        """A name that stands a second time in the list of blocks at `path`, under `key`."""
        for i, name in enumerate(names):
            if name is not None and name in names[:i]:
                self.add((*path, i, key), "SPEC077", f"{key}: this name is there already", "each name stands once")

    def _add(
        self,
        path: Path,
        code: str,
        message: str,
        hint: str,
        *,
        key: bool = False,
        offset: int | None = None,
        length: int | None = None,
    ) -> None:
        path = self._written_at(path)
        position = self.source.position(path, key=key, offset=offset)
        mark = (position.line, position.column, code)
        if mark not in self._seen:
            self._seen.add(mark)
            length = self.source.length(path, key=key) if length is None else length
            self.diagnostics.append(Diagnostic(code, message, position, length, hint))

    def _written_at(self, path: Path) -> Path:
        """Where the part of the spec stands that a reference brought here."""
        for end in range(len(path), 0, -1):
            origin = self._origins.get(path[:end])
            if origin is not None:
                return (*origin, *path[end:])
        return path
