"""Findings in a spec: what is wrong, exactly where, and what to write instead.

Everything that reads what authors write (YAML, structure, names, templates, queries) answers with `Diagnostic`s;
`render` shows them with the source line and a caret under the exact characters:

    specs/acme/spec.yaml:12:14: error NAME001: unknown filter "bas64"
       12 |     text: "{{ x | bas64 }}"
          |                   ^^^^^
          = hint: did you mean "base64"? known: base64, hex
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping
from typing import Literal

from engine.frozen import frozen

CODES: Mapping[str, str] = {
    # YAML — reading the text (engine/spec/source.py)
    "YAML001": "The file is not UTF-8 text.",
    "YAML002": "The file holds a control character, an invisible character, a byte order mark or an odd line break.",
    "YAML003": "The file is too large.",
    "YAML004": "Lists and mappings are nested too deeply.",
    "YAML005": "The file holds too many values, or too many findings to go on.",
    "YAML006": "The text is not YAML.",
    "YAML007": "A tab is used as indentation.",
    "YAML008": "The file holds no document.",
    "YAML009": "The file holds more than one document.",
    "YAML010": "YAML directives (%YAML, %TAG) are not part of the language.",
    "YAML011": "Anchors and aliases are not part of the language.",
    "YAML012": "Tags are not part of the language.",
    "YAML013": "Merge keys (<<) are not part of the language.",
    "YAML014": "A key is given twice in one mapping.",
    "YAML015": "A key is not text.",
    "YAML016": "A key has no colon.",
    "YAML017": "A template is not quoted, so YAML reads it as a mapping.",
    "YAML018": "An unquoted word means true or false to some YAML readers and text to others.",
    "YAML019": "An unquoted word means null to some YAML readers and text to others.",
    "YAML020": "An unquoted date or time means a timestamp to some YAML readers and text to others.",
    "YAML021": "Unquoted digits with colons mean a base-60 number to some YAML readers and text to others.",
    "YAML022": "An unquoted number is not written in the one plain way, so its digits could be lost.",
    # SPEC — structure (the JSON Schema of the language)
    "SPEC001": "A key is not part of the language at its place.",
    "SPEC002": "A key that must be there is missing.",
    "SPEC003": "A value has the wrong type.",
    "SPEC004": "A value is not one of those that are allowed.",
    "SPEC005": "A text is not written in the form that its place asks for.",
    "SPEC006": "A key can't stand here, or not beside another key.",
    "SPEC007": "A number, text, list or object is too small, too large or holds an entry twice.",
    "SPEC008": "A name of the author's own is not spelt as such names are.",
    # SPEC06x to 09x — a spec whose keys are right and whose parts do not fit together (engine/spec/build*.py, load.py)
    "SPEC061": "A path begins with two slashes, so it would name another host.",
    "SPEC062": "A path holds a query or a fragment.",
    "SPEC063": "References bring too many values into the spec.",
    "SPEC064": "References nest lists and mappings too deeply.",
    "SPEC065": "A server's host is made by a template, and `hosts` does not say where credentials may go.",
    "SPEC066": "A server's host is not among `hosts`, so nothing could be sent to it.",
    "SPEC067": "The authType is not that of the first auth method.",
    "SPEC068": "A write is named where only a read may look.",
    "SPEC069": "A signature does not say how it is made or where it goes.",
    "SPEC071": "An auth method is never chosen, because the one before it always holds.",
    "SPEC072": "A login does not say where its token stands.",
    "SPEC073": "An action of category read has a step that writes.",
    "SPEC074": "An action overrides a list of sign blocks.",
    "SPEC075": "A write does not say how it may be repeated.",
    "SPEC076": "An idempotency key is promised, and the request does not send it.",
    "SPEC077": "A name stands twice in one list.",
    "SPEC078": "Two specs have the same integrationId.",
    "SPEC079": "The folder of a spec does not have its integrationId as name.",
    "SPEC080": "A capture writes a field that is the tenant's to give.",
    "SPEC081": "A part of an auth method says nothing, because what it belongs to is not there.",
    "SPEC082": "An auth method lacks a part that its consent, refresh or token needs.",
    "SPEC083": "The standard form of a token request reads a field that `app` does not declare.",
    "SPEC084": "An action needs a scope that no auth method asks for.",
    "SPEC085": "A proof or an event of a webhook is never reached, because the one before it always holds.",
    "SPEC086": "A proof of a webhook holds no secret, so anybody could pass it.",
    "SPEC087": "An event says `ignore` and also what it becomes.",
    "SPEC088": "A signature is to be made of what was parsed, which has no text of its own.",
    "SPEC089": "A request takes a secret of the operator's app to a host that the tenant types.",
    "SPEC090": "A schema is not a usable JSON Schema.",
    "SPEC091": "A pattern can't run in linear time (RE2) or can't be read.",
    "SPEC092": "A reference brings something else where an object must stand.",
    "SPEC093": "A default does not fit its own schema.",
    "SPEC095": "The logo is too large.",
    "SPEC096": "The file can't be read from disk.",
    "SPEC097": "A spec is in a file of another name than spec.yaml.",
    "SPEC099": "The language has this key, and this version does not execute it yet.",
    "SPEC101": "Pagination holds a key that its kind has no use for.",
    "SPEC102": "Nothing in the request says where a page is asked for, or how long it is.",
    "SPEC103": "The default of a limit is not between its smallest and its largest.",
    "SPEC104": "A field has the name of one that pagination adds.",
    "SPEC105": "An action that is no list to be read page by page has pagination.",
    "SPEC106": "A value of pagination goes where the request has no place for it, or another value.",
    "SPEC120": "Messages come to each connection's own address, and yet a route is given.",
    "SPEC121": "Messages are routed by a field that anybody can type, and no sign-in shows whose account it is.",
    "SPEC122": "A renewal of a subscription captures what the first request does not.",
    # NAME — unknown names
    "NAME001": "A name does not exist at this place.",
    "NAME002": "A field is not declared where it is read.",
    "NAME003": "No such function (filter) exists.",
    "NAME004": "No such table is declared, or a table is not given by its name.",
    "NAME005": "No such escape table is declared.",
    "NAME006": "A $ref leads nowhere, or round in a circle.",
    "NAME007": "No such server is declared.",
    "NAME009": "No such action is declared.",
    "NAME010": "No such field is declared in configSchema.",
    "NAME011": "No plugin makes such a signature.",
    "NAME012": "No plugin refreshes tokens by this name.",
    # EXPR — templates, queries and trees (engine/compiled)
    "EXPR001": "The text between {{ and }} is not an expression.",
    "EXPR002": "Statements ({%) and comments ({#) are not part of the language.",
    "EXPR003": "Something is called or tested that is neither a filter nor a known test.",
    "EXPR004": "The language does not have this operator or construct.",
    "EXPR005": "A function is given the wrong arguments.",
    "EXPR006": "A pattern can't run in linear time (RE2) or can't be read.",
    "EXPR007": "An expression is nested too deeply.",
    "EXPR008": "A number has more digits than can be kept.",
    "EXPR011": "The text is not a query (JMESPath).",
    "EXPR012": "The sign @ stands at the root of a query, where only names have a meaning.",
    "EXPR013": "An &expression stands where no function takes one.",
    "EXPR020": "A literal stands in an output without $const.",
    "EXPR022": "A key looks like a mistyped directive.",
    "EXPR023": "A directive can't stand here, or not beside this key.",
    "EXPR024": "A directive lacks the key that it needs.",
    "EXPR025": "A branch of $cases is never reached.",
    "EXPR030": "A part of a path may be absent.",
    # CASE — cases (engine/cases)
    "CASE001": "Two cases of one integration have the same name.",
    "CASE002": "A later call of a case gives something of the connection, which all its calls share.",
}
"""Every code and what it means. A code is never reused for another meaning."""


@frozen
class Position:
    """A place in a file; line and column count from 1, the column in characters (not bytes)."""

    file: str
    line: int
    column: int

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}"


@frozen
class Diagnostic:
    """One finding; `length` is how many characters of the line it is about."""

    code: str
    message: str
    position: Position
    length: int = 1
    hint: str = ""
    severity: Literal["error", "warning"] = "error"

    def __str__(self) -> str:
        hint = f" ({self.hint})" if self.hint else ""
        return f"{self.position}: {self.code} {self.message}{hint}"


# --- names that are nearly right ---------------------------------------------------------------------------------

_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[0-9]+|[^\W_]")
_LONGEST_NAME = 100
_SHOWN_NAMES = 12


def nearest(name: str, known: Iterable[str]) -> str | None:
    """The known name that `name` was probably meant to be, or None when nothing is near.

    Case, camelCase against snake_case and the order of words count for nothing; swapped neighbours count as one
    mistake; longer names may hold more mistakes; an abbreviation of four or more letters finds its long form.
    """
    if not 0 < len(name) <= _LONGEST_NAME:
        return None
    words = _words(name)
    best: tuple[tuple[int, int, int, str], str] | None = None
    for candidate in known:
        if candidate == name or len(candidate) > _LONGEST_NAME:
            continue
        distance = _name_distance(words, _words(candidate))
        if distance is None:
            continue
        rank = (distance, _edits(name, candidate), int(name[0] != candidate[:1]), candidate)
        if best is None or rank < best[0]:
            best = (rank, candidate)
    return best[1] if best else None


def unknown(kind: str, name: str, known: Iterable[str]) -> tuple[str, str]:
    """Message and hint for a name that is not declared: `unknown('filter', 'bas64', …)`."""
    names = sorted(set(known))
    message = f"unknown {kind} {_quote(name)}"
    if not names:
        return message, "none is declared"
    near = nearest(name, names)
    listed = ", ".join(names[:_SHOWN_NAMES])
    if len(names) > _SHOWN_NAMES:
        listed += f", … ({len(names)} in all)"
    return message, f'did you mean "{near}"? known: {listed}' if near else f"known: {listed}"


def _quote(name: str) -> str:
    """The name in quotes, on one line and of bounded length."""
    shown = name if len(name) <= _LONGEST_NAME else name[:_LONGEST_NAME] + "…"
    return '"' + _printable(shown) + '"'


def _words(name: str) -> list[str]:
    return [word.lower() for word in _WORD.findall(name)] or [name.lower()]


def _name_distance(name: list[str], candidate: list[str]) -> int | None:
    """How far two names are apart as words; None when they are too far."""
    if name == candidate:
        return 0
    typed, meant = "".join(name), "".join(candidate)
    if typed == meant:
        return 0
    if sorted(name) == sorted(candidate):
        return 1
    allowed = _allowed_edits(max(len(typed), len(meant)))
    if abs(len(typed) - len(meant)) <= allowed:
        distance = _edits(typed, meant)
        if distance <= allowed:
            return distance
    if len(typed) >= 4 and meant.startswith(typed):
        return allowed + 1
    return None


def _allowed_edits(length: int) -> int:
    if length <= 2:
        return 0
    return 1 if length <= 5 else 2 if length <= 9 else 3


def _edits(a: str, b: str) -> int:
    """Insertions, deletions, replacements and swaps of neighbours that turn `a` into `b`."""
    before: list[int] = []
    above = list(range(len(b) + 1))
    for i, left in enumerate(a, 1):
        row = [i]
        for j, right in enumerate(b, 1):
            cost = min(above[j] + 1, row[j - 1] + 1, above[j - 1] + (left != right))
            if i > 1 and j > 1 and left == b[j - 2] and a[i - 2] == right:
                cost = min(cost, before[j - 2] + 1)
            row.append(cost)
        before, above = above, row
    return above[-1]


# --- showing them ------------------------------------------------------------------------------------------------

_TAB = 4
_CONTEXT = 60  # characters shown on each side of a finding in a very long line
_LONG_LINE = 2 * _CONTEXT + 40
_COLOURS = {"error": "\x1b[1;31m", "warning": "\x1b[1;33m", "bold": "\x1b[1m", "dim": "\x1b[2m", "off": "\x1b[0m"}
_NO_COLOURS = dict.fromkeys(_COLOURS, "")


def render(diagnostics: Iterable[Diagnostic], texts: Mapping[str, str], *, colour: bool = False) -> str:
    """All findings as text for a terminal, in the order given; `texts` holds the source text of each file by name.

    A finding in a file without text is shown without its source line. Nothing that a file holds reaches the terminal
    as a control sequence.
    """
    paint = _COLOURS if colour else _NO_COLOURS
    lines: dict[str, list[str]] = {}
    shown = []
    for diagnostic in diagnostics:
        file = diagnostic.position.file
        if file not in lines:
            lines[file] = texts[file].split("\n") if file in texts else []
        shown.append(_render(diagnostic, lines[file], paint))
    return "\n".join(shown)


def _render(diagnostic: Diagnostic, lines: list[str], paint: Mapping[str, str]) -> str:
    at, severity = diagnostic.position, paint[diagnostic.severity]
    message = _printable(diagnostic.message)
    place = f"{paint['bold']}{_printable(str(at))}:{paint['off']}"
    parts = [f"{place} {severity}{diagnostic.severity} {diagnostic.code}{paint['off']}: {message}"]
    gutter = " " * max(5, len(str(at.line)))
    if 0 < at.line <= len(lines):
        line, blank, carets = _snippet(lines[at.line - 1].removesuffix("\r"), at.column - 1, diagnostic.length)
        parts.append(f"{paint['dim']}{at.line:>{len(gutter)}} |{paint['off']} {line}".rstrip())
        parts.append(f"{paint['dim']}{gutter} |{paint['off']} {blank}{severity}{carets}{paint['off']}")
    if diagnostic.hint:
        parts.append(f"{paint['dim']}{gutter} ={paint['off']} hint: {_printable(diagnostic.hint)}")
    return "\n".join(parts) + "\n"


def _snippet(line: str, column: int, length: int) -> tuple[str, str, str]:
    """The line as shown, the blank before the carets and the carets; all measured in terminal cells."""
    start = min(max(column, 0), len(line))
    end = max(start, min(start + max(length, 1), len(line)))
    lead = trail = ""
    if len(line) > _LONG_LINE:
        first = max(0, start - _CONTEXT)
        last = min(len(line), start + _CONTEXT)
        lead, trail = "…" if first else "", "…" if last < len(line) else ""
        line, start, end = line[first:last], start - first, min(end, last) - first
    before = _cells(line[:start], len(lead))
    under = _cells(line[start:end], len(lead) + _width(before))
    after = _cells(line[end:], len(lead) + _width(before) + _width(under))
    blank = " " * (len(lead) + _width(before))
    return lead + before + under + after + trail, blank, "^" * max(1, _width(under))


def _cells(text: str, column: int) -> str:
    """The text with tabs as spaces up to the next stop; `column` is where it begins."""
    cells: list[str] = []
    for char in text:
        cell = " " * (_TAB - column % _TAB) if char == "\t" else _printable(char)
        cells.append(cell)
        column += _width(cell)
    return "".join(cells)


def _printable(text: str) -> str:
    return text if text.isprintable() else "".join(c if _is_printable(c) else "\N{REPLACEMENT CHARACTER}" for c in text)


def _is_printable(char: str) -> bool:
    """Joiners are needed by scripts and emoji, other spaces are harmless; the rest could command the terminal."""
    return char.isprintable() or char in "\u200c\u200d" or unicodedata.category(char) == "Zs"


def _width(text: str) -> int:
    """Terminal cells: two for wide characters, none for combining ones."""
    return len(text) if text.isascii() else sum(map(_char_width, text))


def _char_width(char: str) -> int:
    if unicodedata.category(char) in ("Mn", "Me", "Cf"):
        return 0
    return 2 if unicodedata.east_asian_width(char) in "WF" else 1
