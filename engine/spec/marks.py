"""Where the parts of one text stand: kept as one index per key and value, turned into lines and columns on demand."""

from __future__ import annotations

import re
from bisect import bisect_right
from functools import cached_property
from typing import TypeAlias

from engine.diagnostics import Position


class Text:
    """A file's name and text, and the position of each of its characters."""

    def __init__(self, file: str, text: str) -> None:
        self.file = file
        self.text = text

    def at(self, index: int) -> Position:
        """The position of the character at `index`."""
        line = bisect_right(self._line_starts, index)
        return Position(self.file, line, index - self._line_starts[line - 1] + 1)

    @cached_property
    def _line_starts(self) -> list[int]:
        return [0, *(match.end() for match in re.finditer("\n", self.text))]


class MapMarks:
    """Where a mapping begins, and where each of its keys and values does (indexes into the text)."""

    __slots__ = ("keys", "start", "values")

    def __init__(self, start: int) -> None:
        self.start = start
        self.keys: dict[str, int] = {}
        self.values: dict[str, Marks] = {}


class ListMarks:
    """Where a list begins, and where each of its elements does."""

    __slots__ = ("start", "values")

    def __init__(self, start: int) -> None:
        self.start = start
        self.values: list[Marks] = []


Marks: TypeAlias = MapMarks | ListMarks | int
"""An `int` is where a scalar begins."""
