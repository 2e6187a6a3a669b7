"""How findings of the compiler are mended, where one way is surely meant: text in quotes, and `$const` around a
literal. A rule gives the fixes of its own findings itself.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any

from engine.compiled.fault import Path
from engine.diagnostics import Diagnostic, Position
from engine.spec.scalars import Ambiguous, quoted, resolve
from engine.spec.source import Source
from spec_lint.rule import Fix, Found

_OR_WRITE = re.compile(r"write ([\w.-]+)")
_LITERAL = re.compile(r"[\w.-]+")


def fixes(found: Found, text: str, source: Source | None) -> list[Fix]:
    """What may be tried, the likelier first. `source` is what was read from `text`, if it could be."""
    if found.fix is not None:
        return [found.fix]
    make = _FIXES.get(found.diagnostic.code)
    line = found.diagnostic.position.line
    lines = text.split("\n")
    return make(found.diagnostic, lines[line - 1], source) if make and line <= len(lines) else []


def _marked(found: Diagnostic, line: str) -> str:
    return line[found.position.column - 1 :][: found.length]


def _quoting(found: Diagnostic, line: str, _source: Source | None) -> list[Fix]:
    """In quotes it is the text that it was taken for."""
    word = _marked(found, line)
    return [Fix(found.position, found.length, quoted(word))]


def _choosing(found: Diagnostic, line: str, source: Source | None) -> list[Fix]:
    """The text in quotes, or what the word else means: where only one of both may stand, that one."""
    path = path_at(source, found.position) if source else None
    plain = _OR_WRITE.search(found.hint)
    if path is None or plain is None:
        return _quoting(found, line, source)
    value = resolve(plain[1])
    assert not isinstance(value, Ambiguous)
    meant = Fix(found.position, found.length, plain[1], path, value)
    is_null = value is None  # every reader takes `~` and `Null` for null, so nobody means the text
    return [meant] if is_null else [*_quoting(found, line, source), meant]


def _key(found: Diagnostic, line: str, source: Source | None) -> list[Fix]:
    """A number or a word as a key: in quotes it is the text that it was taken for."""
    return _quoting(found, line, source) if _LITERAL.fullmatch(_marked(found, line)) else []


def _template(found: Diagnostic, line: str, source: Source | None) -> list[Fix]:
    """The template in quotes. Where the rest could not be read without them, its value is what it says."""
    return _quoting(found, line, source) if "}}" in _marked(found, line) else []


def _const(found: Diagnostic, line: str, source: Source | None) -> list[Fix]:
    """`5` in an output becomes `{$const: 5}`."""
    word = _marked(found, line)
    path = path_at(source, found.position) if source else None
    value = resolve(word) if _LITERAL.fullmatch(word) else ""
    if path is None or not isinstance(value, bool | int | Decimal | None):
        return []
    return [Fix(found.position, found.length, f"{{$const: {word}}}", path, {"$const": value})]


_FIXES: Mapping[str, Callable[[Diagnostic, str, Source | None], list[Fix]]] = {
    "YAML015": _key,
    "YAML017": _template,
    "YAML018": _choosing,
    "YAML019": _choosing,
    "YAML020": _quoting,
    "YAML021": _quoting,
    "YAML022": _choosing,
    "EXPR020": _const,
}


def path_at(source: Source, position: Position) -> Path | None:
    """The path of the text, number or word that begins at a position."""
    waiting: list[tuple[Path, Any]] = [((), source.value)]
    while waiting:
        path, value = waiting.pop()
        if isinstance(value, dict):
            waiting.extend(((*path, key), inner) for key, inner in value.items())
        elif isinstance(value, list):
            waiting.extend(((*path, i), inner) for i, inner in enumerate(value))
        elif source.position(path) == position:
            return path
    return None
