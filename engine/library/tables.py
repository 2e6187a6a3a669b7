"""Translation tables of a spec: from a code to a word, by key or by rules."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from engine.frozen import frozen
from engine.library.absent import ABSENT
from engine.library.function import LibraryError, null_out, scalar_text, text_of


@frozen
class Table:
    """`map` by key (compared as text), then `rules` (predicate of the value, result) in order, then `other`."""

    map: Mapping[str, Any]
    rules: tuple[tuple[Callable[[Any], object], Any], ...] = ()
    other: Any = None
    has_other: bool = False

    def get(self, x: Any) -> Any:
        """What the table says for `x`; ABSENT where it says nothing."""
        if self.map:
            key = _key(x)
            if key is not None and key in self.map:
                return self.map[key]
        for holds, value in self.rules:
            if holds(x):
                return value
        return self.other if self.has_other else ABSENT


@null_out
def lookup(x: Any, table: Table) -> Any:
    """What the table says for `x`, null where it says nothing."""
    hit = _table("lookup", table).get(x)
    return None if hit is ABSENT else hit


@null_out
def recode(x: Any, table: Table) -> str:
    """The text with each key of the table's map replaced by its value, longest key first, in one pass."""
    text, words = text_of("recode", x), _table("recode", table).map
    keys = sorted((key for key in words if key), key=len, reverse=True)
    if not keys:
        return text
    return re.sub("|".join(map(re.escape, keys)), lambda hit: text_of("recode", words[hit.group()]), text)


def _key(x: Any) -> str | None:
    try:
        return scalar_text(x)
    except ValueError:  # a number out of bounds is no key of any table
        return None


def _table(function: str, table: object) -> Table:
    if not isinstance(table, Table):
        raise LibraryError(f"{function}: needs a table of the spec")
    return table
