"""What expressions do with values: step into them, spell them, compare them. No language is parsed here."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any

from engine.compiled.fault import Path
from engine.library.absent import ABSENT
from engine.library.function import LibraryError, text_of
from engine.library.lists import identity

Evaluate = Callable[[Any], Any]
INPUTS = frozenset({"input", "config", "vars"})
"""Roots that the caller gave: what fails names those of their fields that it read."""


def spelled(value: Any) -> str:
    """Text of a text, number or boolean. Raises `LibraryError`."""
    return value if type(value) is str else text_of("text", value)


def same(left: Any, right: Any) -> bool:
    """Equality as JSON, without Python's `True == 1`."""
    if left != right or isinstance(left, bool) != isinstance(right, bool):
        return False
    return identity(left) == identity(right) if isinstance(left, list | dict) else True


def step_into(value: Any, key: str | int) -> Any:
    """A key of an object or an index of a list; anything else has no such part."""
    if isinstance(key, str):
        if isinstance(value, Mapping):
            try:
                return value[key]
            except KeyError:
                return ABSENT
        return ABSENT
    if isinstance(value, list | tuple) and -len(value) <= key < len(value):
        return value[key]
    return ABSENT


def path_reader(path: Path) -> Evaluate:
    """The closure for a plain path; the common depths are written out, they are the hot path of every call."""
    if len(path) == 1:
        root = path[0]
        return lambda scope: scope[root]
    if len(path) == 2 and isinstance(path[1], str):
        root, key = path[0], path[1]

        def two(scope: Any) -> Any:
            value = scope[root]
            return value.get(key, ABSENT) if type(value) is dict else step_into(value, key)

        return two
    root, rest = path[0], path[1:]

    def deep(scope: Any) -> Any:
        value = scope[root]
        for step in rest:
            value = step_into(value, step)
        return value

    return deep


def constant(value: Any) -> Evaluate:
    return lambda _scope: value


def _holds(a: Any, b: Any) -> bool:
    if isinstance(b, list):
        return any(same(a, item) for item in b)
    if isinstance(b, str | dict) and isinstance(a, str):
        return a in b
    raise LibraryError("in needs a list, or a text in a text or among the keys of an object")


def _ordered(sign: str, compare: Callable[[Any, Any], bool]) -> Callable[[Any, Any], bool]:
    def run(a: Any, b: Any) -> bool:
        if (type(a) in _NUMBERS and type(b) in _NUMBERS) or (type(a) is str and type(b) is str):
            return compare(a, b)
        raise LibraryError(f"{sign} compares two numbers or two texts")

    return run


_NUMBERS = frozenset({int, Decimal, float})
COMPARE: Mapping[str, Callable[[Any, Any], bool]] = {
    "eq": same,
    "ne": lambda a, b: not same(a, b),
    "lt": _ordered("<", lambda a, b: a < b),
    "lteq": _ordered("<=", lambda a, b: a <= b),
    "gt": _ordered(">", lambda a, b: a > b),
    "gteq": _ordered(">=", lambda a, b: a >= b),
    "in": _holds,
    "notin": lambda a, b: not _holds(a, b),
}
