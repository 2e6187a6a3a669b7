"""The expressions of templates: Jinja2 parses them, evaluation is ours.

The language differs from Jinja's where it matters:

- names resolve as keys only (`input.items` is a key, never a method), so there is nothing to sandbox;
- absence is contagious: an expression that touches an absent value is absent, `default` alone ends it;
- in a condition (`if`, `and`, `or`, `not`) absent counts as false;
- arithmetic is exact and takes numbers only; comparison takes two numbers or two texts.

A compiled expression is a function `scope -> value | ABSENT`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from decimal import Decimal
from typing import Any

import jinja2
from jinja2 import nodes

from engine.compiled.fault import EvaluationError, Fault
from engine.compiled.names import TABLE_FUNCTIONS, Names
from engine.compiled.words import Span, Word, Words
from engine.library import lists
from engine.library.absent import ABSENT
from engine.library.function import Function, LibraryError, text_of
from engine.library.numbers import add, div, mul, sub
from engine.library.tables import Table
from engine.library.text import matching

Evaluate = Callable[[Any], Any]
Path = tuple[str | int, ...]

_JINJA = jinja2.Environment(autoescape=False)  # noqa: S701 - parses only, renders nothing
_DEEPEST = 64
_MAYBE_NULL = frozenset(
    {"after", "before", "find", "jwt_expiry", "kv", "link", "messages", "nonzero", "parse_json"}
)
"""Functions that may find nothing in a value that is there."""


class Part:
    """One expression of a template: its text and where it begins in the scalar."""

    __slots__ = ("offset", "text")

    def __init__(self, text: str, offset: int) -> None:
        self.text = text
        self.offset = offset


def compile_expression(part: Part, names: Names) -> tuple[Evaluate, tuple[str, ...]]:
    """The closure, and the inputs that it reads. Raises `Fault` at the exact place."""
    node = parse(part)
    compiler = _Compiler(part, names)
    try:
        evaluate = compiler.compile(node)
    except Fault:
        _Compiler(part, names, Words(list(_words(part)))).compile(node)
        raise
    inputs = tuple(sorted(compiler.inputs))

    def run(scope: Any) -> Any:
        try:
            return evaluate(scope)
        except LibraryError as error:
            raise EvaluationError(str(error), inputs) from None

    # A plain path can't fail, so it does without the frame of the handler.
    return (evaluate if compiler.is_plain else run), inputs


def parse(part: Part) -> nodes.Expr:
    """Raises `Fault` for what is no expression."""
    length = max(1, len(part.text))
    try:
        # The blanks keep Jinja from reading `{{-` as its mark for stripping white space.
        body = _JINJA.parse("{{ " + part.text + " }}").body
    except jinja2.TemplateSyntaxError as error:
        message = f"can't read the expression: {_reason(error)}"
        raise Fault("EXPR001", message, "", part.offset, length) from None
    except RecursionError:
        raise _too_deep(part) from None
    except (ValueError, SyntaxError):  # numbers that Python refuses to read
        raise Fault("EXPR001", "the expression holds a number that can't be read", "", part.offset, length) from None
    output = body[0] if len(body) == 1 else None
    if not isinstance(output, nodes.Output) or len(output.nodes) != 1:
        raise Fault("EXPR001", "an expression is missing between {{ and }}", "", part.offset, length)
    expression = output.nodes[0]
    if isinstance(expression, nodes.TemplateData):
        raise Fault("EXPR001", "an expression is missing between {{ and }}", "", part.offset, length)
    _check_depth(expression, part)
    return expression


def _reason(error: jinja2.TemplateSyntaxError) -> str:
    """Jinja's sentence in the language's words: its expressions end with `}}`."""
    return (error.message or "").replace("end of print statement", "}}").rstrip(".") or "this is not an expression"


def _too_deep(part: Part) -> Fault:
    return Fault("EXPR007", f"the expression is nested more than {_DEEPEST} deep", "", part.offset, len(part.text))


def _check_depth(expression: nodes.Node, part: Part) -> None:
    level: list[nodes.Node] = [expression]
    for _ in range(_DEEPEST):
        level = [child for node in level for child in node.iter_child_nodes()]
        if not level:
            return
    raise _too_deep(part)


def _words(part: Part) -> Iterator[Word]:
    at = part.offset - 3
    for _, kind, text in _JINJA.lexer.tokeniter("{{ " + part.text + " }}", None):
        if kind not in ("whitespace", "variable_begin", "variable_end"):
            yield Word(text[1:-1] if kind == "string" else text, at, at + len(text))
        at += len(text)


def paths(node: nodes.Node) -> Iterator[tuple[str, ...]]:
    """The dotted names that an expression reads, in order."""
    path = plain_path(node) if isinstance(node, nodes.Expr) else None
    if path is not None:
        yield tuple(str(step) for step in path)
        return
    for child in node.iter_child_nodes():
        yield from paths(child)


def is_sure(node: nodes.Node, names: Names) -> bool:
    """Is the value there, whatever the input? Raises `Fault` for a name that can't exist."""
    if isinstance(node, nodes.Const | nodes.Test):
        return True
    if isinstance(node, nodes.Filter):
        if node.node is None or (node.name == "default" and not node.args):
            return False
        if node.name == "default":
            return is_sure(node.node, names) or is_sure(node.args[0], names)
        return node.name not in _MAYBE_NULL and all(is_sure(child, names) for child in node.iter_child_nodes())
    if isinstance(node, nodes.CondExpr):
        return node.expr2 is not None and is_sure(node.expr1, names) and is_sure(node.expr2, names)
    if isinstance(node, nodes.Expr) and (path := plain_path(node)) is not None:
        # What a step lacks is found when it has run: the call then ends, and nothing is sent.
        return path[0] != "absent" and (names.check(path) or path[0] == "steps")
    return all(is_sure(child, names) for child in node.iter_child_nodes())


