"""Collects what is wrong with one spec while it is compiled, each finding at its place in the file."""

from __future__ import annotations

from engine.compiled.fault import Fault, Path
from engine.diagnostics import Diagnostic
from engine.spec.source import Source


class Findings:
    """All findings of one file; the same place and message is reported once."""

    def __init__(self, source: Source) -> None:
        self.source = source
        self.diagnostics: list[Diagnostic] = []
        self._seen: set[tuple[int, int, str]] = set()

    def report(self, path: Path, fault: Fault) -> None:
        """A fault of an expression: `offset` characters into the scalar at `path`."""
        self.add(path, fault.code, fault.message, fault.hint, offset=fault.offset, length=fault.length)

    def add(
        self, path: Path, code: str, message: str, hint: str = "", *, key: bool = False, offset: int | None = None, length: int = 1
    ) -> None:
        position = self.source.position(path, key=key, offset=offset)
        if key and path:
            length = len(str(path[-1]))
        mark = (position.line, position.column, code)
        if mark not in self._seen:
            self._seen.add(mark)
            self.diagnostics.append(Diagnostic(code, message, position, length, hint))
