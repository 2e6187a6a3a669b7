"""Templates: text with `{{ expression }}`, compiled to closures over a scope.

One expression alone keeps its type; text of several parts is spelled (`true`, `10`, `0.5`), and absent as soon as one
part is absent or null. A compiled template is a function `scope -> value | ABSENT`. It raises `EvaluationError` with
names, never values.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from engine.compiled.closures import Evaluate, compile_expression, constant, spelled
from engine.compiled.expressions import Part, is_sure, parse, paths
from engine.compiled.fault import EvaluationError, Fault
from engine.compiled.names import Names
from engine.library.absent import ABSENT
from engine.library.function import LibraryError

Escape = Callable[[str], str]
_Piece = str | tuple[Evaluate, tuple[str, ...]]
"""Literal text, or an expression with the inputs that it reads."""


def is_template(text: str) -> bool:
    return "{{" in text


def split(text: str) -> list[str | Part]:
    """Literal pieces and expressions in order; quotes inside an expression may hold braces. Raises `Fault`."""
    pieces: list[str | Part] = []
    at = 0
    while (start := text.find("{{", at)) >= 0:
        _literal(pieces, text[at:start], at)
        end = _end_of_expression(text, start + 2)
        pieces.append(Part(text[start + 2 : end], start + 2))
        at = end + 2
    _literal(pieces, text[at:], at)
    return pieces


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


def compile_template(text: str, names: Names, escape: Escape | None = None) -> Evaluate:
    """Compile one scalar. `escape` is put around the text of every expression. Raises `Fault`."""
    if not is_template(text):
        return constant(text)
    pieces: list[_Piece] = [p if isinstance(p, str) else compile_expression(p, names) for p in split(text)]
    if escape is not None:
        pieces = [p if isinstance(p, str) else (_escaped(*p, escape), p[1]) for p in pieces]
    if len(pieces) == 1 and not isinstance(pieces[0], str):
        return pieces[0][0]
    return _joined(pieces)


def parts_of(text: str) -> Iterator[Part]:
    """The expressions of a template. Raises `Fault`."""
    return (piece for piece in split(text) if isinstance(piece, Part)) if is_template(text) else iter(())


def paths_of(text: str) -> list[tuple[str, ...]]:
    """The dotted names that a template reads, in order (for what depends on what). Raises `Fault`."""
    return [path for part in parts_of(text) for path in paths(parse(part))]


def surely_present(text: str, names: Names) -> bool:
    """Can no expression of the text be absent, whatever the input? (Paths of URLs must be so.) Raises `Fault`."""
    return all(is_sure(parse(part), names) for part in parts_of(text))


def _escaped(evaluate: Evaluate, inputs: tuple[str, ...], escape: Escape) -> Evaluate:
    def run(scope: Any) -> Any:
        value = evaluate(scope)
        if value is ABSENT or value is None:
            return value
        try:
            return escape(spelled(value))
        except LibraryError as error:
            raise EvaluationError(str(error), inputs) from None
        except EvaluationError as error:
            raise EvaluationError(error.message, inputs) from None

    return run


def _joined(pieces: list[_Piece]) -> Evaluate:
    """Each piece as its literal text and its expression, one of them None."""
    steps = tuple((p, None, ()) if isinstance(p, str) else ("", p[0], p[1]) for p in pieces)

    def run(scope: Any) -> Any:
        out = []
        for literal, evaluate, inputs in steps:
            if evaluate is None:
                out.append(literal)
                continue
            value = evaluate(scope)
            if value is ABSENT or value is None:
                return ABSENT
            if type(value) is not str:
                try:
                    value = spelled(value)
                except LibraryError as error:
                    raise EvaluationError(str(error), inputs) from None
            out.append(value)
        return "".join(out)

    return run