def plain_path(node: nodes.Expr) -> Path | None:
    """`a.b.c`, `a['b']` or `a[0]` as its steps; None for anything else."""
    steps: list[str | int] = []
    while True:
        if isinstance(node, nodes.Getattr):
            steps.append(node.attr)
            node = node.node
        elif isinstance(node, nodes.Getitem) and isinstance(node.arg, nodes.Const):
            if not isinstance(node.arg.value, str | int) or isinstance(node.arg.value, bool):
                return None
            steps.append(node.arg.value)
            node = node.node
        elif isinstance(node, nodes.Name):
            return (node.name, *reversed(steps))
        else:
            return None


def spelled(value: Any) -> str:
    """Text of a text, number or boolean. Raises `LibraryError`."""
    return value if type(value) is str else text_of("text", value)


def same(left: Any, right: Any) -> bool:
    """Equality as JSON, without Python's `True == 1`."""
    if left != right or isinstance(left, bool) != isinstance(right, bool):
        return False
    return lists.same(left, right) if isinstance(left, list | dict) else True


def _step(value: Any, key: str | int) -> Any:
    """A key of an object or an index of a list; anything else has no such part."""
    if isinstance(key, str):
        if isinstance(value, Mapping):
            try:
                return value[key]
            except KeyError:
                return ABSENT
        return ABSENT
    if isinstance(value, list | tuple) and -len(value) <= key < len(value):
        return value[key]
    return ABSENT


def path_reader(path: Path) -> Evaluate:
    """The closure for a plain path; the common depths are written out, they are the hot path of every call."""
    if len(path) == 1:
        root = path[0]
        return lambda scope: scope[root]
    if len(path) == 2 and isinstance(path[1], str):
        root, key = path[0], path[1]

        def two(scope: Any) -> Any:
            value = scope[root]
            return value.get(key, ABSENT) if type(value) is dict else _step(value, key)

        return two
    root, rest = path[0], path[1:]

    def deep(scope: Any) -> Any:
        value = scope[root]
        for step in rest:
            value = _step(value, step)
        return value

    return deep


def constant(value: Any) -> Evaluate:
    return lambda _scope: value


def _holds(a: Any, b: Any) -> bool:
    if isinstance(b, list):
        return any(same(a, item) for item in b)
    if isinstance(b, str | dict) and isinstance(a, str):
        return a in b
    raise LibraryError("in needs a list, or a text in a text or among the keys of an object")


def _ordered(sign: str, compare: Callable[[Any, Any], bool]) -> Callable[[Any, Any], bool]:
    def run(a: Any, b: Any) -> bool:
        if type(a) in _NUMBERS and type(b) in _NUMBERS or (type(a) is str and type(b) is str):
            return compare(a, b)
        raise LibraryError(f"{sign} compares two numbers or two texts")

    return run


