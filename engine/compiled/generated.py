"""Objects of trees as one Python function each: what a call evaluates most.

The function is written when it is first run: a spec that nobody calls costs nothing. No text of a spec is ever part of
its source: names, keys and closures are constants that it is given. Plain paths are read in line, and what several
paths have in common is read once.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from engine.compiled.values import step_into
from engine.library.absent import ABSENT

Evaluate = Callable[[Any], Any]


class Entry(NamedTuple):
    """A key and its value. `path`: where the value is nothing but a path of two names or more, those names.

    `is_query`: it reads as a query does, null where nothing is; else as a template, absent. `keeps_null`: of a query.
    """

    key: str
    evaluate: Evaluate
    path: tuple[str, ...] | None = None
    is_query: bool = False
    keeps_null: bool = True


def object_of(entries: Sequence[Entry], *, keeps: bool) -> Evaluate:
    """The object of these entries, in their order, without what is absent; `keeps`: also when it is empty."""
    made: Evaluate | None = None

    def run(scope: Any) -> Any:
        nonlocal made
        if made is None:
            made = _Writer().function(entries, keeps=keeps)
        return made(scope)

    return run


class _Writer:
    """Writes one function. `constants`: what its source names, by those names."""

    def __init__(self) -> None:
        self.lines = ["def run(scope):", " values = {}"]
        self.constants: dict[str, Any] = {"ABSENT": ABSENT, "step_into": step_into}
        self.read: dict[tuple[bool, tuple[str, ...]], str] = {}

    def function(self, entries: Sequence[Entry], *, keeps: bool) -> Evaluate:
        for entry in entries:
            self._entry(entry)
        self.lines.append(" return values" + ("" if keeps else " if values else ABSENT"))
        exec("\n".join(self.lines), self.constants)  # noqa: S102 - the source holds words of this file and numbers only
        made: Evaluate = self.constants["run"]
        return made

    def _constant(self, value: Any) -> str:
        name = f"c{len(self.constants)}"
        self.constants[name] = value
        return name

    def _entry(self, entry: Entry) -> None:
        key = self._constant(entry.key)
        if entry.path is None:
            self.lines.append(f" v = {self._constant(entry.evaluate)}(scope)")
        else:
            self.lines.append(f" v = {self._part(entry.path, entry.is_query)}")
        if entry.path is None or not entry.is_query:
            self.lines.append(f" if v is not ABSENT: values[{key}] = v")
        elif entry.keeps_null:
            self.lines.append(f" values[{key}] = v")
        else:
            self.lines.append(f" if v is not None: values[{key}] = v")

    def _part(self, path: tuple[str, ...], is_query: bool) -> str:
        """What reads the last name of a path of the object before it."""
        around, name = self._around(path[:-1], is_query), self._constant(path[-1])
        if is_query:
            return f"{around}.get({name}) if isinstance({around}, dict) else None"
        return f"{around}.get({name}, ABSENT) if type({around}) is dict else step_into({around}, {name})"

    def _around(self, path: tuple[str, ...], is_query: bool) -> str:
        """The variable that holds the value of this path."""
        known = self.read.get((is_query, path))
        if known is None:
            known = self.read[is_query, path] = f"r{len(self.read)}"
            made = f"scope[{self._constant(path[0])}]" if len(path) == 1 else self._part(path, is_query)
            # Before the line that is being written: `_entry` adds that one last.
            self.lines.append(f" {known} = {made}")
        return known
