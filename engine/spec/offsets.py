"""Which character of the text each character of a scalar's content comes from.

YAML content and its text differ: `''` is one quote, `\\n` is a line break, line breaks fold into spaces, blocks are
indented. `trace` walks the text as the parser did, so that a finding inside a template of several lines still points
at the right character. It runs only for findings, never when a spec is read without one.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import islice

_WHITE = re.compile(r"[ \t\r\n]+")
_ESCAPE = re.compile(r"\\(?:x[0-9a-fA-F]{2}|u[0-9a-fA-F]{4}|U[0-9a-fA-F]{8}|[^\r\n])")
_ESCAPED_BREAK = re.compile(r"\\\r?\n[ \t\r\n]*")


def trace(text: str, start: int, content: str) -> list[int]:
    """Index in `text` of every character of `content`, the scalar that begins at `start`, and of its end.

    The list has `len(content) + 1` entries, in rising order. Exact for plain, quoted and block scalars; a character
    that stands for a line break points at the white space it came from.
    """
    mark = text[start : start + 1]
    if mark in ("|", ">"):
        indexes = _block(text, start, content)
    elif mark in ("'", '"'):
        indexes = _quoted(text, start + 1, mark)
    else:
        indexes = _plain(text, start)
    found = list(islice(indexes, len(content) + 1))
    if mark not in ("'", '"'):  # only a quote has an end of its own
        found = found[: len(content)]
    end = found[-1] + 1 if found else start
    return found + [end] * (len(content) + 1 - len(found))


def _plain(text: str, at: int) -> Iterator[int]:
    while at < len(text):
        white = _WHITE.match(text, at)
        if white:
            yield from _folded(white)
            at = white.end()
        else:
            yield at
            at += 1


def _quoted(text: str, at: int, quote: str) -> Iterator[int]:
    while at < len(text):
        if white := _WHITE.match(text, at):
            yield from _folded(white)
            at = white.end()
        elif quote == '"' and (gap := _ESCAPED_BREAK.match(text, at)):
            yield from [at] * (gap.group().count("\n") - 1)
            at = gap.end()
        elif quote == '"' and (escape := _ESCAPE.match(text, at)):
            yield at
            at = escape.end()
        elif quote == "'" and text.startswith("''", at):
            yield at
            at += 2
        elif text[at] == quote:
            yield at
            return
        else:
            yield at
            at += 1


def _folded(white: re.Match[str]) -> Iterator[int]:
    """White space stands for itself; with one line break for a space; with more for one line break less."""
    breaks = white.group().count("\n")
    if breaks == 0:
        yield from range(*white.span())
    else:
        yield from [white.start()] * max(1, breaks - 1)


def _block(text: str, start: int, content: str) -> Iterator[int]:
    folds = text[start] == ">"
    lines = list(_lines(text, text.find("\n", start) + 1))
    indent = _indent(text, lines, content)
    pending: list[int] = []  # line breaks not yet known to stand for themselves or for a space
    is_first, was_blank = True, False
    for begin, end in lines:
        if end - begin <= indent:
            pending.append(end)
            continue
        if text[begin : begin + indent].strip(" "):
            break  # less indented: what comes after the block
        is_blank = text[begin + indent] in " \t"
        if folds and not (is_first or was_blank or is_blank) and len(pending) > 1:
            del pending[0]
        yield from pending
        yield from range(begin + indent, end)
        pending, is_first, was_blank = [end], False, is_blank
    yield from pending


def _lines(text: str, at: int) -> Iterator[tuple[int, int]]:
    """Where each line begins and where its break begins."""
    while 0 < at <= len(text):
        following = text.find("\n", at)
        end = following if following >= 0 else len(text)
        yield at, end - (text[at:end].endswith("\r"))
        at = following + 1


def _indent(text: str, lines: list[tuple[int, int]], content: str) -> int:
    """How far the block is indented: the first line that is not blank tells, compared with its content."""
    inner = next((line for line in content.split("\n") if line.strip(" ")), "")
    outer = next((text[begin:end] for begin, end in lines if text[begin:end].strip(" ")), "")
    return max(0, _spaces(outer) - _spaces(inner))


def _spaces(line: str) -> int:
    return len(line) - len(line.lstrip(" "))
