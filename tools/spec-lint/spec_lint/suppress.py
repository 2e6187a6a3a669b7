"""Suppressions: an author says in the file why a rule does not hold there.

    - actionId: shipping_order_create_v2      # lint: allow TOOL001 - the vendor's own name, known to its users
    # lint: allow TOOL002, TOOL007 - on a line of its own it speaks for the line below
    - actionId: shipping_order_create_v2

A finding inside a text of several lines is suppressed at the text's first line. Only rules are suppressed: what
compiling says is never a matter of taste.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field

import yaml

from engine.diagnostics import Diagnostic, unknown
from engine.spec.marks import Text
from engine.spec.reader import PARSER
from spec_lint.rule import Fix, Found
from spec_lint.table import TABLE

_COMMENT = re.compile(r"(?:^|(?<=[ \t]))#[ \t]*lint:[ \t]*(.*?)[ \t\r]*$", re.MULTILINE)
_ALLOW = re.compile(r"allow[ \t]+([\w ,]*\w)(?:[ \t]+-[ \t]+(\S.*))?")
_WORD = re.compile(r"\w+")
_QUIET = re.compile(r"[ \t]*(?:#.*)?\r?")
_FORM = "# lint: allow CODE - the reason"


@dataclass(slots=True)
class _Suppression:
    """One comment; `codes` with the index where each stands, `line` is the one that it speaks for."""

    start: int
    end: int
    line: int
    codes: dict[str, int]
    has_reason: bool
    used: set[str] = field(default_factory=set)


def suppress(file: str, text: str, found: Collection[Found], ran: Collection[str]) -> list[Found]:
    """The findings about one file without the suppressed ones, and with those about the suppressions themselves.

    `ran` are the codes of the rules that looked at it: only of these it is known that they found nothing.
    """
    if "lint:" not in text:
        return list(found)
    lines = Text(file, text)
    spans = _scalars(text)
    about: list[Found] = []
    suppressions = []
    for comment in _comments(text, spans):
        allowed = _ALLOW.fullmatch(comment[1])
        if allowed is None:
            message, start = "this comment for the linter can't be read", comment.start()
            found_here = Diagnostic("LINT005", message, lines.at(start), comment.end() - start, f"write {_FORM}")
            about.append(Found(found_here))
        else:
            suppressions.append(_suppression(lines, comment, allowed))
    first_lines = _first_lines(lines, spans)
    kept = [one for one in found if not _is_suppressed(one, suppressions, first_lines)]
    for suppression in suppressions:
        about += _about(suppression, lines, ran)
    return [*kept, *about]


def _comments(text: str, spans: list[tuple[int, int]]) -> Iterator[re.Match[str]]:
    """Comments for the linter; a `#` inside a text begins none, except behind the `|` of a block."""
    starts = [start for start, _ in spans]
    for comment in _COMMENT.finditer(text):
        at = bisect_right(starts, comment.start()) - 1
        start, end = spans[at] if at >= 0 else (0, 0)
        is_header = text[start] in "|>" and "\n" not in text[start : comment.start()]
        if comment.start() >= end or is_header:
            yield comment


def _scalars(text: str) -> list[tuple[int, int]]:
    """Where every scalar begins and ends; as far as the text can be read."""
    spans: list[tuple[int, int]] = []
    try:
        tokens = (token for token in yaml.scan(text, Loader=PARSER) if isinstance(token, yaml.ScalarToken))
        spans.extend((token.start_mark.index, token.end_mark.index) for token in tokens)
    except yaml.YAMLError:
        pass  # it was reported when the text was read
    return spans


def _first_lines(lines: Text, spans: list[tuple[int, int]]) -> dict[int, int]:
    """For each further line of a text of several lines, the line where that begins."""
    made = {}
    for start, end in spans:
        if "\n" in lines.text[start:end]:
            first = lines.at(start).line
            made.update(dict.fromkeys(range(first + 1, lines.at(end).line + 1), first))
    return made


def _suppression(lines: Text, comment: re.Match[str], allowed: re.Match[str]) -> _Suppression:
    text, start = lines.text, comment.start()
    line = lines.at(start).line
    rows = text.split("\n")
    if not rows[line - 1][: lines.at(start).column - 1].strip():
        line += 1
        while line <= len(rows) and _QUIET.fullmatch(rows[line - 1]):
            line += 1
    codes = {word[0]: comment.start(1) + allowed.start(1) + word.start() for word in _WORD.finditer(allowed[1])}
    return _Suppression(start, comment.end(), line, codes, bool(allowed[2]))


def _is_suppressed(found: Found, suppressions: list[_Suppression], first_lines: dict[int, int]) -> bool:
    code, line = found.diagnostic.code, found.diagnostic.position.line
    if not TABLE[code].is_rule:
        return False
    hits = [s for s in suppressions if code in s.codes and s.line in (line, first_lines.get(line))]
    for suppression in hits:
        suppression.used.add(code)
    return bool(hits)


def _about(suppression: _Suppression, lines: Text, ran: Collection[str]) -> Iterator[Found]:
    """What is wrong with one suppression."""
    if not suppression.has_reason:
        message, length = "this suppression does not say why", suppression.end - suppression.start
        yield Found(Diagnostic("LINT001", message, lines.at(suppression.start), length, f"write {_FORM}"))
    for code, index in suppression.codes.items():
        at = lines.at(index)
        if code not in TABLE:
            message, hint = unknown("code", code, (code for code, entry in TABLE.items() if entry.is_rule))
            yield Found(Diagnostic("LINT002", message, at, len(code), hint))
        elif not TABLE[code].is_rule:
            message = f"{code} can't be suppressed: it is no matter of taste"
            yield Found(Diagnostic("LINT004", message, at, len(code), "mend what it is about"))
        elif code in ran and code not in suppression.used:
            message = f"there is no {code} here to suppress"
            fix = _removal(suppression, lines) if len(suppression.codes) == 1 else None
            yield Found(Diagnostic("LINT003", message, at, len(code), "remove it", "warning"), fix)


def _removal(suppression: _Suppression, lines: Text) -> Fix:
    """The comment goes, with the blanks before it; a line that is nothing else goes as a whole."""
    text = lines.text
    start = len(text[: suppression.start].rstrip(" \t"))
    end = suppression.end
    if text[:start].endswith("\n") or not start:
        end = text.find("\n", end) + 1 or len(text)
    return Fix(lines.at(start), end - start, "")
