"""From the parser's events to plain values, their marks and the findings: one text, one pass, one explicit stack.

Nothing is built before its guard has passed: characters first, then depth and number of values with each event.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterable
from sys import intern
from typing import Any, NoReturn, TypeAlias

import yaml
from yaml import events

from engine.diagnostics import Diagnostic
from engine.spec import scalars
from engine.spec.marks import ListMarks, MapMarks, Marks, Text
from engine.spec.offsets import trace
from engine.spec.scalars import LONGEST_WORD, NUMBER_INITIALS, Ambiguous, quoted
from engine.spec.syntax import Complaint, explain, unquoted_template

PARSER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
"""libyaml where PyYAML was built with it (about ten times as fast), else the parser in Python."""
MAX_DEPTH = 64
MAX_EVENTS = 100_000
MAX_FINDINGS = 100

_FORBIDDEN = re.compile(
    "(["
    "\\x00-\\x08\\x0b\\x0c\\x0e-\\x1f\\x7f-\\x9f"  # controls, among them the line break NEL
    "\\xad\\u200b\\u2060-\\u2064\\ufeff"  # invisible, among them the byte order mark
    "\\u061c\\u200e\\u200f\\u202a-\\u202e\\u2066-\\u2069"  # change the direction of what follows
    "\\u2028\\u2029"  # line breaks to YAML, not to editors
    "\\ud800-\\udfff\\ufff9-\\ufffb\\ufffe\\uffff\\U000e0000-\\U000e007f"  # no characters of any text
    "])\\1*|\\r(?!\\n)"
)
_SURROGATE = re.compile("[\\ud800-\\udfff]")
_LONGEST_SHOWN = 60


class Stopped(Exception):
    """Reading can't go on; the findings say why."""


class _OpenList:
    """A list whose end has not come yet."""

    __slots__ = ("marks", "value")

    def __init__(self, start: int) -> None:
        self.value: list[Any] = []
        self.marks = ListMarks(start)

    def put(self, value: Any, marks: Marks) -> None:
        self.value.append(value)
        self.marks.values.append(marks)


class _OpenMap:
    """A mapping whose end has not come yet; keys and values take turns."""

    __slots__ = ("awaits_key", "instead", "is_kept", "key", "key_event", "marks", "value")

    def __init__(self, start: int) -> None:
        self.value: dict[str, Any] = {}
        self.marks = MapMarks(start)
        self.awaits_key = True
        self.key = ""
        self.key_event: Any = None
        self.is_kept = True  # False: the key was given before, and its first value stays
        self.instead: str | None = None  # an unquoted template: its text is the value then

    def put(self, value: Any, marks: Marks) -> None:
        if self.is_kept:
            self.value[self.key] = value
            self.marks.values[self.key] = marks
        self.awaits_key = True


_Open: TypeAlias = _OpenList | _OpenMap


