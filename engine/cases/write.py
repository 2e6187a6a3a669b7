"""Writes cases as YAML that our strict reader reads back as the same values, in the style in which people write them.

What fits into a line stands in one, the skeleton of a case never does. A text is quoted only where it must be: where
YAML, one of its readers or ours would take it for something else.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from decimal import Decimal
from typing import Any

from engine.library import exact
from engine.spec.reader import MAX_DEPTH
from engine.spec.scalars import LONGEST_NUMBER, resolve

_WIDTH = 118
_LONGEST_KEY = 1000  # YAML ends a key without `?` after 1024 characters
_SKELETON = frozenset({"given", "expect", "exchanges", "calls"})
_PLAIN = re.compile(r"[^\W_][^\n]*|[/$_(+][^\n]*")
_SEPARATES = re.compile(r":(?:\s|$)|\s#")
_SEPARATES_IN_LINE = re.compile(r"[,\[\]{}?:]")
_SURROGATE = re.compile("[\ud800-\udfff]")
_ESCAPES = {"\\": "\\\\", '"': '\\"', "\n": "\\n", "\t": "\\t", "\r": "\\r"}


class Unwritable(ValueError):
    """A value that a case can't hold: half a character, a number of more digits than are read, too many levels."""


def yaml_of(cases: Sequence[Any]) -> str:
    """A file of these cases, or any other list. Raises `Unwritable`."""
    if not cases:
        return "[]\n"
    if _is_deep(cases):
        raise Unwritable(f"lists and objects are nested more than {MAX_DEPTH} deep")
    return "\n\n".join("\n".join(_item(case, _WIDTH, skeleton=True)) for case in cases) + "\n"


def scalar(value: Any, *, in_line: bool = False) -> str:
    """A text, number, boolean or null; `in_line`: inside `{…}` or `[…]`. Raises `Unwritable`."""
    if isinstance(value, str):
        return _plain_or_quoted(value, in_line=in_line)
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if not isinstance(value, int | Decimal):
        raise Unwritable(f"a case can't hold a value of type {type(value).__name__}")
    try:
        text = exact.plain(value)
    except ValueError:
        text = ""
    if not 0 < len(text) <= LONGEST_NUMBER:
        raise Unwritable(f"a number of more than {LONGEST_NUMBER} digits")
    return text


def _plain_or_quoted(text: str, *, in_line: bool) -> str:
    is_plain = (
        _PLAIN.fullmatch(text)
        and text.isprintable()
        and not text.endswith(" ")
        and not _SEPARATES.search(text)
        and not (in_line and _SEPARATES_IN_LINE.search(text))
        and resolve(text) == text
    )
    return text if is_plain else quoted(text)


def quoted(text: str) -> str:
    """The text in quotes: single ones where these need no escapes. Raises `Unwritable`."""
    if _SURROGATE.search(text):
        raise Unwritable("a text holds half a character")
    if text.isprintable() and ("\\" in text or '"' in text):
        return "'" + text.replace("'", "''") + "'"
    return '"' + "".join(map(_escaped, text)) + '"'


def _escaped(char: str) -> str:
    if char in _ESCAPES:
        return _ESCAPES[char]
    if char.isprintable():
        return char
    code = ord(char)
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def _lines(value: Any, width: int, *, skeleton: bool) -> list[str]:
    """A mapping or list over several lines; `skeleton`: its elements too."""
    if isinstance(value, list):
        return [line for item in value for line in _item(item, width, skeleton=skeleton)]
    return [line for key, item in value.items() for line in _entry(key, item, width)]


def _item(item: Any, width: int, *, skeleton: bool) -> list[str]:
    if not (skeleton and item and isinstance(item, dict | list)):
        line = _line(item, width - 2)
        if line is not None:
            return [f"- {line}"]
    return list(_hung("- ", _lines(item, width - 2, skeleton=False)))


def _entry(key: str, item: Any, width: int) -> list[str]:
    name = scalar(key)
    head = f"{name}:" if len(name) <= _LONGEST_KEY else f"? {name}\n:"
    skeleton = key in _SKELETON and bool(item) and isinstance(item, dict | list)
    line = None if skeleton else _line(item, width - len(head) - 1)
    if line is not None:
        return f"{head} {line}".split("\n")
    return [*head.split("\n"), *("  " + line for line in _lines(item, width - 2, skeleton=skeleton))]


def _hung(mark: str, lines: list[str]) -> Iterator[str]:
    for number, line in enumerate(lines):
        yield (" " * len(mark) if number else mark) + line


def _line(value: Any, width: int) -> str | None:
    """The value in one line; None where a list or mapping takes more than `width` characters."""
    if not isinstance(value, dict | list):
        return scalar(value)
    text = _flow(value)
    return text if len(text) <= width or not value else None


def _flow(value: Any) -> str:
    if isinstance(value, dict):
        inner = ", ".join(f"{scalar(key, in_line=True)}: {_flow(item)}" for key, item in value.items())
        return f"{{{inner}}}"
    if isinstance(value, list):
        return f"[{', '.join(map(_flow, value))}]"
    return scalar(value, in_line=True)


def _is_deep(value: Any) -> bool:
    level = [value]
    for _ in range(MAX_DEPTH):
        level = [child for box in level if isinstance(box, dict | list) for child in _children(box)]
    return any(isinstance(item, dict | list) for item in level)


def _children(box: Any) -> list[Any]:
    return list(box.values()) if isinstance(box, dict) else box
