"""What a YAML parser's complaint means to an author: one table for libyaml's wording and PyYAML's own."""

from __future__ import annotations

import re
from typing import NamedTuple

import yaml

from engine.spec.scalars import quoted


class Complaint(NamedTuple):
    """A syntax error; `start` is its index in the text."""

    code: str
    message: str
    start: int
    hint: str = ""
    length: int = 1


_ESCAPE = "an unknown escape in double quotes"
_ESCAPE_HINT = "write the text in single quotes, or \\\\ for a backslash"
_UNCLOSED = "the quote that opens here is never closed"
_UNCLOSED_HINT = "close it; inside single quotes a quote is written twice"
_MISFIT = "the line does not fit what stands above it"
_MISFIT_HINT = "check the indentation, or quote the whole text and not a part of it"
_COMMA_HINT = "quote text that holds commas, brackets or braces"

_KNOWN: tuple[tuple[str, str, str], ...] = (
    (
        "mapping values are not allowed",
        "a colon can't stand here",
        "quote text that holds ': ', or check the indentation",
    ),
    ("could not find expected ':'", "a key without a colon", "write key: value in one line, or check the indentation"),
    ("Unicode character escape", "an escape in double quotes stands for no character", "write the character itself"),
    ("escape", _ESCAPE, _ESCAPE_HINT),
    ("hexdecimal", _ESCAPE, _ESCAPE_HINT),
    ("end of stream", _UNCLOSED, _UNCLOSED_HINT),
    ("document separator", _UNCLOSED, _UNCLOSED_HINT),
    ("document indicator", _UNCLOSED, _UNCLOSED_HINT),
    ("',' or '}'", "a comma or } is missing", _COMMA_HINT),
    ("',' or ']'", "a comma or ] is missing", _COMMA_HINT),
    ("document start", "text after the end of the document", "one file holds one document"),
    ("'-' indicator", _MISFIT, _MISFIT_HINT),
    ("expected key", _MISFIT, _MISFIT_HINT),
    ("block end", _MISFIT, _MISFIT_HINT),
    ("node content", "a value is missing", "write the value, or remove the comma"),
    ("block sequence entries", "a list element can't stand here", "check the indentation"),
    ("mapping keys are not allowed", "a key can't stand here", "check the indentation"),
)
_TEMPLATE = re.compile(r"\{\{[^{}\n]*\}\}(?:[^\s,\]{}]*\{\{[^{}\n]*\}\})*[^\s,\]{}]*(?<!:)")
_BEFORE_VALUE = (": ", "- ", "[", ", ")
_WORD = re.compile(r"[^\s,\]}]*")
_TAB = re.compile(r" *\t")


def explain(error: yaml.YAMLError, text: str) -> Complaint:
    """The error in an author's words, where it is, and what to write instead."""
    problem, during = str(getattr(error, "problem", None) or error), str(getattr(error, "context", None) or "")
    index = _index(getattr(error, "problem_mark", None), text)
    begun = _index(getattr(error, "context_mark", None), text)
    line_start = text.rfind("\n", 0, index) + 1
    if tab := _TAB.match(text, line_start):
        return Complaint("YAML007", "a tab is used as indentation", tab.end() - 1, "use spaces")
    if "directive" in during:
        return Complaint("YAML010", "directives are not part of the language", begun, "remove the line")
    if "alphabetic or numeric" in problem:
        return Complaint("YAML011", "unquoted text can't begin with * or &", begun, _quote_it(text, begun))
    if "start any token" in problem:
        message = f"unquoted text can't begin with {text[index : index + 1]}"
        return Complaint("YAML006", message, index, _quote_it(text, index))
    for template in _TEMPLATE.finditer(text, line_start, index + 1):
        if text[line_start : template.start()].endswith(_BEFORE_VALUE):
            return unquoted_template(text, template.start())
    return _known(problem, text, index, begun)


def unquoted_template(text: str, index: int) -> Complaint:
    """The finding for text that begins with `{{` and has no quotes."""
    match = _TEMPLATE.match(text, index)
    template = match.group() if match else ""
    hint = f"quote it: {quoted(template)}" if template else "quote the text"
    return Complaint("YAML017", "text that begins with {{ must be quoted", index, hint, len(template) or 2)


def _known(problem: str, text: str, index: int, begun: int) -> Complaint:
    message, hint = next(((m, h) for known, m, h in _KNOWN if known in problem), (f"not YAML: {problem}", ""))
    if message == _ESCAPE:
        index = max(text.rfind("\\", begun, index + 1), begun)
    elif message == _UNCLOSED:
        index = begun
    elif hint == _COMMA_HINT:
        message += f" for the {text[begun]} in line {text.count(chr(10), 0, begun) + 1}"
    return Complaint("YAML006", message, index, hint)


def _quote_it(text: str, index: int) -> str:
    match = _WORD.match(text, index)
    word = match.group() if match else ""
    return f"quote it: {quoted(word)}" if 0 < len(word) <= 100 else "quote it"


def _index(mark: yaml.Mark | None, text: str) -> int:
    return 0 if mark is None else min(mark.index, len(text))
