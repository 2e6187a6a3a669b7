"""Queries: JMESPath, compiled to closures.

The jmespath library parses; evaluation is ours, for speed and for exact numbers. Differences from the library, all
on purpose: names at the root are checked when the spec loads, numbers are int and Decimal, comparing a number with
a text raises `EvaluationError` (the library lets a bare TypeError out), and the function library of the language is
there beside the standard functions, its options given as one object: `pairs(query, {only: 'x_*'})`.

A compiled query is a function `scope -> value`, None where nothing is found.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any

import jmespath.exceptions
import jmespath.parser

from engine.compiled.fault import EvaluationError, Fault
from engine.compiled.names import TABLE_FUNCTIONS, Names
from engine.compiled.query_functions import STANDARD, Standard
from engine.compiled.template import same
from engine.diagnostics import unknown
from engine.library.function import Function, LibraryError
from engine.library.absent import ABSENT

Evaluate = Callable[[Any], Any]
_Node = Mapping[str, Any]


def compile_query(text: str, names: Names) -> Evaluate:
    """Compile one query against the names that exist at its place. Raises `Fault`."""
    node = parse(text)
    compiler = _Compiler(text, names)
    return compiler.guard(compiler.compile(node, at_root=True))


def parse(text: str) -> _Node:
    try:
        parsed: _Node = jmespath.parser.Parser().parse(text).parsed
        return parsed
    except jmespath.exceptions.EmptyExpressionError:
        raise Fault("EXPR011", "a query is missing here") from None
    except jmespath.exceptions.LexerError as error:
        raise Fault("EXPR011", f"can't read the query: {error.message}", "", error.lex_position) from None
    except jmespath.exceptions.ParseError as error:
        at = error.lex_position or 0
        found = repr(error.token_value) if error.token_value else "its end"
        raise Fault("EXPR011", f"can't read the query at {found}", "", at, len(str(error.token_value or " "))) from None


def holds(value: Any) -> bool:
    """JMESPath's truth: null, false, empty text, list and object are false; the number 0 is true."""
    return value is True or not (value is None or value is False or value is ABSENT or value in ("", [], {}))


