"""Templates: text with `{{ expression }}`, compiled to closures over a scope.

One expression alone keeps its type; text of several parts is spelled (`true`, `10`, `0.5`), and absent as soon as one
part is absent or null. A compiled template is a function `scope -> value | ABSENT`. It raises `EvaluationError` with
names, never values.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from engine.compiled.fault import EvaluationError, Fault, Path
from engine.compiled.names import Names, is_sure_path
from engine.compiled.parts import Part, is_template, split
from engine.compiled.values import INPUTS, Evaluate, constant, path_reader, spelled
from engine.library.absent import ABSENT
from engine.library.function import LibraryError

Escape = Callable[[str], str]
_Piece = str | tuple[Evaluate, tuple[str, ...]]
"""Literal text, or an expression with the inputs that it reads."""


def compile_template(text: str, names: Names, escape: Escape | None = None) -> Evaluate:
    """Compile one scalar. `escape` is put around the text of every expression. Raises `Fault`."""
    if not is_template(text):
        return constant(text)
    pieces: list[_Piece] = [p if isinstance(p, str) else _expression(p, names) for p in split(text)]
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
    return [path for part in parts_of(text) for path in _paths(part)]


def surely_present(text: str, names: Names) -> bool:
    """Can no expression of the text be absent, whatever the input? (Paths of URLs must be so.) Raises `Fault`."""
    return all(_is_sure(part, names) for part in parts_of(text))


def plain_path(part: Part) -> Path | None:
    """The steps of an expression that is nothing but a path. Raises `Fault`."""
    if part.path is not None:
        return part.path
    from engine.compiled import expressions

    return expressions.plain_path(expressions.parse(part))


# Most expressions are plain paths, and many a process meets no other: Jinja2 is imported where one needs its parser.


def _expression(part: Part, names: Names) -> tuple[Evaluate, tuple[str, ...]]:
    """The closure, and the inputs that it reads. Raises `Fault` at the exact place."""
    if part.path is not None:
        try:
            return _plain(part.path, names)
        except Fault:
            pass  # told below, with its exact place
    from engine.compiled.closures import compile_expression

    return compile_expression(part, names)


def _plain(path: tuple[str, ...], names: Names) -> tuple[Evaluate, tuple[str, ...]]:
    if path == ("absent",):
        return constant(ABSENT), ()
    names.check(path)
    return path_reader(path), (".".join(path),) if path[0] in INPUTS else ()


def _paths(part: Part) -> Iterable[tuple[str, ...]]:
    if part.path is not None:
        return (part.path,)
    from engine.compiled import expressions

    return expressions.paths(expressions.parse(part))


def _is_sure(part: Part, names: Names) -> bool:
    if part.path is not None:
        return is_sure_path(part.path, names)
    from engine.compiled import expressions

    return expressions.is_sure(expressions.parse(part), names)


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
