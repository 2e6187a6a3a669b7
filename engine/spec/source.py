"""Reads one YAML file of a spec strictly, and remembers where every key and value stands.

    specs/
    └── <integrationId>/        one folder per integration
        ├── spec.yaml           the integration
        ├── logo.svg
        └── cases/*.yaml        recorded exchanges that the spec must reproduce

A spec is plain data: mappings with text keys, lists, text, integers, decimals, `true`, `false`, `null`. What YAML has
beyond that (anchors, tags, merge keys, several documents) and what its readers disagree about (`scalars`) is a
diagnostic. Values are built from the parser's events with an explicit stack and every limit is checked before
anything is built (`reader`), so hostile text costs no more than its size.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from engine.diagnostics import Diagnostic, Position
from engine.spec.marks import MapMarks, Marks, Text
from engine.spec.offsets import trace

Path: TypeAlias = tuple[str | int, ...]

MAX_BYTES = 512 * 1024

_NUMBER_OR_WORD = re.compile(r"[-\w.]*")


@dataclass(frozen=True)
class Source:
    """One file as read: its plain value, and the position of everything in it."""

    file: str
    text: str
    value: Any
    """Nested dict, list, str, int, Decimal, bool and None; a fraction is never a float."""
    _marks: Marks = field(repr=False, compare=False)
    _lines: Text = field(repr=False, compare=False)

    def position(self, path: Path, *, key: bool = False, offset: int | None = None) -> Position:
        """Where the value at `path` begins (a quoted one at its quote, a block at its `|`), or where its key does.

        With `offset`: where that character of the text's content stands. A path that leads nowhere gives the
        innermost value on its way that is there, the one that lacks the key.
        """
        index, content = self._find(path, key=key)
        if offset is not None and isinstance(content, str):
            index = trace(self.text, index, content)[min(max(offset, 0), len(content))]
        return self._lines.at(index)

    def length(self, path: Path, *, key: bool = False) -> int:
        """How many characters of its first line the scalar at `path` or its key takes, quotes included; else 1."""
        index, content = self._find(path, key=key)
        if isinstance(content, str):
            end = trace(self.text, index, content)[-1] + self.text.startswith(("'", '"'), index)
            return max(1, len(self.text[index:end].split("\n", 1)[0].rstrip()))
        if isinstance(content, dict | list):
            return 1
        word = _NUMBER_OR_WORD.match(self.text, index)
        return max(1, len(word.group()) if word else 0)

    def _find(self, path: Path, *, key: bool) -> tuple[int, Any]:
        """Index and content of the value at `path`, or of its key."""
        marks, value = self._marks, self.value
        for number, step in enumerate(path, 1):
            if isinstance(marks, int):
                break
            if isinstance(marks, MapMarks):
                if not isinstance(step, str) or step not in marks.values:
                    break
                if key and number == len(path):
                    return marks.keys[step], step
                marks, value = marks.values[step], value[step]
            elif isinstance(step, int) and 0 <= step < len(marks.values):
                marks, value = marks.values[step], value[step]
            else:
                break
        return (marks if isinstance(marks, int) else marks.start), value


def remembered(file: str, value: Any) -> Source:
    """A file that was read before, with the value that it gave then. Every position in it is its beginning."""
    return Source(file, "", value, 0, Text(file, ""))


def read(file: str, text: str | bytes, *, parser: Any = None) -> tuple[Source | None, list[Diagnostic]]:
    """The file's value and all findings in the order of the text; nothing in the text makes it raise.

    Without a finding there is a source. With findings there is one when the parser came to the end of the file, so
    that later checks can add theirs: what is ambiguous is text then, an alias is null, of two equal keys the first
    counts. `file` is only the name that positions show. `parser`: a loader of PyYAML that
    reads it all; None: the short way where that can, else the fastest there is.
    """
    from engine.spec.plain_reader import read_plainly  # a process whose specs are all known reads no YAML

    decoded, refused = _decoded(file, text)
    if refused:
        return None, [refused]
    lines = Text(file, decoded)
    short = read_plainly(decoded) if parser is None else None
    if short is not None:
        return Source(file, decoded, *short, lines), []
    from engine.spec.reader import PARSER, Reader, Stopped

    reader = Reader(lines)
    source = None
    try:
        value, marks = reader.read(parser or PARSER)
        source = Source(file, decoded, value, marks, lines)
    except Stopped:
        pass  # the findings say why
    return source, sorted(reader.findings, key=lambda found: (found.position.line, found.position.column))


def _decoded(file: str, text: str | bytes) -> tuple[str, Diagnostic | None]:
    """The text, or why there is none: its size is known before it is decoded or parsed."""
    if _byte_count(text) > MAX_BYTES:
        message = f"the file is larger than {MAX_BYTES // 1024} kB"
        return "", Diagnostic("YAML003", message, Position(file, 1, 1))
    if isinstance(text, str):
        return text, None
    try:
        return text.decode(), None
    except UnicodeDecodeError as error:
        before = text[: error.start].decode()
        message = f"the byte 0x{text[error.start]:02X} is not UTF-8"
        at = Text(file, before).at(len(before))
        return "", Diagnostic("YAML001", message, at, hint="save the file as UTF-8")


def _byte_count(text: str | bytes) -> int:
    if isinstance(text, bytes) or text.isascii() or len(text) > MAX_BYTES:
        return len(text)
    return len(text.encode(errors="surrogatepass"))
