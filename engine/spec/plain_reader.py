"""The short way through a text that is written as most specs are; every other text goes the long one (`reader`).

It reads block mappings and lists, flow mappings and lists, unquoted and quoted text of one line, and text folded with
`>-`. Whatever is not surely one of these, or is worth a finding, makes it give up. So it never says what is wrong, and
what it gives is what the long way gives, marks included: tests hold the two together.
"""

from __future__ import annotations

import re
from functools import lru_cache
from sys import intern
from typing import Any

from engine.spec.marks import ListMarks, MapMarks, Marks
from engine.spec.scalars import LONGEST_WORD, NUMBER_INITIALS, Ambiguous, resolve

_LONGEST = 100_000
"""Characters; a text of so many can't hold more values than the long way allows."""
_LONGEST_KEY = 1000
"""Characters as it is written: the parser looks for a colon through 1024."""
_DEEPEST = 40

# Runs of characters are never given back (`*+`), so each text is looked at once.
_QUOTED = r"""("[^"\\\n]*+(?:\\["\\/nrt][^"\\\n]*+)*+"|'[^'\n]*+(?:''[^'\n]*+)*+')"""
_FIRST = r"(?:[^\s?:,\[\]{}#&*!|>'\"%@`-]|-(?=[0-9]))"
_PLAIN = _FIRST + r"[^:#\n]*+(?:(?::(?=[^ \n])|(?<=[^ ])#)[^:#\n]*+)*+"
_FLOW_PLAIN = r"(?!\.\.\.)" + _FIRST + r"[^:#?,\[\]{}\n]*+(?::(?=[^ \n:#?,\[\]{}])[^:#?,\[\]{}\n]*+)*+"
_LINES = r"(?: *+(?:#[^\n]*+)?\n)*+( *+)"  # lines that say nothing, and the white space before the next one
_LINE_END = r" *+(?:(?<= )#[^\n]*+)?\n" + _LINES
_KEY = rf"(?:([A-Za-z_$][A-Za-z0-9_.$/-]*+(?::(?=[A-Za-z/])[A-Za-z0-9_.$/-]*+)*+)|{_QUOTED}):(?: ++|(?=\n))"

# Groups: a key without quotes, one with; a value of one line without quotes, one with; what ends the value.
_BLOCK_PAIR = re.compile(rf"{_KEY}(?:(?:({_PLAIN})|{_QUOTED}){_LINE_END})?")
_FLOW_PAIR = re.compile(rf"[ \n]*+{_KEY}(?:(?:({_FLOW_PLAIN})|{_QUOTED})[ \n]*+([,}}]))?")
_BARE_KEY, _QUOTED_KEY, _BARE, _QUOTED_VALUE, _END = 1, 2, 3, 4, 5
# Groups: a value of one line without quotes, one with; what ends it.
_BLOCK_ITEM = re.compile(rf"(?:({_PLAIN})|{_QUOTED}){_LINE_END}")
_FLOW_ITEM = re.compile(rf"[ \n]*+(?:({_FLOW_PLAIN})|{_QUOTED})[ \n]*+([,\]])")

_BETWEEN = re.compile(_LINES)
_REST = re.compile(_LINE_END)
_FOLDED = re.compile(r">- *\n( +)(?=[^ \n])")
_BLANKS = re.compile(r" *+")
_GAP = re.compile(r"[ \n]*+")
_SEPARATOR = re.compile(r"[ \n]*+([,\]}])")
_ESCAPE = re.compile(r"\\(.)")
_ESCAPED = {"n": "\n", "r": "\r", "t": "\t"}


_word = lru_cache(maxsize=1024)(resolve)
"""For short texts: the same ones stand in every spec."""


class _Unusual(Exception):
    """The long way must read this text."""


def read_plainly(text: str) -> tuple[Any, Marks] | None:
    """The value of the text and where everything in it stands; None: the long way must read it."""
    if len(text) > _LONGEST or not text.replace("\n", "").isprintable():
        return None
    try:
        return _PlainReader(text).document()
    except _Unusual:
        return None


