"""Cutting, cleaning and reading texts."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable
from functools import lru_cache
from typing import Any

from engine.library.function import LibraryError, bytes_of, null_out, refuse, scalar_text, text_of

_LETTERS = str.maketrans(
    {
        "đ": "d", "Đ": "D", "ð": "d", "Ð": "D", "ø": "o", "Ø": "O", "ł": "l", "Ł": "L", "ı": "i", "ß": "ss",
        "æ": "ae", "Æ": "AE", "œ": "oe", "Œ": "OE", "þ": "th", "Þ": "Th",
    }
)  # fmt: skip


@null_out
def text(x: Any) -> str:
    """The text of a text, number or boolean: true is "true", 10.0 is "10", no number has an exponent."""
    return text_of("text", x)


@null_out
def lower(x: Any) -> str:
    """All letters small."""
    return text_of("lower", x).lower()


@null_out
def upper(x: Any) -> str:
    """All letters capital."""
    return text_of("upper", x).upper()


@null_out
def unaccent(x: Any) -> str:
    """Letters without their marks: "Đường Nguyễn Huệ" is "Duong Nguyen Hue"."""
    parts = unicodedata.normalize("NFD", text_of("unaccent", x))
    bare = "".join(char for char in parts if unicodedata.category(char) != "Mn")
    return unicodedata.normalize("NFC", bare).translate(_LETTERS)


@null_out
def keep(x: Any, allowed: Any) -> str:
    """Only the characters of a set such as `A-Za-z0-9 .,:_-` (ranges; a `-` at either end is itself)."""
    if not isinstance(allowed, str):
        raise refuse("keep", "a set of characters", allowed)
    text, ranges = text_of("keep", x), _ranges(allowed)
    kept = {char for char in set(text) if any(first <= char <= last for first, last in ranges)}
    return "".join(char for char in text if char in kept)


@null_out
def truncate_bytes(x: Any, n: Any) -> str:
    """At most `n` bytes of UTF-8, no character cut in half."""
    if type(n) is not int or n < 0:
        raise LibraryError("truncate_bytes: the number of bytes must be a whole number, not below 0")
    return bytes_of("truncate_bytes", text_of("truncate_bytes", x))[:n].decode(errors="ignore")


@null_out
def squash(x: Any) -> str:
    """Each run of white space as one blank, none at the ends."""
    return " ".join(text_of("squash", x).split())


@null_out
def before(x: Any, mark: Any) -> str | None:
    """The text before the first `mark`; null when it is not in it."""
    head, found, _ = text_of("before", x).partition(_mark("before", mark))
    return head if found else None


@null_out
def after(x: Any, mark: Any) -> str | None:
    """The text after the first `mark`; null when it is not in it."""
    _, found, tail = text_of("after", x).partition(_mark("after", mark))
    return tail if found else None


@null_out
def last_segment(x: Any) -> str:
    """What stands behind the last `/` of a URI or id, without query and fragment."""
    path = text_of("last_segment", x).partition("#")[0].partition("?")[0]
    return path.rstrip("/").rpartition("/")[2]


def folded(message: Any) -> str:
    """A message as `messageContains` compares it: lower case, spaces collapsed; empty for what is no text."""
    return " ".join(message.split()).lower() if isinstance(message, str) else ""


def matching(pattern: str) -> Callable[[Any], bool]:
    """A test of a whole text against an RE2 pattern (linear time). Raises LibraryError on what RE2 refuses.

    Numbers and booleans are tested as their text; whatever else has no text does not match.
    """
    import re2  # few specs match patterns of their own

    options = re2.Options()
    options.log_errors = False
    try:
        compiled = re2.compile(pattern, options)
    except (re2.error, ValueError) as error:
        raise LibraryError(f"matching: RE2 refuses the pattern: {_reason(error)}") from None

    def holds(x: Any) -> bool:
        try:
            text = scalar_text(x)
            return text is not None and compiled.fullmatch(text) is not None
        except ValueError:  # half of a surrogate pair, or a number out of bounds
            return False

    return holds


def _reason(error: Exception) -> str:
    reason = error.args[0] if error.args else ""
    return reason.decode(errors="replace") if isinstance(reason, bytes) else str(reason)


def _mark(function: str, mark: Any) -> str:
    if not isinstance(mark, str) or not mark:
        raise LibraryError(f"{function}: the mark must be a text with at least one character")
    return mark


@lru_cache(maxsize=256)
def _ranges(allowed: str) -> tuple[tuple[str, str], ...]:
    found: list[tuple[str, str]] = []
    at = 0
    while at < len(allowed):
        is_range = at + 2 < len(allowed) and allowed[at + 1] == "-"
        first, last = allowed[at], allowed[at + 2] if is_range else allowed[at]
        if last < first:
            raise LibraryError(f"keep: the range {first}-{last} runs backwards")
        found.append((first, last))
        at += 3 if is_range else 1
    return tuple(found)
