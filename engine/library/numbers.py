"""Arithmetic without loss: whole numbers and decimals, never a binary float."""

from __future__ import annotations

import re
from decimal import (
    ROUND_HALF_UP,
    Context,
    Decimal,
    DecimalException,
    DivisionByZero,
    Inexact,
    InvalidOperation,
    Overflow,
)
from typing import Any

from engine.library import exact
from engine.library.function import LibraryError, null_out, refuse

_NUMERAL = re.compile(r"[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]{1,9})?")
_MAX_TEXT = 2 * exact.MAX_DIGITS
_MAX_BITS = 3322  # of an integer with MAX_DIGITS digits
_TRAPS = [Inexact, InvalidOperation, DivisionByZero, Overflow]
_EXACT = Context(prec=10 * exact.MAX_DIGITS, Emin=-99_999, Emax=99_999, traps=_TRAPS)
_ROUNDING = Context(prec=10 * exact.MAX_DIGITS, rounding=ROUND_HALF_UP)


def number(function: str, value: Any) -> int | Decimal:
    """The number that `function` was given: int (never a boolean) or Decimal within bounds."""
    if type(value) is int:
        return value
    try:
        if isinstance(value, Decimal):
            return exact.bounded(value)
        if isinstance(value, float):
            return exact.settled(exact.from_float(value))
    except ValueError as error:
        raise LibraryError(f"{function}: {error}") from None
    raise refuse(function, "a number", value)


@null_out
def add(x: Any, y: Any) -> int | Decimal:
    """The exact sum."""
    a, b = number("add", x), number("add", y)
    return _whole("add", a + b) if isinstance(a, int) and isinstance(b, int) else _exactly("add", a, b)


@null_out
def sub(x: Any, y: Any) -> int | Decimal:
    """The exact difference."""
    a, b = number("sub", x), number("sub", y)
    return _whole("sub", a - b) if isinstance(a, int) and isinstance(b, int) else _exactly("sub", a, b)


@null_out
def mul(x: Any, y: Any) -> int | Decimal:
    """The exact product."""
    a, b = number("mul", x), number("mul", y)
    return _whole("mul", a * b) if isinstance(a, int) and isinstance(b, int) else _exactly("mul", a, b)


@null_out
def div(x: Any, y: Any) -> int | Decimal:
    """The quotient, exact where 28 digits (or all before the point and ten behind it) can hold it."""
    a, b = number("div", x), number("div", y)
    if not b:
        raise LibraryError("div: division by zero")
    if isinstance(a, int) and isinstance(b, int) and a % b == 0:
        return a // b
    above, below = Decimal(a), Decimal(b)
    digits = max(28, above.adjusted() - below.adjusted() + 11)
    return _settled("div", Context(prec=digits).divide(above, below))


@null_out
def decimal(x: Any) -> int | Decimal:
    """The number in a text such as "735000.50"; a number as it is."""
    if isinstance(x, str):
        return _settled("decimal", _numeral("decimal", x))
    value = number("decimal", x)
    return value if isinstance(value, int) else _settled("decimal", value)


@null_out
def integer(x: Any) -> int:
    """The whole number in a text or number. A fraction is refused: round with `fixed(x, 0)` first."""
    if type(x) is int:
        return x
    value = decimal(x) if isinstance(x, str) else number("integer", x)
    value = value if isinstance(value, int) else _settled("integer", value)
    if not isinstance(value, int):
        raise LibraryError("integer: the number has a fraction; round it with fixed(x, 0)")
    return value


@null_out
def fixed(x: Any, n: Any) -> str:
    """Text with exactly `n` digits behind the point, halves rounded away from zero: fixed(2.005, 2) is "2.01"."""
    value = _numeral("fixed", x) if isinstance(x, str) else Decimal(number("fixed", x))
    if type(n) is not int or not 0 <= n <= 28:
        raise LibraryError("fixed: the number of digits must be a whole number from 0 to 28")
    rounded = _ROUNDING.quantize(value, Decimal(1).scaleb(-n))
    return format(rounded or abs(rounded), "f")


@null_out
def nonzero(x: Any) -> Any:
    """Null for 0, "0", "0.00" and blank text (how providers write "none yet"); anything else as it is."""
    if isinstance(x, str):
        digits = x.strip()
        return x if digits.replace(".", "", 1).strip("0") or digits == "." else None
    is_number = isinstance(x, (int, Decimal, float)) and not isinstance(x, bool)
    return None if is_number and x == 0 else x


def _numeral(function: str, value: str) -> Decimal:
    digits = value.strip()
    if len(digits) > _MAX_TEXT or not _NUMERAL.fullmatch(digits):
        raise LibraryError(f"{function}: the text is not a number")
    try:
        return exact.bounded(Decimal(digits))
    except ValueError as error:
        raise LibraryError(f"{function}: {error}") from None


def _exactly(function: str, a: int | Decimal, b: int | Decimal) -> int | Decimal:
    work = {"add": _EXACT.add, "sub": _EXACT.subtract, "mul": _EXACT.multiply}[function]
    try:
        return _settled(function, work(a, b))
    except DecimalException:
        raise _too_many(function) from None


def _settled(function: str, value: Decimal) -> int | Decimal:
    try:
        return exact.settled(value)
    except ValueError as error:
        raise LibraryError(f"{function}: {error}") from None


def _whole(function: str, value: int) -> int:
    if value.bit_length() > _MAX_BITS:
        raise _too_many(function)
    return value


def _too_many(function: str) -> LibraryError:
    return LibraryError(f"{function}: a number has more than {exact.MAX_DIGITS} digits")
