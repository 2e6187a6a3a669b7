"""Collects what is wrong with one spec while it is compiled, each finding at its place in the file."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from engine.catalog import Evaluate, Rule
from engine.compiled.fault import Fault, Path
from engine.compiled.names import Names
from engine.compiled.tree import Leaf, Leaves, Watch
from engine.diagnostics import Diagnostic
from engine.errors import SpecError
from engine.spec.source import Source


class Watcher(Protocol):
    """Wraps what is compiled, to learn what becomes of it in calls. Paths are those of the file."""

    def expression(self, path: Path, evaluate: Evaluate) -> Evaluate:
        """For each query, and each branch of `$cases`."""
        ...

    def rule(self, path: Path, rule: Rule) -> Rule: ...


class Findings:
    """All findings of one file, and its queries and templates; the same code at the same place is reported once."""

    def __init__(self, source: Source, watcher: Watcher | None = None) -> None:
        self.source = source
        self.watcher = watcher
        self.diagnostics: list[Diagnostic] = []
        self.leaves: list[Leaf] = []
        """Every query and template as it was compiled: one that serves several places, once for each."""
        self._seen: set[tuple[int, int, str]] = set()
        self._origins: dict[Path, Path] = {}

    def query_leaves(self, names: Names, **more: Any) -> Leaves:
        """For trees that read: their texts are queries."""
        return Leaves(names, self.report, self.leaves.append, self.watch, queries=True, **more)

    @property
    def watch(self) -> Watch | None:
        """For trees."""
        return None if self.watcher is None else self.watched

    def watched(self, path: Path, evaluate: Evaluate) -> Evaluate:
        """The closure of the query at `path`, with what a watcher puts around it."""
        return evaluate if self.watcher is None else self.watcher.expression(self.written_at(path), evaluate)

    def watched_rule(self, path: Path, rule: Rule) -> Rule:
        return rule if self.watcher is None else self.watcher.rule(self.written_at(path), rule)

    def raise_errors(self) -> None:
        """Raises `SpecError` with the errors there are; for a spec that was known to have none."""
        errors = tuple(one for one in self.diagnostics if one.severity == "error")
        if errors:
            raise SpecError(errors)

    def watching(self, watcher: Watcher) -> Findings:
        """For compiling the same spec once more: it knows where everything was written."""
        made = Findings(self.source, watcher)
        made._origins.update(self._origins)
        return made

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
        path = self.written_at(path)
        position = self.source.position(path, key=key, offset=offset)
        mark = (position.line, position.column, code)
        if mark not in self._seen:
            self._seen.add(mark)
            length = self.source.length(path, key=key) if length is None else length
            self.diagnostics.append(Diagnostic(code, message, position, length, hint))

    def written_at(self, path: Path) -> Path:
        """Where the part of the spec stands that a reference, or an outer block, brought here."""
        for end in range(len(path), 0, -1):
            origin = self._origins.get(path[:end])
            if origin is not None:
                return (*origin, *path[end:])
        return path
