"""Templates: text with `{{ expression }}`, compiled to closures over a scope.

Jinja2 parses the expressions; evaluation is ours, because the language differs from Jinja's where it matters:

- names resolve as keys only (`input.items` is a key, never a method), so there is nothing to sandbox;
- absence is contagious: an expression that touches an absent value is absent, `default` alone ends it;
- in a condition (`if`, `and`, `or`, `not`) absent counts as false;
- one expression alone keeps its type; text of several parts is spelled (`true`, `10`, `0.5`);
- arithmetic is exact and takes numbers only.

A compiled template is a function `scope -> value | ABSENT`. It raises `EvaluationError` with names, never values.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any

import jinja2
from jinja2 import nodes

from engine.compiled.fault import EvaluationError, Fault
from engine.compiled.names import TABLE_FUNCTIONS, Names
from engine.library.absent import ABSENT
from engine.library.function import Function, LibraryError, text_of
from engine.library.numbers import add, div, mul, sub
from engine.library.tables import Table
from engine.library.text import matching

Scope = Mapping[str, Any]
Evaluate = Callable[[Any], Any]
Escape = Callable[[str], str]

_JINJA = jinja2.Environment(autoescape=False)  # noqa: S701 - parses only, renders nothing
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*(?:\.[A-Za-z_][A-Za-z0-9_]*)*")


class Part:
    """One expression of a template: its text and where it begins in the scalar."""

    __slots__ = ("offset", "text")

    def __init__(self, text: str, offset: int) -> None:
        self.text = text
        self.offset = offset


def is_template(text: str) -> bool:
    return "{{" in text


def split(text: str) -> list[str | Part]:
    """Literal pieces and expressions in order; quotes inside an expression may hold braces."""
    pieces: list[str | Part] = []
    at = 0
    while (start := text.find("{{", at)) >= 0:
        if start > at:
            pieces.append(text[at:start])
        end = _end_of_expression(text, start + 2)
        pieces.append(Part(text[start + 2 : end], start + 2))
        at = end + 2
    if at < len(text):
        pieces.append(text[at:])
    return pieces


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
    for mark, word in (("{%", "statements"), ("{#", "comments")):
        if is_template(text) and mark in text:
            raise Fault("EXPR002", f"{word} are not part of the language", "write an expression", text.index(mark), 2)
    pieces = split(text) if is_template(text) else [text]
    if all(isinstance(piece, str) for piece in pieces):
        return _constant(text)
    compiled = [piece if isinstance(piece, str) else _expression(piece, names) for piece in pieces]
    if escape is not None:
        compiled = [piece if isinstance(piece, str) else _escaped(piece, escape) for piece in compiled]
    if len(compiled) == 1 and not isinstance(compiled[0], str):
        return compiled[0]
    return _joined(tuple(compiled))


def paths_of(text: str) -> list[tuple[str, ...]]:
    """The dotted names that a template reads, in order (for what depends on what)."""
    found: list[tuple[str, ...]] = []
    for piece in split(text) if is_template(text) else []:
        if isinstance(piece, Part):
            found.extend(_paths(_parse(piece)))
    return found


def _paths(node: nodes.Node) -> list[tuple[str, ...]]:
    path = _plain_path(node) if isinstance(node, nodes.Expr) else None
    if path is not None:
        return [tuple(str(p) for p in path)]
    return [path for child in node.iter_child_nodes() for path in _paths(child)]


def surely_present(text: str, names: Names) -> bool:
    """Can no expression of the text be absent, whatever the input? (Paths of URLs must be so.)"""
    return all(_sure(_parse(p), names) for p in (split(text) if is_template(text) else []) if isinstance(p, Part))


def _sure(node: nodes.Node, names: Names) -> bool:
    if isinstance(node, nodes.Const | nodes.Test):
        return True
    if isinstance(node, nodes.Filter):
        assert node.node is not None
        if node.name == "default":
            return _sure(node.node, names) or _sure(node.args[0], names)
        return _sure(node.node, names) and node.name not in ("lookup", "nonzero", "before", "after")
    if isinstance(node, nodes.CondExpr):
        return node.expr2 is not None and _sure(node.expr1, names) and _sure(node.expr2, names)
    if isinstance(node, nodes.Expr) and (path := _plain_path(node)) is not None:
        # What a step lacks is found when it has run: the call then ends, and nothing is sent.
        return path[0] != "absent" and (names.check(path) or path[0] == "steps")
    return all(_sure(child, names) for child in node.iter_child_nodes())


def _constant(value: Any) -> Evaluate:
    return lambda _scope: value


def _escaped(evaluate: Evaluate, escape: Escape) -> Evaluate:
    def run(scope: Any) -> Any:
        value = evaluate(scope)
        return value if value is ABSENT or value is None else escape(_spelled(value))

    return run


def _joined(pieces: tuple[str | Evaluate, ...]) -> Evaluate:
    def run(scope: Any) -> Any:
        out = []
        for piece in pieces:
            if type(piece) is str:
                out.append(piece)
                continue
            value = piece(scope)  # type: ignore[operator]
            if value is ABSENT or value is None:
                return ABSENT
            out.append(value if type(value) is str else _spelled(value))
        return "".join(out)

    return run


def _spelled(value: Any) -> str:
    try:
        return text_of("text", value)
    except LibraryError as error:
        raise EvaluationError(str(error)) from None


def _parse(part: Part) -> nodes.Expr:
    try:
        body = _JINJA.parse("{{" + part.text + "}}").body
    except jinja2.TemplateSyntaxError as error:
        message = error.message or "this is not an expression"
        raise Fault("EXPR001", f"can't read the expression: {message}", "", part.offset, len(part.text)) from None
    output = body[0] if len(body) == 1 else None
    if not isinstance(output, nodes.Output) or len(output.nodes) != 1:
        raise Fault("EXPR001", "an expression is missing between {{ and }}", "", part.offset, max(1, len(part.text)))
    expression = output.nodes[0]
    if isinstance(expression, nodes.TemplateData):
        raise Fault("EXPR001", "can't read the expression", "", part.offset, len(part.text))
    return expression


def _expression(part: Part, names: Names) -> Evaluate:
    compiler = _Compiler(part, names)
    evaluate = compiler.compile(_parse(part))
    inputs = tuple(sorted(compiler.inputs))

    def run(scope: Any) -> Any:
        try:
            return evaluate(scope)
        except LibraryError as error:
            raise EvaluationError(str(error), inputs) from None

    # A plain path can't fail, so it does without the frame of the handler.
    return evaluate if compiler.is_plain else run


def _plain_path(node: nodes.Expr) -> tuple[str | int, ...] | None:
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


def path_reader(path: tuple[str | int, ...]) -> Evaluate:
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


_COMPARE: Mapping[str, Callable[[Any, Any], bool]] = {
    "eq": lambda a, b: same(a, b),
    "ne": lambda a, b: not same(a, b),
    "lt": lambda a, b: a < b,
    "lteq": lambda a, b: a <= b,
    "gt": lambda a, b: a > b,
    "gteq": lambda a, b: a >= b,
    "in": lambda a, b: a in b,
    "notin": lambda a, b: a not in b,
}
_ARITHMETIC: Mapping[type[nodes.Node], Callable[[Any, Any], Any]] = {
    nodes.Add: add,
    nodes.Sub: sub,
    nodes.Mul: mul,
    nodes.Div: div,
}


def same(left: Any, right: Any) -> bool:
    """Equality without Python's `True == 1`."""
    return bool(left == right) and isinstance(left, bool) == isinstance(right, bool)