_NUMBERS = frozenset({int, Decimal, float})
_COMPARE: Mapping[str, Callable[[Any, Any], bool]] = {
    "eq": same,
    "ne": lambda a, b: not same(a, b),
    "lt": _ordered("<", lambda a, b: a < b),
    "lteq": _ordered("<=", lambda a, b: a <= b),
    "gt": _ordered(">", lambda a, b: a > b),
    "gteq": _ordered(">=", lambda a, b: a >= b),
    "in": _holds,
    "notin": lambda a, b: not _holds(a, b),
}
_ARITHMETIC: Mapping[type[nodes.Node], Callable[[Any, Any], Any]] = {
    nodes.Add: add,
    nodes.Sub: sub,
    nodes.Mul: mul,
    nodes.Div: div,
}
_FOREIGN: Mapping[type[nodes.Node], tuple[str, str]] = {
    nodes.Pow: ("**", ""),
    nodes.FloorDiv: ("//", "write / for an exact quotient"),
    nodes.Mod: ("%", ""),
    nodes.Pos: ("+", "leave it out"),
    nodes.Dict: ("{", "write an object as a tree"),
    nodes.Slice: (":", ""),
}
"""What Jinja knows and this language does not: the sign, and what to write instead."""


class _Compiler:
    """From the nodes of one expression to closures. With `words` the places of faults are exact."""

    def __init__(self, part: Part, names: Names, words: Words | None = None) -> None:
        self.part = part
        self.names = names
        self.words = words
        self.inputs: set[str] = set()
        self.is_plain = True

    def fault(self, code: str, message: str, hint: str = "", span: Span | None = None) -> Fault:
        start, end = span or (self.part.offset, self.part.offset + len(self.part.text))
        return Fault(code, message, hint, start, max(1, end - start))

    def at(self, word: str) -> Span | None:
        """Where this word stands, the next one in the order of the text."""
        return self.words.find(word) if self.words is not None else None

    def compile(self, node: nodes.Node) -> Evaluate:
        if isinstance(node, nodes.Expr) and (path := plain_path(node)) is not None:
            return self._path(path)
        self.is_plain = False
        for kind, method in _NODES.items():
            if isinstance(node, kind):
                return method(self, node)
        raise self._foreign(node)

    def _foreign(self, node: nodes.Node) -> Fault:
        if isinstance(node, nodes.Call):
            path = plain_path(node.node) if isinstance(node.node, nodes.Expr) else None
            name = str(path[-1]) if path else "f"
            spans = self.words.path(path) if self.words is not None and path else []
            span = (spans[0][0], spans[-1][1]) if spans else None
            return self.fault("EXPR003", "functions are written as filters", f"x | {name}", span)
        sign, hint = _FOREIGN.get(type(node), ("", ""))
        if isinstance(node, nodes.BinExpr):
            self.compile(node.left)  # what stands before the sign may be at fault itself, and its words count
        return self.fault(
            "EXPR004", f"{sign or type(node).__name__.lower()} is not part of the language", hint, self.at(sign)
        )

    def _path(self, path: Path) -> Evaluate:
        if path == ("absent",):
            return constant(ABSENT)
        spans = self.words.path(path) if self.words is not None else ()
        try:
            self.names.check(path, spans or ((self.part.offset, self.part.offset + len(self.part.text)),))
        except Fault as fault:
            if path[0] == "null":
                fault.hint = "null is written none"
            raise
        if path[0] in ("input", "config", "vars"):
            self.inputs.add(".".join(str(step) for step in path))
        return path_reader(path)

    def literal(self, node: nodes.Const) -> Evaluate:
        value = node.value
        return constant(self._decimal() if isinstance(value, float) else value)

    def _decimal(self) -> Decimal:
        """Jinja has read the fraction as a float; the text says which digits it had."""
        words = self.words or Words(list(_words(self.part)))
        self.words = words
        raise NotImplementedError

    def sequence(self, node: nodes.List | nodes.Tuple) -> Evaluate:
        items = [self.compile(item) for item in node.items]

        def run(scope: Any) -> Any:
            values = [item(scope) for item in items]
            return ABSENT if any(value is ABSENT for value in values) else values

        return run
