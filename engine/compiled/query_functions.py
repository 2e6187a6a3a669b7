"""The 26 standard functions of JMESPath, over exact numbers. Source: https://jmespath.org/specification.html

A wrong type raises `LibraryError` that names the function and the type, as the specification demands (invalid-type).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any

from engine.compiled.values import same
from engine.frozen import frozen
from engine.library import exact
from engine.library.function import LibraryError
from engine.library.numbers import add, div


@frozen
class Standard:
    name: str
    call: Callable[..., Any]
    fewest: int
    most: int
    expression: int = -1
    """Which argument is an expression (`&name`); -1: none."""


def type_name(value: Any) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "boolean"
    for kind, name in ((str, "string"), ((int, Decimal), "number"), (list, "array"), (dict, "object")):
        if isinstance(value, kind):
            return name
    return "bytes"


def _need(function: str, value: Any, *types: str) -> Any:
    if type_name(value) not in types:
        raise LibraryError(f"{function} needs {' or '.join(types)}, not {type_name(value)}")
    return value


def _sum(value: Any) -> Any:
    if type(value) is list and {int}.issuperset(map(type, value)):
        return sum(value)
    return _total(_numbers("sum", value))


def _numbers(function: str, value: Any) -> list[Any]:
    return [_need(function, item, "number") for item in _need(function, value, "array")]


def _alike(function: str, values: list[Any]) -> list[Any]:
    """Numbers only or texts only: what can be ordered."""
    if values:
        kind = type_name(_need(function, values[0], "number", "string"))
        for value in values:
            _need(function, value, kind)
    return values


def _abs(value: Any) -> Any:
    number = _need("abs", value, "number")
    return number.copy_abs() if isinstance(number, Decimal) else abs(number)  # abs() would round


def _avg(value: Any) -> Any:
    numbers = _numbers("avg", value)
    return div(_total(numbers), len(numbers)) if numbers else None


def _total(numbers: list[Any]) -> Any:
    total: Any = 0
    for number in numbers:
        total = add(total, number)
    return total


def _contains(subject: Any, search: Any) -> bool:
    _need("contains", subject, "array", "string")
    if isinstance(subject, str):
        return isinstance(search, str) and search in subject
    return any(same(item, search) for item in subject)


def _join(glue: Any, parts: Any) -> str:
    _need("join", glue, "string")
    return str(glue).join(_need("join", part, "string") for part in _need("join", parts, "array"))


def _length(value: Any) -> int:
    return len(_need("length", value, "string", "array", "object"))


def _map(expression: Any, values: Any) -> list[Any]:
    return [expression(value) for value in _need("map", values, "array")]


def _extreme(name: str, pick: Callable[..., Any]) -> Callable[[Any], Any]:
    return lambda values: pick(_alike(name, _need(name, values, "array")), default=None)


def _extreme_by(name: str, pick: Callable[..., Any]) -> Callable[[Any, Any], Any]:
    def run(values: Any, expression: Any) -> Any:
        keys = _alike(name, [expression(value) for value in _need(name, values, "array")])
        return values[pick(range(len(keys)), key=keys.__getitem__)] if keys else None

    return run


def _merge(*objects: Any) -> dict[str, Any]:
    merged: dict[str, Any] = {}
    for value in objects:
        merged.update(_need("merge", value, "object"))
    return merged


def _reverse(value: Any) -> Any:
    return _need("reverse", value, "array", "string")[::-1]


def _sort_by(values: Any, expression: Any) -> list[Any]:
    keys = _alike("sort_by", [expression(value) for value in _need("sort_by", values, "array")])
    return [values[i] for i in sorted(range(len(keys)), key=keys.__getitem__)]


def _to_number(value: Any) -> Any:
    if type_name(value) == "number":
        return value
    if not isinstance(value, str):
        return None
    try:
        number = exact.loads(value)
    except ValueError:
        return None
    return number if type_name(number) == "number" else None


def _to_string(value: Any) -> str:
    if isinstance(value, str):
        return value
    try:
        return exact.dumps(value).decode()
    except ValueError:
        raise LibraryError(f"to_string can't write {type_name(value)}") from None


def _edge(name: str, method: Callable[[str, str], bool]) -> Callable[[Any, Any], bool]:
    return lambda text, edge: method(_need(name, text, "string"), _need(name, edge, "string"))


_TABLE: tuple[tuple[str, Callable[..., Any], int, int], ...] = (
    ("abs", _abs, 1, 1),
    ("avg", _avg, 1, 1),
    ("ceil", lambda value: math.ceil(_need("ceil", value, "number")), 1, 1),
    ("contains", _contains, 2, 2),
    ("ends_with", _edge("ends_with", str.endswith), 2, 2),
    ("floor", lambda value: math.floor(_need("floor", value, "number")), 1, 1),
    ("join", _join, 2, 2),
    ("keys", lambda value: list(_need("keys", value, "object")), 1, 1),
    ("length", _length, 1, 1),
    ("map", _map, 2, 2),
    ("max", _extreme("max", max), 1, 1),
    ("max_by", _extreme_by("max_by", max), 2, 2),
    ("merge", _merge, 0, 99),
    ("min", _extreme("min", min), 1, 1),
    ("min_by", _extreme_by("min_by", min), 2, 2),
    ("not_null", lambda *values: next((v for v in values if v is not None), None), 1, 99),
    ("reverse", _reverse, 1, 1),
    ("sort", lambda values: sorted(_alike("sort", _need("sort", values, "array"))), 1, 1),
    ("sort_by", _sort_by, 2, 2),
    ("starts_with", _edge("starts_with", str.startswith), 2, 2),
    ("sum", _sum, 1, 1),
    ("to_array", lambda value: value if isinstance(value, list) else [value], 1, 1),
    ("to_number", _to_number, 1, 1),
    ("to_string", _to_string, 1, 1),
    ("type", type_name, 1, 1),
    ("values", lambda value: list(_need("values", value, "object").values()), 1, 1),
)

_EXPRESSIONS = {"map": 0, "max_by": 1, "min_by": 1, "sort_by": 1}

STANDARD: Mapping[str, Standard] = {
    name: Standard(name, call, fewest, most, _EXPRESSIONS.get(name, -1)) for name, call, fewest, most in _TABLE
}