class Reader:
    """Reads one text, once; afterwards `findings` holds what was found."""

    def __init__(self, source: Text) -> None:
        self.findings: list[Diagnostic] = []
        self._source = source
        self._text = source.text
        self._is_usual = "\xa0" not in source.text  # which unquoted text may not hold
        self._root = _OpenList(0)
        self._top: _Open = self._root
        self._stack: list[_Open] = [self._root]
        self._muted = 0  # depth of a value whose inside is not worth findings; 0: there is none
        self._spoilt_line = 0  # where the last unquoted template ends

    def read(self, parser: Any) -> tuple[Any, Marks]:
        """The value of the only document and where everything in it stands. Raises `Stopped` when it can't be read."""
        self._check_characters()
        last: Any = None
        try:
            stream: Iterable[Any] = iter(parser(self._text).get_event, None)
            for count, event in enumerate(stream):
                last = event
                if count > MAX_EVENTS:
                    self._stop("YAML005", f"the file holds more than {MAX_EVENTS:,} keys and values", _end(event))
                handle = _HANDLERS.get(type(event))
                if handle:
                    handle(self, event, event.start_mark.index)
        except yaml.YAMLError as error:
            self._complain(explain(error, self._text))
        except (ValueError, OverflowError):  # the parser in Python makes a character of "\UFFFFFFFF" without looking
            end = _end(last) if last else 0
            self._complain(Complaint("YAML006", "an escape or directive that YAML can't hold", end))
        if not self._root.value:
            self._stop("YAML008", "the file holds no document", 0)
        return self._root.value[0], self._root.marks.values[0]

    # --- findings ---

    def _report(self, code: str, message: str, start: int, end: int, hint: str = "") -> None:
        """Adds a finding about the text from `start` to `end`, as far as its first line goes."""
        if self._muted:
            return
        if len(self.findings) == MAX_FINDINGS:
            self.findings.append(
                Diagnostic("YAML005", f"more than {MAX_FINDINGS} findings: reading stopped", self._source.at(start))
            )
            raise Stopped
        length = len(self._first_line(start, end))
        self.findings.append(Diagnostic(code, message, self._source.at(start), max(1, length), hint))

    def _stop(self, code: str, message: str, start: int, hint: str = "") -> NoReturn:
        self._report(code, message, start, start + 1, hint)
        raise Stopped

    def _complain(self, complaint: Complaint) -> NoReturn:
        """A syntax error ends the reading; what follows an unquoted template in its line is no second finding."""
        if self._source.at(complaint.start).line == self._spoilt_line:
            raise Stopped
        opened = self._top.marks.start
        if len(self._stack) > 1 and self._text[opened] in "[{" and complaint.start >= len(self._text.rstrip()):
            self._stop("YAML006", f"the {self._text[opened]} that opens here is never closed", opened, "close it")
        self._stop(complaint.code, complaint.message, complaint.start, complaint.hint)

    def _check_characters(self) -> None:
        if self._text.replace("\n", "").isprintable():
            return  # no forbidden character is printable
        for match in _FORBIDDEN.finditer(self._text):
            char, (start, end) = match.group()[0], match.span()
            if char == "\r":
                self._report("YAML002", "a carriage return alone is no line break", start, end, "end lines with \\n")
            else:
                name = unicodedata.name(char, "")
                shown = f"U+{ord(char):04X} ({name})" if name else f"U+{ord(char):04X}"
                escape = "" if _SURROGATE.match(char) else f", or write {_escape(char)} in double quotes"
                self._report("YAML002", f"the character {shown} is not allowed", start, end, f"remove it{escape}")
        if self.findings:
            raise Stopped

    # --- events ---

    def _document(self, event: events.DocumentStartEvent, start: int) -> None:
        if self._root.value:
            self._stop("YAML009", "a second document begins here", start, "one file holds one document: remove the ---")
        if event.version or event.tags:
            self._report("YAML010", "directives are not part of the language", start, _end(event), "remove the line")

    def _scalar(self, event: events.ScalarEvent, start: int) -> None:
        value, top = intern(event.value), self._top  # the same words stand in a file a thousand times
        if event.tag is not None or event.anchor is not None:
            refused = self._refuse(event, start)
            value = value or refused
        style = event.style
        is_text = not style and len(value) > LONGEST_WORD and value[0] not in NUMBER_INITIALS and self._is_usual
        if isinstance(top, _OpenMap) and top.awaits_key:
            if not is_text:
                value = self._key(value, event, start)
            self._take(top, value, start, event)
        elif is_text:
            top.put(value, start)
        elif style:
            top.put(self._quoted(value, event, start), start)
        elif value:
            top.put(self._plain(value, event, start), start)
        else:
            if isinstance(top, _OpenMap):
                self._check_colon(top, start)
            top.put(None, start)

    def _plain(self, value: str, event: events.ScalarEvent, start: int) -> Any:
        if not self._is_usual:
            self._check_hard_space(start, value)
        resolved = scalars.resolve(value)
        if not isinstance(resolved, Ambiguous):
            return resolved
        self._report(resolved.code, resolved.message, start, _end(event), resolved.hint)
        return value

    def _quoted(self, value: str, event: events.ScalarEvent, start: int) -> str:
        if event.style != '"' or len(value) + 2 == _end(event) - start or not _SURROGATE.search(value):
            return value
        self._report(
            "YAML006", "an escape stands for half a character", start, _end(event), "write the character itself"
        )
        return ""

    def _key(self, key: str, event: events.ScalarEvent, start: int) -> str:
        if event.style:
            return self._quoted(key, event, start)
        if key == "<<":
            self._report("YAML013", "merge keys are not part of the language", start, _end(event), "write the keys out")
        elif not key:
            self._report("YAML015", "a key is missing before the colon", start, _end(event))
        elif not isinstance(scalars.resolve(key), str):
            self._report(
                "YAML015", f"the key {_shown(key)} is not text", start, _end(event), f"quote it: {quoted(key)}"
            )
        elif not self._is_usual:
            self._check_hard_space(start, key)
        return key

    def _take(self, top: _OpenMap, key: str, start: int, event: events.Event) -> None:
        """`event`: with which the key ends."""
        first = top.marks.keys.setdefault(key, start)
        top.key, top.key_event, top.awaits_key = key, event, False
        top.is_kept = first == start
        if not top.is_kept:
            at = self._source.at(first)
            message = f"the key {_shown(key)} is given twice: first in line {at.line}, column {at.column}"
            self._report("YAML014", message, start, _end(event), "remove one of the two")

    def _open(self, event: events.CollectionStartEvent, start: int) -> None:
        top = self._top
        if event.tag is not None or event.anchor is not None:
            self._refuse(event, start)
        if len(self._stack) > MAX_DEPTH:
            self._stop("YAML004", f"lists and mappings are nested more than {MAX_DEPTH} deep", start)
        opened: _Open = _OpenMap(start) if isinstance(event, events.MappingStartEvent) else _OpenList(start)
        self._stack.append(opened)
        self._top = opened
        if isinstance(opened, _OpenMap) and event.flow_style and self._text.startswith("{{", start):
            self._template(opened, start)
        elif isinstance(top, _OpenMap) and top.awaits_key:
            self._report("YAML015", "a key can't be a list or mapping", start, start + 1, "quote it if it is text")
            self._mute()

    def _template(self, opened: _OpenMap, start: int) -> None:
        complaint = unquoted_template(self._text, start)
        end = start + complaint.length
        self._report(complaint.code, complaint.message, start, end, complaint.hint)
        opened.instead = self._text[start:end]
        self._mute()

    def _close(self, event: events.CollectionEndEvent, _start: int) -> None:
        closed = self._stack.pop()
        top = self._top = self._stack[-1]
        if self._muted > len(self._stack):
            self._muted = 0
        start = closed.marks.start
        if isinstance(top, _OpenMap) and top.awaits_key:
            self._take(top, self._text[start : _end(event)], start, event)
        elif isinstance(closed, _OpenMap) and closed.instead is not None:
            self._spoilt_line = self._source.at(_end(event)).line
            top.put(closed.instead, start)
        else:
            top.put(closed.value, closed.marks)

    def _alias(self, event: events.AliasEvent, start: int) -> None:
        end = _end(event)
        raw = self._first_line(start, end)
        hint = f"write the value out, or quote it if it is text: {quoted(raw)}"
        self._report("YAML011", "aliases are not part of the language", start, end, hint)
        if isinstance(self._top, _OpenMap) and self._top.awaits_key:
            self._take(self._top, raw, start, event)
        else:
            self._top.put(None, start)

    # --- what they share ---

    def _refuse(self, event: events.ScalarEvent | events.CollectionStartEvent, start: int) -> str:
        """Reports the anchor or tag of a value; the text that the author may have meant."""
        raw = self._first_line(start, _end(event))
        code, what = ("YAML011", "anchors") if event.tag is None else ("YAML012", "tags")
        is_text = isinstance(event, events.ScalarEvent) and len(raw) <= _LONGEST_SHOWN
        end = start + len(raw if is_text else raw.rstrip("[{ "))
        hint = f"remove it, or quote it if it is text: {quoted(raw)}" if is_text else "remove it"
        self._report(code, f"{what} are not part of the language", start, end, hint)
        return raw

    def _check_colon(self, top: _OpenMap, start: int) -> None:
        """`{a, b: 1}` and `? a` give a key without a value: usually a comma inside unquoted text."""
        end = _end(top.key_event)
        if ":" not in self._text[end:start]:
            hint = "give it a value, or quote the text before it if the comma belongs to that"
            at = top.marks.keys[top.key] if top.is_kept else start
            self._report("YAML016", f"the key {_shown(top.key)} has no colon", at, end, hint)

    def _check_hard_space(self, start: int, value: str) -> None:
        if "\xa0" in value:
            at = trace(self._text, start, value)[value.index("\xa0")]
            message = "the character U+00A0 (NO-BREAK SPACE) is not allowed in unquoted text"
            self._report("YAML002", message, at, at + 1, "write a plain space, or quote the text")

    def _mute(self) -> None:
        """Nothing inside the value that was just opened is reported."""
        self._muted = self._muted or len(self._stack)

    def _first_line(self, start: int, end: int) -> str:
        return self._text[start:end].split("\n", 1)[0].rstrip()


_HANDLERS: dict[type[events.Event], Callable[[Reader, Any, int], None]] = {
    events.DocumentStartEvent: Reader._document,
    events.ScalarEvent: Reader._scalar,
    events.MappingStartEvent: Reader._open,
    events.SequenceStartEvent: Reader._open,
    events.MappingEndEvent: Reader._close,
    events.SequenceEndEvent: Reader._close,
    events.AliasEvent: Reader._alias,
}


def _end(event: events.Event) -> int:
    """The index in the text where an event ends; few are asked."""
    assert event.end_mark is not None  # every parser of PyYAML sets it
    return event.end_mark.index


def _shown(key: str) -> str:
    return quoted(key if len(key) <= _LONGEST_SHOWN else key[:_LONGEST_SHOWN] + "…")


def _escape(char: str) -> str:
    code = ord(char)
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
