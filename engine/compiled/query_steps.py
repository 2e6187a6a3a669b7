"""What the parts of a query do, each as a closure. No query is parsed here."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any

from engine.compiled.values import Evaluate, same
from engine.library.absent import ABSENT
from engine.library.function import Function


def fields_of(names: list[str]) -> Evaluate:
    """`[a, b, c]` of an object."""

    def run(value: Any) -> Any:
        if isinstance(value, dict):
            return list(map(value.get, names))
        return None if value is None else [None] * len(names)

    return run


def library_call(function: Function, arguments: list[Evaluate], options: Mapping[str, Evaluate]) -> Evaluate:
    call = function.call
    if len(arguments) == 1 and not options:
        only = arguments[0]
        return lambda value: call(only(value))

    def run(value: Any) -> Any:
        named = {key: option(value) for key, option in options.items()}
        return _present(call(*[argument(value) for argument in arguments], **named))

    return run


def _present(value: Any) -> Any:
    return None if value is ABSENT else value


def chain(steps: list[Evaluate]) -> Evaluate:
    if len(steps) == 2:
        first, second = steps
        return lambda value: second(first(value))

    def run(value: Any) -> Any:
        for step in steps:
            value = step(value)
        return value

    return run


def root_reader(path: tuple[str, ...]) -> Evaluate:
    root, rest = path[0], path[1:]
    if not rest:
        return lambda scope: _present(scope[root])
    if len(rest) == 1:
        only = rest[0]

        def two(scope: Any) -> Any:
            value = scope[root]
            return value.get(only) if isinstance(value, dict) else None

        return two

    if len(rest) == 2:
        middle, last = rest

        def three(scope: Any) -> Any:
            value = scope[root]
            if isinstance(value, dict):
                value = value.get(middle)
                if isinstance(value, dict):
                    return value.get(last)
            return None

        return three

    def deep(scope: Any) -> Any:
        value = scope[root]
        for key in rest:
            if not isinstance(value, dict):
                return None
            value = value.get(key)
        return value

    return deep


def equality(left: Evaluate, right: Evaluate, literal: Any, *, wanted: bool) -> Evaluate:
    """`literal`: what is on the right, where it is written out as a text or a number."""
    if isinstance(literal, str):  # what most rules compare with; a text equals nothing but a text
        return (lambda value: left(value) == literal) if wanted else (lambda value: left(value) != literal)
    if type(literal) is int:  # True equals 1 in Python

        def is_number(value: Any) -> bool:
            found = left(value)
            return (found == literal and found is not True and found is not False) is wanted

        return is_number
    return lambda value: same(left(value), right(value)) is wanted


def is_comparable(value: Any) -> bool:
    return isinstance(value, str | int | Decimal) and not isinstance(value, bool)


def exact_literal(value: Any) -> Any:
    """Literals of the parser, with its floats as decimals."""
    if isinstance(value, float):
        return Decimal(repr(value))
    if isinstance(value, list):
        return [exact_literal(item) for item in value]
    if isinstance(value, dict):
        return {key: exact_literal(item) for key, item in value.items()}
    return value


ORDER: Mapping[str, Callable[[Any, Any], bool]] = {
    "lt": lambda a, b: a < b,
    "lte": lambda a, b: a <= b,
    "gt": lambda a, b: a > b,
    "gte": lambda a, b: a >= b,
}
