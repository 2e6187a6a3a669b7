"""JSON without loss: fractions are Decimal, integers have any size, nothing passes through a float."""

from __future__ import annotations

import json
import re
from decimal import Decimal, InvalidOperation
from functools import cache
from typing import Any, NoReturn

import orjson

MAX_DIGITS = 1000
"""A fraction may have this many digits before and after the point. `1e999999999` would be a gigabyte of text."""
MAX_DEPTH = 128
"""Levels of lists and objects. Everything behind this door may recurse over a value without a limit of its own."""

_BOM = b"\xef\xbb\xbf"
_SURROGATE = re.compile(rb"\\u[dD][89a-fA-F]")
_ALL_BUT_BRACKETS = bytes(byte for byte in range(256) if byte not in b"[]{}")
# Digits as 0, what may stand behind them in a fraction as point, all else as blank: two searches then tell most bodies
# as free of numbers that orjson would round, for a fraction of what the pattern costs.
_SHAPE = bytes(0x30 if 0x30 <= b <= 0x39 else 0x2E if b in b".eE" else 0x20 for b in range(256))
_LONG = b"0" * 19
_SHORT = 4096
"""Bytes up to which looking at every value costs less than looking at every byte, several times."""
_OPTIONS = orjson.OPT_PASSTHROUGH_DATETIME | orjson.OPT_PASSTHROUGH_DATACLASS


def loads(data: bytes | str) -> Any:
    """The value of a JSON text in UTF-8 (a byte order mark is passed over).

    Raises ValueError, without quoting the text: not JSON, NaN or Infinity, more than MAX_DEPTH levels,
    a number beyond MAX_DIGITS (an integer: beyond Python's 4,300 digits).
    """
    raw = _utf8(data) if isinstance(data, str) else data
    raw = raw.removeprefix(_BOM)
    try:
        value = _read(raw) if len(raw) <= _SHORT else _read_long(raw)
    except json.JSONDecodeError as error:
        if "depth" in error.msg:
            raise _too_deep() from None
        raise ValueError(f"not JSON: {error.msg} (line {error.lineno}, column {error.colno})") from None
    except UnicodeDecodeError:
        raise ValueError("not JSON: the bytes are not UTF-8") from None
    except RecursionError:
        raise _too_deep() from None
    return value


def _read(raw: bytes) -> Any:
    """orjson makes floats of fractions and of what does not fit 64 bits: then the slow way is taken."""
    try:
        value = orjson.loads(raw)
    except orjson.JSONDecodeError as error:
        if "infinity" not in error.msg:  # 1E400 is a number, though none of a float
            raise
        value = _exact(raw)
    if _was_rounded(value):
        value = _exact(raw)
        _was_rounded(value)  # for its depth: the first look ended at the first fraction
    return value


def _read_long(raw: bytes) -> Any:
    """The same, told from the text beforehand."""
    value = _exact(raw) if _may_lose(raw) else orjson.loads(raw)
    if _depth_bound(raw) > MAX_DEPTH:
        _was_rounded(value)
    return value


def _was_rounded(value: Any, levels: int = MAX_DEPTH) -> bool:
    """Is there a float in it? Raises ValueError beyond so many levels, if none is found before."""
    kind = type(value)
    if kind is not dict and kind is not list:
        return kind is float
    if not levels:
        raise _too_deep()
    for item in value.values() if kind is dict else value:
        kind = type(item)
        if kind is str or kind is int:  # most of them
            continue
        if kind is float or ((kind is dict or kind is list) and _was_rounded(item, levels - 1)):
            return True
    return False


def _may_lose(raw: bytes) -> bool:
    """Could orjson round a number of this text?"""
    shape = raw.translate(_SHAPE)
    if b"0." not in shape and _LONG not in shape:
        return False
    return _inexact().search(raw) is not None


