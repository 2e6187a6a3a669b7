"""The expressions of templates as closures.

Their grammar is that of Jinja2, evaluation is ours, because the language differs from Jinja's where it matters:

- names resolve as keys only (`input.items` is a key, never a method), so there is nothing to sandbox;
- absence is contagious: an expression that touches an absent value is absent, `default` alone ends it;
- in a condition (`if`, `and`, `or`, `not`) absent counts as false;
- arithmetic is exact and takes numbers only; comparison takes two numbers or two texts.

A compiled expression is a function `scope -> value | ABSENT`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any

from engine.compiled import nodes
from engine.compiled.expressions import is_sure, parse, plain_path
from engine.compiled.fault import EvaluationError, Fault, Path
from engine.compiled.names import TABLE_FUNCTIONS, Names
from engine.compiled.parts import Part
from engine.compiled.values import COMPARE, INPUTS, Evaluate, constant, path_reader, spelled, step_into
from engine.compiled.words import Span, Words
from engine.library.absent import ABSENT
from engine.library.function import Function, LibraryError
from engine.library.numbers import add, div, mul, sub
from engine.library.tables import Table
from engine.library.text import matching


def compile_expression(part: Part, names: Names) -> tuple[Evaluate, tuple[str, ...]]:
    """The closure, and the inputs that it reads. Raises `Fault` at the exact place."""
    node = parse(part)
    compiler = _Compiler(part, names)
    try:
        evaluate = compiler.compile(node)
    except Fault:
        from engine.compiled.jinja import words_of

        _Compiler(part, names, Words(list(words_of(part)))).compile(node)
        raise
    inputs = tuple(sorted(compiler.inputs))

    def run(scope: Any) -> Any:
        try:
            return evaluate(scope)
        except LibraryError as error:
            raise EvaluationError(str(error), inputs) from None

    # A plain path can't fail, so it does without the frame of the handler.
    return (evaluate if compiler.is_plain else run), inputs


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
            path = plain_path(node.node)
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
        if path[0] in INPUTS:
            self.inputs.add(".".join(str(step) for step in path))
        return path_reader(path)

    def literal(self, node: nodes.Const) -> Evaluate:
        value = node.value
        return constant(self._decimal(value) if isinstance(value, float) else value)

    def _decimal(self, value: float) -> Decimal:
        """Jinja reads a fraction as a float: one whose digits that loses is refused."""
        from engine.compiled.jinja import fractions

        kept = Decimal(repr(value))
        if kept not in (Decimal(text) for text in fractions(self.part)):
            raise self.fault("EXPR008", "a number has more digits than can be kept", "write it as a text")
        return kept

    def sequence(self, node: nodes.List | nodes.Tuple) -> Evaluate:
        items = [self.compile(item) for item in node.items]

        def run(scope: Any) -> Any:
            values = [item(scope) for item in items]
            return ABSENT if any(value is ABSENT for value in values) else values

        return run

    def filter(self, node: nodes.Filter) -> Evaluate:
        assert node.node is not None  # `{% filter %}` blocks alone have none
        operand = self.compile(node.node)
        named: list[tuple[str, nodes.Expr]] = [(str(pair.key), pair.value) for pair in node.kwargs]
        span = self.at(node.name)
        if node.dyn_args is not None or node.dyn_kwargs is not None:
            raise self.fault("EXPR004", "* and ** are not part of the language", "", span)
        if node.name == "default":
            return self._default(node, operand, span)
        start, end = span or (self.part.offset, self.part.offset + len(node.name))
        function = self.names.function(node.name, start)
        arguments = [self.compile(argument) for argument in node.args]
        options = {name: self._option(name, value) for name, value in named}
        self.names.check_call(function, len(arguments), [name for name, _ in named], (start, end))
        if function.name in TABLE_FUNCTIONS:
            given = node.args[0] if node.args else named[0][1]
            name = _text(given)
            table = self.names.table(name, self.at(str(name)) or (start, end))
            if function.name == "lookup":
                return _lookup(operand, table, required=is_sure(node.node, self.names))
            arguments, options = [constant(table)], {}
        return _call(function, operand, arguments, options)

    def _option(self, name: str, value: nodes.Expr) -> Evaluate:
        self.at(name)
        return self.compile(value)

    def _default(self, node: nodes.Filter, operand: Evaluate, span: Span | None) -> Evaluate:
        if len(node.args) != 1 or node.kwargs:
            raise self.fault("EXPR005", "default takes exactly one argument", "x | default(y)", span)
        fallback = self.compile(node.args[0])

        def run(scope: Any) -> Any:
            value = operand(scope)
            return fallback(scope) if value is ABSENT else value

        return run

    def test(self, node: nodes.Test) -> Evaluate:
        operand = self.compile(node.node)
        span = self.at(node.name)
        given = [*node.args, *node.kwargs, node.dyn_args, node.dyn_kwargs]
        if node.name == "given" and given == [None, None]:
            return lambda scope: operand(scope) is not ABSENT
        if node.name == "matching" and len(given) == 3 and isinstance(pattern := _text(given[0]), str):
            return self._matching(operand, pattern, span)
        raise self.fault("EXPR003", f"unknown test {node.name}", "known: given, matching('pattern')", span)

    def _matching(self, operand: Evaluate, pattern: str, span: Span | None) -> Evaluate:
        try:
            matches = matching(pattern)
        except LibraryError as error:
            raise self.fault("EXPR006", str(error), "", self.at(pattern) or span) from None

        def run(scope: Any) -> Any:
            value = operand(scope)
            return ABSENT if value is ABSENT or value is None else matches(value)

        return run

    def conditional(self, node: nodes.CondExpr) -> Evaluate:
        then, test = self.compile(node.expr1), self.compile(node.test)
        otherwise = self.compile(node.expr2) if node.expr2 is not None else constant(ABSENT)
        return lambda scope: then(scope) if test(scope) else otherwise(scope)

    def negation(self, node: nodes.Not) -> Evaluate:
        operand = self.compile(node.node)
        return lambda scope: not operand(scope)

    def both(self, node: nodes.And) -> Evaluate:
        left, right = self.compile(node.left), self.compile(node.right)
        return lambda scope: left(scope) and right(scope)

    def either(self, node: nodes.Or) -> Evaluate:
        left, right = self.compile(node.left), self.compile(node.right)
        return lambda scope: left(scope) or right(scope)

    def compare(self, node: nodes.Compare) -> Evaluate:
        left, right = self.compile(node.expr), self.compile(node.ops[0].expr)
        if len(node.ops) != 1:
            raise self.fault("EXPR004", "a chain of comparisons is not part of the language", "join two with and")
        holds = COMPARE[node.ops[0].op]

        def run(scope: Any) -> Any:
            a, b = left(scope), right(scope)
            return ABSENT if a is ABSENT or b is ABSENT else holds(a, b)

        return run

    def concat(self, node: nodes.Concat) -> Evaluate:
        items = [self.compile(item) for item in node.nodes]

        def run(scope: Any) -> Any:
            values = [item(scope) for item in items]
            if any(value is ABSENT or value is None for value in values):
                return ABSENT
            return "".join([spelled(value) for value in values])

        return run

    def arithmetic(self, node: nodes.BinExpr) -> Evaluate:
        left, right, combine = self.compile(node.left), self.compile(node.right), _ARITHMETIC[type(node)]

        def run(scope: Any) -> Any:
            a, b = left(scope), right(scope)
            return ABSENT if a is ABSENT or b is ABSENT else combine(a, b)

        return run

    def part_of(self, node: nodes.Getattr | nodes.Getitem, key: str | nodes.Expr) -> Evaluate:
        """`(expression).key` and `(expression)[key]`."""
        operand = self.compile(node.node)
        if isinstance(key, str):
            self.at(key)
            return lambda scope: step_into(operand(scope), key)
        reads = self.compile(key)

        def run(scope: Any) -> Any:
            step = reads(scope)
            return step_into(operand(scope), step) if type(step) in (str, int) else ABSENT

        return run

    def minus(self, node: nodes.Neg) -> Evaluate:
        operand = self.compile(node.node)

        def run(scope: Any) -> Any:
            value = operand(scope)
            return value if value is ABSENT else sub(0, value)

        return run


_NODES: Mapping[type[nodes.Node], Callable[[_Compiler, Any], Evaluate]] = {
    nodes.Const: _Compiler.literal,
    nodes.List: _Compiler.sequence,
    nodes.Tuple: _Compiler.sequence,
    nodes.Filter: _Compiler.filter,
    nodes.Test: _Compiler.test,
    nodes.CondExpr: _Compiler.conditional,
    nodes.Not: _Compiler.negation,
    nodes.And: _Compiler.both,
    nodes.Or: _Compiler.either,
    nodes.Compare: _Compiler.compare,
    nodes.Concat: _Compiler.concat,
    nodes.Neg: _Compiler.minus,
    **dict.fromkeys(_ARITHMETIC, _Compiler.arithmetic),
    nodes.Getattr: lambda self, node: self.part_of(node, node.attr),
    nodes.Getitem: lambda self, node: self.part_of(node, node.arg),
}


def _text(node: nodes.Node | None) -> Any:
    return node.value if isinstance(node, nodes.Const) else None


def _lookup(operand: Evaluate, table: Table, *, required: bool) -> Evaluate:
    """When writing, no hit is absent; where the value is always given, that is the caller's mistake."""

    def run(scope: Any) -> Any:
        value = operand(scope)
        if value is ABSENT or value is None:
            return value
        found = table.get(value)
        if found is ABSENT and required:
            raise LibraryError("lookup: the value is none of the table's keys")
        return found

    return run


def _call(
    function: Function, operand: Evaluate, arguments: list[Evaluate], options: Mapping[str, Evaluate]
) -> Evaluate:
    call = function.call
    if not arguments and not options and not function.wants_now:

        def simple(scope: Any) -> Any:
            value = operand(scope)
            return value if value is ABSENT else call(value)

        return simple

    def run(scope: Any) -> Any:
        value = operand(scope)
        args = [argument(scope) for argument in arguments]
        named = {key: option(scope) for key, option in options.items()}
        if value is ABSENT or any(a is ABSENT for a in args) or any(option is ABSENT for option in named.values()):
            return ABSENT
        if function.wants_now:
            named["now"] = scope["call"]["now"]
        return call(value, *args, **named)

    return run