class _PlainReader:
    """`at`: what is read next. `column`: of the next line that says anything; -1: there is none."""

    __slots__ = ("at", "column", "depth", "text")

    def __init__(self, text: str) -> None:
        self.text = text + "\n"  # so that every line has an end
        self.at = 0
        self.column = 0
        self.depth = 0

    def document(self) -> tuple[Any, Marks]:
        self.line(_BETWEEN.match(self.text), 1)
        if self.column != 0:
            raise _Unusual
        read = self.mapping(0)
        if self.column != -1:
            raise _Unusual
        return read

    def line(self, found: re.Match[str] | None, group: int) -> None:
        """Goes on to the next line that says anything; the group is the white space before it."""
        if found is None:
            raise _Unusual
        self.at = found.end()
        self.column = -1 if self.at == len(self.text) else len(found[group])

    def deeper(self) -> None:
        self.depth += 1
        if self.depth > _DEEPEST:
            raise _Unusual

    # --- blocks ---

    def mapping(self, indent: int) -> tuple[dict[str, Any], MapMarks]:
        """The block mapping whose keys stand in this column."""
        self.deeper()
        value: dict[str, Any] = {}
        marks = MapMarks(self.at)
        while True:
            found = _BLOCK_PAIR.match(self.text, self.at)
            if found is None:
                raise _Unusual
            key = self.pair(found, value, marks)
            if key is None:
                self.column = -1 if self.at == len(self.text) else len(found[_END])
            elif self.text[self.at] in "\n#":
                value[key], marks.values[key] = self.below_key(indent)
            else:
                value[key], marks.values[key] = self.node(indent)
            if self.column != indent:
                break
        if self.column > indent:
            raise _Unusual  # the last value goes on, or something is wrong
        self.depth -= 1
        return value, marks

    def below_key(self, indent: int) -> tuple[Any, Marks]:
        """What stands in the lines after a key of this column."""
        self.line(_REST.match(self.text, self.at), 1)
        if self.column >= indent and self.text.startswith("- ", self.at):
            return self.sequence(self.column)
        if self.column <= indent:
            raise _Unusual
        return self.mapping(self.column) if _BLOCK_PAIR.match(self.text, self.at) else self.node(indent)

    def sequence(self, indent: int) -> tuple[list[Any], ListMarks]:
        """The block list whose dashes stand in this column."""
        self.deeper()
        value: list[Any] = []
        marks = ListMarks(self.at)
        while self.column == indent and self.text.startswith("- ", self.at):
            start = self.at
            self.at = _skipped(_BLANKS, self.text, start + 1)
            is_map = _BLOCK_PAIR.match(self.text, self.at)
            made = self.mapping(indent + self.at - start) if is_map else self.node(indent)
            value.append(made[0])
            marks.values.append(made[1])
        if self.column > indent:
            raise _Unusual
        self.depth -= 1
        return value, marks

    def node(self, indent: int) -> tuple[Any, Marks]:
        """A value that begins here, in a block of this column, and the end of its line."""
        value: Any
        mark: Marks = self.at
        char = self.text[self.at]
        if char == ">":
            value = self.folded(indent)
        elif char in "{[":
            value, mark = self.flow()
            self.line(_REST.match(self.text, self.at), 1)
        else:
            found = _BLOCK_ITEM.match(self.text, self.at)
            if found is None:
                raise _Unusual
            value = _meant(found[1], found[2])
            self.line(found, 3)
        if self.column > indent:
            raise _Unusual
        return value, mark

    def folded(self, indent: int) -> str:
        """Lines with the same white space before them, without empty ones between."""
        found = _FOLDED.match(self.text, self.at)
        if found is None or len(found[1]) <= indent:
            raise _Unusual
        margin, lines, at = found[1], [], found.start(1)
        while self.text.startswith(margin, at) and self.text[at + len(margin)] not in " \n":
            end = self.text.index("\n", at)
            lines.append(self.text[at + len(margin) : end])
            at = end + 1
        self.line(_BETWEEN.match(self.text, at), 1)
        if "\n" + margin in self.text[at - 1 : self.at]:
            raise _Unusual  # it goes on: with white space, or with what is a comment elsewhere
        return intern(" ".join(lines))

    # --- what stands between brackets ---

    def flow(self) -> tuple[Any, Marks]:
        """A list or mapping in brackets."""
        self.deeper()
        read = self.flow_map() if self.text[self.at] == "{" else self.flow_list()
        self.depth -= 1
        return read

    def flow_map(self) -> tuple[dict[str, Any], MapMarks]:
        value: dict[str, Any] = {}
        marks = MapMarks(self.at)
        end = self.opened("}")
        while end != "}":
            found = _FLOW_PAIR.match(self.text, self.at)
            if found is None:
                raise _Unusual
            key = self.pair(found, value, marks)
            if key is None:
                end = found[_END]
            else:
                value[key], marks.values[key], end = self.inner("}")
        return value, marks

    def flow_list(self) -> tuple[list[Any], ListMarks]:
        value: list[Any] = []
        marks = ListMarks(self.at)
        end = self.opened("]")
        while end != "]":
            found = _FLOW_ITEM.match(self.text, self.at)
            if found is not None:
                bare, quoted, end = found.groups()
                self.at = found.end()
                value.append(_meant(bare, quoted))
                marks.values.append(found.start(1 if quoted is None else 2))
                continue
            made, mark, end = self.inner("]")
            value.append(made)
            marks.values.append(mark)
        return value, marks

    def opened(self, bracket: str) -> str:
        """Goes into brackets; the one that closes them, where nothing stands between."""
        self.at = _skipped(_GAP, self.text, self.at + 1)
        if self.text[self.at : self.at + 1] != bracket:
            return ""
        self.at += 1
        return bracket

    def inner(self, bracket: str) -> tuple[Any, Marks, str]:
        """What stands in brackets between such brackets, and what ends it: a comma or the bracket."""
        self.at = _skipped(_GAP, self.text, self.at)
        if self.text[self.at : self.at + 1] not in ("{", "["):
            raise _Unusual
        value, marks = self.flow()
        found = _SEPARATOR.match(self.text, self.at)
        if found is None or found[1] not in (",", bracket):
            raise _Unusual
        self.at = found.end()
        return value, marks, found[1]

    # --- keys and values ---

    def pair(self, found: re.Match[str], value: dict[str, Any], marks: MapMarks) -> str | None:
        """Adds a key, which must be text and no other's, and its value; the key where that is not of one line."""
        key, quoted_key, bare, quoted, end = found.groups()
        if key is None:
            key = _unquoted(quoted_key)
            start = found.start(_QUOTED_KEY)
        else:
            start = found.start(_BARE_KEY)
            if len(key) <= LONGEST_WORD and not isinstance(_word(key), str):
                raise _Unusual
        if key in value or len(quoted_key or key) > _LONGEST_KEY:
            raise _Unusual
        key = intern(key)
        marks.keys[key] = start
        self.at = found.end()
        if end is None:
            return key
        value[key] = _meant(bare, quoted)
        marks.values[key] = found.start(_BARE if quoted is None else _QUOTED_VALUE)
        return None


def _skipped(what: re.Pattern[str], text: str, at: int) -> int:
    found = what.match(text, at)
    return found.end() if found is not None else at


def _meant(bare: str | None, quoted: str | None) -> Any:
    """What a value of one line stands for."""
    if bare is None:
        return intern(_unquoted(quoted or ""))
    text = bare.rstrip(" ")
    if len(text) > LONGEST_WORD and text[0] not in NUMBER_INITIALS:
        return intern(text)
    value = _word(text) if len(text) <= LONGEST_WORD else resolve(text)
    if isinstance(value, Ambiguous):
        raise _Unusual
    return value


def _unquoted(text: str) -> str:
    inner = text[1:-1]
    if text[0] == "'":
        return inner.replace("''", "'") if "'" in inner else inner
    return _ESCAPE.sub(_escaped, inner) if "\\" in inner else inner


def _escaped(found: re.Match[str]) -> str:
    return _ESCAPED.get(found[1], found[1])