@cache
def _inexact() -> Any:
    """A number stands behind `"key":`, `[` or `,`, or alone. Texts may look alike: then the slow way is taken, nothing
    else."""
    import re2  # 15 times as fast here as `re` is; most texts are told without

    latin1 = re2.Options()
    latin1.encoding = re2.Options.Encoding.LATIN1
    return re2.compile(rb'(?:^|"\s*:|[\[,])\s*-?(?:[0-9]+[.eE]|[0-9]{19})', latin1)


def dumps(value: Any) -> bytes:
    """Compact UTF-8 JSON; numbers in full digits, integral ones without point. Raises ValueError."""
    try:
        return orjson.dumps(value, _decimal, _OPTIONS)
    except TypeError:  # orjson knows 64 bits only
        pass
    try:
        return orjson.dumps(_big(value), _decimal, _OPTIONS)
    except TypeError as error:
        raise ValueError(f"can't be written as JSON: {error}") from None
    except RecursionError:
        raise _too_deep() from None


def plain(number: int | Decimal) -> str:
    """All digits of a number, without exponent and without zeros at the end of a fraction. Raises ValueError."""
    if not isinstance(number, Decimal):
        return str(number)
    text = format(bounded(number), "f")
    if "." in text:
        text = text.rstrip("0").rstrip(".")
    return "0" if text == "-0" else text


def bounded(number: Decimal) -> Decimal:
    """The number itself, or ValueError where writing it out would take more than MAX_DIGITS."""
    exponent = number.as_tuple().exponent
    if not isinstance(exponent, int):
        raise ValueError("not a number")  # noqa: TRY004 (NaN and Infinity are of the right type)
    if number.adjusted() > MAX_DIGITS or exponent < -MAX_DIGITS or exponent > MAX_DIGITS:
        raise ValueError(f"a number has more than {MAX_DIGITS} digits")
    return number


def settled(number: Decimal) -> int | Decimal:
    """An integral number as int, any other as it is. Raises ValueError as `bounded` does."""
    whole = bounded(number).to_integral_value()
    return int(whole) if whole == number else number


def from_float(number: float) -> Decimal:
    """The shortest decimal that reads as this float (a literal of a query may be one)."""
    return bounded(Decimal(repr(number)))


def _exact(raw: bytes) -> Any:
    value = json.loads(raw.decode(), parse_float=_fraction, parse_constant=_constant)
    if _SURROGATE.search(raw):  # this reader lets half of a pair through, orjson does not
        _utf8(json.dumps(value, ensure_ascii=False, default=str))
    return value


def _fraction(text: str) -> Decimal:
    if len(text) > 2 * MAX_DIGITS:
        raise ValueError(f"a number has more than {MAX_DIGITS} digits")
    try:
        return bounded(Decimal(text))
    except InvalidOperation:  # an exponent beyond what Decimal can hold
        raise ValueError(f"a number has more than {MAX_DIGITS} digits") from None


def _constant(name: str) -> NoReturn:
    raise ValueError(f"not JSON: {name} is no number")


def _utf8(text: str) -> bytes:
    try:
        return text.encode()
    except UnicodeEncodeError:
        raise ValueError("not JSON: the text holds half of a surrogate pair") from None


def _decimal(value: Any) -> orjson.Fragment:
    if isinstance(value, Decimal):
        return orjson.Fragment(plain(value).encode())
    raise TypeError


def _big(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _big(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_big(item) for item in value]
    if isinstance(value, int) and not -(2**63) <= value < 2**64:
        return orjson.Fragment(str(value).encode())
    return value


def _depth_bound(raw: bytes) -> int:
    """At least the depth of the text: pairs of brackets are taken out from within, one level a round."""
    brackets, rounds = raw.translate(None, _ALL_BUT_BRACKETS), 0
    while len(brackets) > 2 * MAX_DEPTH and rounds <= MAX_DEPTH:
        less = brackets.replace(b"[]", b"").replace(b"{}", b"")
        if len(less) == len(brackets):  # what stays stood in texts
            break
        brackets, rounds = less, rounds + 1
    return rounds + len(brackets)


def _too_deep() -> ValueError:
    return ValueError(f"more than {MAX_DEPTH} levels of lists and objects")
