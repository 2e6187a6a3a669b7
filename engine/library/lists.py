"""Looking into lists and objects."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

from engine.library.function import LibraryError, null_out, refuse

_MAX_DEPTH = 128


def identity(value: Any) -> Any:
    """A hashable key that two values share when they are the same JSON: 1 is 1.0, but neither "1" nor true.

    Raises LibraryError on deep nesting.
    """
    return _identity(value, 0)


@null_out
def find(x: Any, key: Any, value: Any) -> Any:
    """The first object of the list whose `key` is `value`; null when there is none, or no list."""
    if not isinstance(x, list) or not isinstance(key, str):
        return None
    wanted = identity(value)
    for item in x:
        if isinstance(item, dict) and key in item and identity(item[key]) == wanted:
            return item
    return None


def entries(x: Any) -> list[dict[str, Any]] | None:
    """The pairs of an object as `[{key, value}]`; null for anything else."""
    return [{"key": key, "value": value} for key, value in x.items()] if isinstance(x, dict) else None


def as_list(x: Any) -> list[Any] | None:
    """A list as it is, one value as a list of it, null as null."""
    return None if x is None else x if isinstance(x, list) else [x]


@null_out
def intersect(x: Any, y: Any) -> list[Any]:
    """The elements of `x` that are in `y` too, in the order of `x`, each once."""
    for value in (x, y):
        if not isinstance(value, list):
            raise refuse("intersect", "lists", value)
    wanted = {identity(item) for item in y}
    hits: dict[Any, Any] = {}
    for item in x:
        key = identity(item)
        if key in wanted:
            hits.setdefault(key, item)
    return list(hits.values())


def messages(x: Any) -> str | None:
    """All texts found in a text, list or tree, joined by "; "; null when there are none."""
    return "; ".join(text for text in _texts(x, 0) if text.strip()) or None


def _texts(value: Any, depth: int) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, (list, dict)) and depth < _MAX_DEPTH:
        for item in value.values() if isinstance(value, dict) else value:
            yield from _texts(item, depth + 1)


def _identity(value: Any, depth: int) -> Any:
    if isinstance(value, (str, int, Decimal)) and not isinstance(value, bool):
        return value
    if depth > _MAX_DEPTH:
        raise LibraryError("a value is nested too deeply to be compared")
    if isinstance(value, list):
        return ("list", *(_identity(item, depth + 1) for item in value))
    if isinstance(value, dict):
        return ("object", frozenset((key, _identity(item, depth + 1)) for key, item in value.items()))
    return (type(value), value)