class _Compiler:
    def __init__(self, part: Part, names: Names) -> None:
        self.part = part
        self.names = names
        self.inputs: set[str] = set()
        self.is_plain = True

    def fault(self, code: str, message: str, hint: str = "", word: str = "") -> Fault:
        at = self.part.text.find(word) if word else -1
        offset, length = (self.part.offset + at, len(word)) if at >= 0 else (self.part.offset, len(self.part.text))
        return Fault(code, message, hint, offset, max(1, length))

    def compile(self, node: nodes.Node) -> Evaluate:
        if isinstance(node, nodes.Expr) and (path := _plain_path(node)) is not None:
            return self._path(path)
        self.is_plain = False
        for kind, method in _NODES.items():
            if isinstance(node, kind):
                return method(self, node)
        raise self._foreign(node)

    def _foreign(self, node: nodes.Node) -> Fault:
        if isinstance(node, nodes.Call):
            called = node.node.name if isinstance(node.node, nodes.Name) else "f"
            return self.fault("EXPR003", "functions are written as filters", f"x | {called}", called)
        if isinstance(node, nodes.Pow):
            return self.fault("EXPR004", "** is not part of the language", "", "**")
        return self.fault("EXPR004", f"{type(node).__name__.lower()} is not part of the language")

    def _path(self, path: tuple[str | int, ...]) -> Evaluate:
        if path == ("absent",):
            return _constant(ABSENT)
        dotted = ".".join(str(step) for step in path)
        at = max(0, self.part.text.find(dotted))
        try:
            self.names.check(path, self.part.offset + at)
        except Fault as fault:
            word = next((w for w in _NAME.findall(self.part.text) if w.startswith(str(path[0]))), "")
            if at == 0 and word:
                fault.offset = self.part.offset + self.part.text.find(word)
            raise
        if path[0] in ("input", "config", "vars"):
            self.inputs.add(dotted)
        return path_reader(path)

    def literal(self, node: nodes.Const) -> Evaluate:
        value = node.value
        return _constant(Decimal(repr(value)) if isinstance(value, float) else value)

    def sequence(self, node: nodes.List | nodes.Tuple) -> Evaluate:
        items = [self.compile(item) for item in node.items]

        def run(scope: Any) -> Any:
            values = [item(scope) for item in items]
            return ABSENT if any(value is ABSENT for value in values) else values

        return run

    def filter(self, node: nodes.Filter) -> Evaluate:
        assert node.node is not None  # `{% filter %}` blocks alone have none
        operand = self.compile(node.node)
        if node.name == "default":
            return self._default(node, operand)
        at = self.part.offset + max(0, self.part.text.find(node.name))
        function = self.names.function(node.name, at)
        arguments = [self.compile(argument) for argument in node.args]
        options = {pair.key: self.compile(pair.value) for pair in node.kwargs}
        self._check_arguments(function, node, at)
        if function.name in TABLE_FUNCTIONS and node.args:
            first = node.args[0]
            table = self.names.table(first.value if isinstance(first, nodes.Const) else None, at)
            if function.name == "lookup":
                return _lookup(operand, table, required=_sure(node.node, self.names))
            arguments[0] = _constant(table)
        return _call(function, operand, arguments, options)

    def _check_arguments(self, function: Function, node: nodes.Filter, at: int) -> None:
        if len(node.args) > len(function.positional):
            message = f"{function.name} takes {len(function.positional)} arguments, not {len(node.args)}"
            raise Fault("EXPR005", message, "", at, len(function.name))
        known = (*function.positional, *function.options)
        if len(node.args) + len(node.kwargs) < function.required:
            message = f"{function.name} needs {', '.join(function.positional[: function.required])}"
            raise Fault("EXPR005", message, "", at, len(function.name))
        for pair in node.kwargs:
            if pair.key not in known:
                message = f"{function.name} has no option {pair.key}"
                raise Fault("EXPR005", message, f"known: {', '.join(known)}" if known else "", at, len(function.name))

    def _default(self, node: nodes.Filter, operand: Evaluate) -> Evaluate:
        if len(node.args) != 1 or node.kwargs:
            raise self.fault("EXPR005", "default takes exactly one argument", "x | default(y)", "default")
        fallback = self.compile(node.args[0])

        def run(scope: Any) -> Any:
            value = operand(scope)
            return fallback(scope) if value is ABSENT else value

        return run

    def test(self, node: nodes.Test) -> Evaluate:
        operand = self.compile(node.node)
        if node.name == "given" and not node.args:
            return lambda scope: operand(scope) is not ABSENT
        if node.name == "matching" and len(node.args) == 1 and isinstance(node.args[0], nodes.Const):
            try:
                matches = matching(node.args[0].value)
            except LibraryError as error:
                raise self.fault("EXPR006", str(error), "", "matching") from None

            def run(scope: Any) -> Any:
                value = operand(scope)
                return ABSENT if value is ABSENT or value is None else matches(value)

            return run
        raise self.fault("EXPR003", f"unknown test {node.name}", "known: given, matching('pattern')", node.name)

    def conditional(self, node: nodes.CondExpr) -> Evaluate:
        test, then = self.compile(node.test), self.compile(node.expr1)
        otherwise = self.compile(node.expr2) if node.expr2 is not None else _constant(ABSENT)
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
        if len(node.ops) != 1:
            raise self.fault("EXPR004", "a chain of comparisons is not part of the language", "write them with and")
        left, right = self.compile(node.expr), self.compile(node.ops[0].expr)
        holds, sign = _COMPARE[node.ops[0].op], node.ops[0].op

        def run(scope: Any) -> Any:
            a, b = left(scope), right(scope)
            if a is ABSENT or b is ABSENT:
                return ABSENT
            try:
                return holds(a, b)
            except TypeError:
                raise LibraryError(f"{sign} can't compare these types") from None

        return run

    def concat(self, node: nodes.Concat) -> Evaluate:
        return _joined(tuple(self.compile(item) for item in node.nodes))

    def arithmetic(self, node: nodes.BinExpr) -> Evaluate:
        left, right, combine = self.compile(node.left), self.compile(node.right), _ARITHMETIC[type(node)]

        def run(scope: Any) -> Any:
            a, b = left(scope), right(scope)
            if a is ABSENT or b is ABSENT:
                return ABSENT
            return combine(a, b)

        return run

    def part_of(self, node: nodes.Getattr | nodes.Getitem, key: str | nodes.Expr) -> Evaluate:
        """`(expression).key` and `(expression)[key]`."""
        operand = self.compile(node.node)
        if isinstance(key, str):
            return lambda scope: _step(operand(scope), key)
        if isinstance(key, nodes.Slice):
            raise self._foreign(key)
        reads = self.compile(key)

        def run(scope: Any) -> Any:
            step = reads(scope)
            return _step(operand(scope), step) if isinstance(step, str | int) else ABSENT

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


def _call(function: Function, operand: Evaluate, arguments: list[Evaluate], options: Mapping[str, Evaluate]) -> Evaluate:
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
