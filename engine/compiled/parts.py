"""The text and the expressions of a template, told apart. No expression is parsed here, but for plain paths."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any

from engine.compiled.fault import Fault

_PATH = re.compile(
    r"\s*(?!(?:and|else|false|False|if|in|is|none|None|not|or|true|True)\b)[A-Za-z_][A-Za-z0-9_]*"
    r"(?:\.[A-Za-z_][A-Za-z0-9_]*){0,50}\s*"
)
_MOST_KEPT = 1024


class Part:
    """One expression of a template: its text and where it begins in the scalar.

    `path`: its names, where it is nothing but `a.b.c`, as most are. `tree`: as it was read, once it was.
    """

    __slots__ = ("offset", "path", "text", "tree")

    def __init__(self, text: str, offset: int) -> None:
        self.text = text
        self.offset = offset
        self.path = tuple(text.strip().split(".")) if _PATH.fullmatch(text) else None
        self.tree: Any = None


def is_template(text: str) -> bool:
    return "{{" in text


@lru_cache(maxsize=_MOST_KEPT)
def split(text: str) -> tuple[str | Part, ...]:
    """Literal pieces and expressions in order; quotes inside an expression may hold braces. Raises `Fault`.

    A text is looked at from several sides while its spec is compiled: what follows from it alone is kept meanwhile.
    """
    pieces: list[str | Part] = []
    at = 0
    while (start := text.find("{{", at)) >= 0:
        _literal(pieces, text[at:start], at)
        end = _end_of_expression(text, start + 2)
        pieces.append(Part(text[start + 2 : end], start + 2))
        at = end + 2
    _literal(pieces, text[at:], at)
    return tuple(pieces)


def _literal(pieces: list[str | Part], text: str, at: int) -> None:
    for mark, word in (("{%", "statements"), ("{#", "comments")):
        if mark in text:
            raise Fault(
                "EXPR002", f"{word} are not part of the language", "write an expression", at + text.index(mark), 2
            )
    if text:
        pieces.append(text)


def _end_of_expression(text: str, at: int) -> int:
    quote = ""
    start, braces = at, 0
    while at < len(text):
        char = text[at]
        if quote:
            if char == "\\":
                at += 1
            elif char == quote:
                quote = ""
        elif char in "'\"":
            quote = char
        elif char == "{":
            braces += 1
        elif char == "}" and braces:
            braces -= 1
        elif text.startswith("}}", at):
            return at
        at += 1
    raise Fault("EXPR001", "this {{ has no }}", "", start - 2, 2)