class _Compiler:
    def __init__(self, text: str, names: Names) -> None:
        self.text = text
        self.names = names

    def guard(self, evaluate: Evaluate) -> Evaluate:
        """One place where the library's errors and wrong types become `EvaluationError`."""

        def run(scope: Any) -> Any:
            try:
                return evaluate(scope)
            except LibraryError as error:
                raise EvaluationError(str(error)) from None

        return run

    def compile(self, node: _Node, at_root: bool) -> Evaluate:
        method: Callable[[_Node, bool], Evaluate] = getattr(self, f"_{node['type']}")
        return method(node, at_root)

    def _offset(self, word: str) -> int:
        return max(0, self.text.find(word))

    def _root_path(self, node: _Node) -> tuple[str, ...] | None:
        """`a.b.c` as its keys, when the node is nothing but that."""
        if node["type"] == "field":
            return (node["value"],)
        if node["type"] == "subexpression":
            parts = [self._root_path(child) for child in node["children"]]
            return tuple(key for part in parts if part for key in part) if all(parts) else None
        return None

    def _field(self, node: _Node, at_root: bool) -> Evaluate:
        if at_root:
            return self._checked_path((node["value"],))
        name = node["value"]
        return lambda value: value.get(name) if isinstance(value, dict) else None

    def _checked_path(self, path: tuple[str, ...]) -> Evaluate:
        try:
            self.names.check(path, self._offset(path[0]))
        except Fault as fault:
            if path[0] in ("null", "true", "false") and path[0] not in self.names.roots:
                fault.hint = f"write `{path[0]}` with backticks for the literal"
            raise
        return _root_reader(path)

    def _subexpression(self, node: _Node, at_root: bool) -> Evaluate:
        if at_root and (path := self._root_path(node)) is not None:
            return self._checked_path(path)
        steps = [self.compile(child, at_root and i == 0) for i, child in enumerate(node["children"])]
        return _chain(steps)

    def _index_expression(self, node: _Node, at_root: bool) -> Evaluate:
        return _chain([self.compile(child, at_root and i == 0) for i, child in enumerate(node["children"])])

    def _pipe(self, node: _Node, at_root: bool) -> Evaluate:
        left, right = node["children"]
        return _chain([self.compile(left, at_root), self.compile(right, False)])

    def _index(self, node: _Node, _at_root: bool) -> Evaluate:
        at: int = node["value"]

        def run(value: Any) -> Any:
            return value[at] if isinstance(value, list) and -len(value) <= at < len(value) else None

        return run

    def _slice(self, node: _Node, _at_root: bool) -> Evaluate:
        cut = slice(*node["children"])
        if cut.step == 0:
            raise Fault("EXPR011", "the step of a slice can't be 0")
        return lambda value: value[cut] if isinstance(value, list) else None

    def _current(self, _node: _Node, at_root: bool) -> Evaluate:
        if at_root and "@" in self.text:
            raise Fault("EXPR012", "@ has no meaning at the root of a query", "name a root", self._offset("@"))
        return lambda value: value

    def _identity(self, _node: _Node, _at_root: bool) -> Evaluate:
        return lambda value: value

    def _literal(self, node: _Node, _at_root: bool) -> Evaluate:
        value = _exact(node["value"])
        return lambda _value: value

    def _projection(self, node: _Node, at_root: bool) -> Evaluate:
        base = self.compile(node["children"][0], at_root)
        each = self.compile(node["children"][1], False)

        def run(value: Any) -> Any:
            found = base(value)
            if not isinstance(found, list):
                return None
            return [result for element in found if (result := each(element)) is not None]

        return run

    def _value_projection(self, node: _Node, at_root: bool) -> Evaluate:
        base = self.compile(node["children"][0], at_root)
        each = self.compile(node["children"][1], False)

        def run(value: Any) -> Any:
            found = base(value)
            if not isinstance(found, dict):
                return None
            return [result for element in found.values() if (result := each(element)) is not None]

        return run

    def _filter_projection(self, node: _Node, at_root: bool) -> Evaluate:
        base = self.compile(node["children"][0], at_root)
        each = self.compile(node["children"][1], False)
        condition = self.compile(node["children"][2], False)

        def run(value: Any) -> Any:
            found = base(value)
            if not isinstance(found, list):
                return None
            kept = (element for element in found if holds(condition(element)))
            return [result for element in kept if (result := each(element)) is not None]

        return run

    def _flatten(self, node: _Node, at_root: bool) -> Evaluate:
        base = self.compile(node["children"][0], at_root)

        def run(value: Any) -> Any:
            found = base(value)
            if not isinstance(found, list):
                return None
            flat: list[Any] = []
            for element in found:
                flat.extend(element) if isinstance(element, list) else flat.append(element)
            return flat

        return run

    def _comparator(self, node: _Node, at_root: bool) -> Evaluate:
        left, right = (self.compile(child, at_root) for child in node["children"])
        sign = node["value"]
        if sign in ("eq", "ne"):
            wanted = sign == "eq"
            return lambda value: same(left(value), right(value)) is wanted
        order = _ORDER[sign]

        def run(value: Any) -> Any:
            a, b = left(value), right(value)
            if not _comparable(a) or not _comparable(b):
                return None
            if isinstance(a, str) != isinstance(b, str):
                raise EvaluationError("a number and a text can't be compared")
            return order(a, b)

        return run

    def _or_expression(self, node: _Node, at_root: bool) -> Evaluate:
        left, right = (self.compile(child, at_root) for child in node["children"])

        def run(value: Any) -> Any:
            found = left(value)
            return found if holds(found) else right(value)

        return run

    def _and_expression(self, node: _Node, at_root: bool) -> Evaluate:
        left, right = (self.compile(child, at_root) for child in node["children"])

        def run(value: Any) -> Any:
            found = left(value)
            return right(value) if holds(found) else found

        return run

    def _not_expression(self, node: _Node, at_root: bool) -> Evaluate:
        operand = self.compile(node["children"][0], at_root)
        return lambda value: not holds(operand(value))

    def _multi_select_list(self, node: _Node, at_root: bool) -> Evaluate:
        parts = [self.compile(child, at_root) for child in node["children"]]
        return lambda value: None if value is None else [part(value) for part in parts]

    def _multi_select_dict(self, node: _Node, at_root: bool) -> Evaluate:
        parts = [(pair["value"], self.compile(pair["children"][0], at_root)) for pair in node["children"]]
        return lambda value: None if value is None else {key: part(value) for key, part in parts}

    def _expref(self, node: _Node, _at_root: bool) -> Evaluate:
        inner = self.compile(node["children"][0], False)
        return lambda _value: inner

    def _function_expression(self, node: _Node, at_root: bool) -> Evaluate:
        name = node["value"]
        at = self._offset(name)
        if (standard := STANDARD.get(name)) is not None:
            return self._standard(standard, node, at_root, at)
        if name not in self.names.functions:
            message, hint = unknown("function", name, [*STANDARD, *self.names.functions])
            raise Fault("NAME003", message, hint, at, len(name))
        return self._from_library(self.names.function(name, at), node, at_root, at)

    def _standard(self, function: Standard, node: _Node, at_root: bool, at: int) -> Evaluate:
        given = node["children"]
        if not function.fewest <= len(given) <= function.most:
            raise Fault("EXPR005", f"{function.name} does not take {len(given)} arguments", "", at, len(function.name))
        arguments = [self.compile(child, at_root) for child in given]
        call = function.call
        if len(arguments) == 1:
            only = arguments[0]
            return lambda value: call(only(value))
        return lambda value: call(*[argument(value) for argument in arguments])

    def _from_library(self, function: Function, node: _Node, at_root: bool, at: int) -> Evaluate:
        children = list(node["children"])
        options: dict[str, Evaluate] = {}
        if len(children) > 1 and children[-1]["type"] == "multi_select_dict" and function.options:
            for pair in children.pop()["children"]:
                if pair["value"] not in (*function.positional, *function.options):
                    message = f"{function.name} has no option {pair['value']}"
                    raise Fault("EXPR005", message, f"known: {', '.join(function.options)}", at, len(function.name))
                options[pair["value"]] = self.compile(pair["children"][0], at_root)
        if not 1 <= len(children) <= 1 + len(function.positional):
            raise Fault("EXPR005", f"{function.name} does not take {len(children)} arguments", "", at, len(function.name))
        arguments = [self.compile(child, at_root) for child in children]
        if function.name in TABLE_FUNCTIONS:
            table = self.names.table(children[1]["value"] if len(children) > 1 and "value" in children[1] else None, at)
            arguments[1] = lambda _value: table
        if len(arguments) - 1 + len(options) < function.required:
            message = f"{function.name} needs {', '.join(function.positional[: function.required])}"
            raise Fault("EXPR005", message, "", at, len(function.name))
        if function.wants_now:
            if not at_root:
                raise Fault("EXPR005", f"{function.name} can't stand inside a projection", "", at, len(function.name))
            options["now"] = lambda scope: scope["call"]["now"]
        return _library_call(function, arguments, options)


