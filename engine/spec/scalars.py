"""What an unquoted scalar of a spec means.

YAML readers disagree about `yes`, `00`, `1.10`, `22:30` or a date, and authors never notice. Here an unquoted scalar is
an integer, a decimal, `true`, `false` or `null` in its one plain spelling, or it is text; whatever another reader
could take for something else is `Ambiguous` and must be quoted.
"""

from __future__ import annotations

import json
import re
from decimal import Decimal
from typing import NamedTuple

Scalar = str | int | Decimal | bool | None

LONGEST_NUMBER = 100
"""Digits of a number; what is longer is an identifier and belongs in quotes."""


class Ambiguous(NamedTuple):
    """An unquoted scalar that must be quoted (or spelled the plain way); `hint` holds the exact replacement."""

    code: str
    message: str
    hint: str


_CONSTANTS: dict[str, bool | None] = {"true": True, "false": False, "null": None}
_BOOLEANS = {"yes": "true", "y": "true", "on": "true", "no": "false", "n": "false", "off": "false"}
LONGEST_WORD = max(map(len, [*_CONSTANTS, *_BOOLEANS]))
"""What is longer and begins as no number does (`NUMBER_INITIALS`) is text."""
_WORD_INITIALS = frozenset(c for word in (*_CONSTANTS, *_BOOLEANS) for c in (word[0], word[0].upper()))
NUMBER_INITIALS = frozenset("0123456789+-.")

_INTEGER = re.compile(r"-?(?:0|[1-9][0-9]*)")
_DECIMAL = re.compile(r"-?(?:0|[1-9][0-9]*)\.[0-9]*[1-9]")
_CLOCK = r"[0-9]{1,2}:[0-9]{2}(?::[0-9]{2}(?:\.[0-9]*)?)?(?:[ \t]*(?:[Zz]|[-+][0-9]{1,2}(?::?[0-9]{2})?))?"
_TIMESTAMP = re.compile(rf"[0-9]{{4}}-[0-9]{{1,2}}-[0-9]{{1,2}}(?:(?:[Tt]|[ \t]+){_CLOCK})?")
_BASE_60 = re.compile(r"[-+]?[0-9][0-9_]*(?::[0-9]{1,2})+(?:\.[0-9_]*)?")
_OTHER_BASE = re.compile(r"[-+]?0(?:[xX][0-9a-fA-F_]+|[oO][0-7_]+|[bB][01_]+)")
_NUMBER = re.compile(r"[-+]?(?:[0-9][0-9_]*(?:\.[0-9_]*)?|\.[0-9][0-9_]*)(?:[eE][-+]?[0-9]+)?")
_CODE_LIKE = re.compile(r"\+|-?0[0-9]")
_NO_NUMBER = re.compile(r"[-+]?\.(?:inf|nan)", re.IGNORECASE)


def resolve(plain: str) -> Scalar | Ambiguous:
    """The value of an unquoted, non-empty scalar, or why it has none."""
    first = plain[0]
    if first in _WORD_INITIALS:
        return _word(plain) if len(plain) <= LONGEST_WORD else plain
    if first in NUMBER_INITIALS:
        return _digits(plain)
    return Ambiguous("YAML019", '"~" could be null', 'write null, or quote it: "~"') if plain == "~" else plain


def quoted(text: str) -> str:
    """The text as a quoted YAML scalar, as an author would write it."""
    if "\\" in text or '"' in text:
        return "'" + text.replace("'", "''") + "'"
    return json.dumps(text, ensure_ascii=False)


def _word(plain: str) -> Scalar | Ambiguous:
    if plain in _CONSTANTS:
        return _CONSTANTS[plain]
    lower = plain.lower()
    if lower == "null":
        return Ambiguous("YAML019", f'"{plain}" could be null', f'write null, or quote it: "{plain}"')
    meant = lower if lower in _CONSTANTS else _BOOLEANS.get(lower)
    if meant is None:
        return plain
    return Ambiguous("YAML018", f'"{plain}" could be {meant} or text', f'quote it: "{plain}", or write {meant}')


def _digits(plain: str) -> Scalar | Ambiguous:
    is_integer = _INTEGER.fullmatch(plain)
    if is_integer or _DECIMAL.fullmatch(plain):
        if len(plain) > LONGEST_NUMBER:
            return Ambiguous("YAML022", f"a number of more than {LONGEST_NUMBER} digits", "quote it")
        if plain != "-0":
            return int(plain) if is_integer else Decimal(plain)
    if len(plain) > LONGEST_NUMBER:
        return plain
    quote = f"quote it: {quoted(plain)}"
    if _TIMESTAMP.fullmatch(plain):
        return Ambiguous("YAML020", f'"{plain}" could be a date or text', quote)
    if _BASE_60.fullmatch(plain):
        return Ambiguous("YAML021", f'"{plain}" could be a base-60 number or text', quote)
    if _OTHER_BASE.fullmatch(plain) or _NO_NUMBER.fullmatch(plain):
        return Ambiguous("YAML022", f'"{plain}" could be a number or text', quote)
    if _NUMBER.fullmatch(plain):
        return Ambiguous("YAML022", f'"{plain}" could be a number or text', quote + _plain_spelling(plain))
    return plain


def _plain_spelling(number: str) -> str:
    """`, or write 1.1` where a number may be meant; digits after a plus or zeros are a phone number or a code."""
    digits = number.replace("_", "")
    exponent = digits.lower().partition("e")[2]
    if _CODE_LIKE.match(digits) or len(exponent) > 3:
        return ""
    value = Decimal(digits)
    if not -20 < value.adjusted() < 20:
        return ""
    spelled = f"{value:f}"
    spelled = spelled.rstrip("0").rstrip(".") if "." in spelled else spelled
    return f", or write {'0' if spelled == '-0' else spelled}"
