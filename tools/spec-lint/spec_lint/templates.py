"""Templates as rules see them: literal text and expressions, each with its place and its parsed tree."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

from engine.compiled import expressions, jinja, nodes
from engine.compiled.fault import Path
from engine.compiled.names import Names
from engine.compiled.parts import Part, is_template, split
from engine.compiled.words import Word


@dataclass(frozen=True)
class Expression:
    """What stands between `{{` and `}}`, blanks included; `start` is where it begins in the template."""

    text: str
    start: int

    @cached_property
    def tree(self) -> nodes.Expr:
        """As Jinja parses it. Its nodes have no places: find them among the words."""
        return expressions.parse(Part(self.text, self.start))

    @cached_property
    def words(self) -> tuple[Word, ...]:
        """Names, signs and literals in order, with their place in the template; texts without their quotes."""
        return tuple(jinja.words_of(Part(self.text, self.start)))

    @property
    def paths(self) -> Iterator[tuple[str, ...]]:
        """The dotted names that it reads."""
        return expressions.paths(self.tree)

    @property
    def end(self) -> int:
        return self.start + len(self.text)


@dataclass(frozen=True)
class Template:
    """One template of the spec: where it stands, and what it may name. Text without `{{` is one too."""

    path: Path
    text: str
    names: Names

    @property
    def is_literal(self) -> bool:
        return not is_template(self.text)

    @cached_property
    def pieces(self) -> tuple[str | Expression, ...]:
        """Literal text and expressions, in order."""
        if self.is_literal:
            return (self.text,)
        return tuple(piece if isinstance(piece, str) else _expression(piece) for piece in split(self.text))

    @property
    def expressions(self) -> tuple[Expression, ...]:
        return tuple(piece for piece in self.pieces if isinstance(piece, Expression))


def _expression(part: Part) -> Expression:
    return Expression(part.text, part.offset)