def _library_call(function: Function, arguments: list[Evaluate], options: Mapping[str, Evaluate]) -> Evaluate:
    call = function.call
    if len(arguments) == 1 and not options:
        only = arguments[0]
        return lambda value: call(only(value))

    def run(value: Any) -> Any:
        named = {key: option(value) for key, option in options.items()}
        return _present(call(*[argument(value) for argument in arguments], **named))

    return run


def _present(value: Any) -> Any:
    return None if value is ABSENT else value


def _chain(steps: list[Evaluate]) -> Evaluate:
    if len(steps) == 2:
        first, second = steps
        return lambda value: second(first(value))

    def run(value: Any) -> Any:
        for step in steps:
            value = step(value)
        return value

    return run


def _root_reader(path: tuple[str, ...]) -> Evaluate:
    root, rest = path[0], path[1:]
    if not rest:
        return lambda scope: _present(scope[root])
    if len(rest) == 1:
        only = rest[0]

        def two(scope: Any) -> Any:
            value = scope[root]
            return value.get(only) if isinstance(value, dict) else None

        return two

    def deep(scope: Any) -> Any:
        value = scope[root]
        for key in rest:
            if not isinstance(value, dict):
                return None
            value = value.get(key)
        return value

    return deep


_ORDER: Mapping[str, Callable[[Any, Any], bool]] = {
    "lt": lambda a, b: a < b,
    "lte": lambda a, b: a <= b,
    "gt": lambda a, b: a > b,
    "gte": lambda a, b: a >= b,
}


def _comparable(value: Any) -> bool:
    return isinstance(value, str | int | Decimal) and not isinstance(value, bool)


def _exact(value: Any) -> Any:
    """Literals of the parser, with its floats as decimals."""
    if isinstance(value, float):
        return Decimal(repr(value))
    if isinstance(value, list):
        return [_exact(item) for item in value]
    if isinstance(value, dict):
        return {key: _exact(item) for key, item in value.items()}
    return value
