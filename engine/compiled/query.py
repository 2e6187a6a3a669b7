"""Queries: JMESPath, compiled to closures.

The jmespath library parses; evaluation is ours, for speed and for exact numbers. Differences from the library, all
on purpose:

- names at the root are checked when the spec loads;
- numbers are int and Decimal, and equality is that of JSON at every depth (`[true]` is not `[1]`);
- ordering a number against a text raises `EvaluationError` (the library lets a bare TypeError out);
- `to_number` reads the numbers of JSON only (the library reads `1_000` and `nan`);
- unquoted text in backticks is refused, and so is `&expression` where no function takes one;
- the functions of the language stand beside the standard ones, options given as one object:
  `pairs(query, {only: 'x_*'})`.

A compiled query is a function `scope -> value`, None where nothing is found.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from engine.compiled.fault import EvaluationError, Fault
from engine.compiled.misnomers import bare_word, unknown_function
from engine.compiled.names import TABLE_FUNCTIONS, Names
from engine.compiled.query_functions import STANDARD, Standard
from engine.compiled.query_steps import (
    ORDER,
    chain,
    equality,
    exact_literal,
    fields_of,
    is_comparable,
    library_call,
    root_reader,
)
from engine.compiled.query_text import Node, parse, plain_path, words_of
from engine.compiled.values import Evaluate
from engine.compiled.words import Span, Words
from engine.library.absent import ABSENT
from engine.library.function import Function, LibraryError

_LONG = 50  # names; how deep a query may be is for its parser to say


def compile_query(text: str, names: Names, *, rooted: bool = True) -> Evaluate:
    """Compile one query against the names that exist at its place. Raises `Fault` at the exact place.

    Not `rooted`: the query is about one value of any shape (`@`), not about named roots.
    """
    path = plain_path(text) if rooted else None
    if path is not None and len(path) < _LONG:  # as most are; it can't fail, so it does without a handler
        try:
            return _Compiler(names).root_path(path)
        except Fault:
            pass  # told below, with its exact place
    node = parse(text)
    try:
        evaluate = _Compiler(names).compile(node, rooted)
    except Fault:
        _Compiler(names, Words(words_of(text))).compile(node, rooted)
        raise
    return _guarded(evaluate)


def holds(value: Any) -> bool:
    """JMESPath's truth: null, false, empty text, list and object are false; the number 0 is true."""
    if value:
        return True
    return value is not None and value is not False and value is not ABSENT and not isinstance(value, str | list | dict)


def _guarded(evaluate: Evaluate) -> Evaluate:
    """One place where the library's errors become `EvaluationError`."""

    def run(scope: Any) -> Any:
        try:
            return evaluate(scope)
        except LibraryError as error:
            raise EvaluationError(str(error)) from None

    return run


class _Compiler:
    """From the nodes of one query to closures. With `words` the places of faults are exact."""

    def __init__(self, names: Names, words: Words | None = None) -> None:
        self.names = names
        self.words = words

    def compile(self, node: Node, at_root: bool) -> Evaluate:
        method: Callable[[Node, bool], Evaluate] = getattr(self, f"_{node['type']}")
        return method(node, at_root)

    def _at(self, word: str) -> Span:
        """Where this word stands, the next one in the order of the text."""
        return (self.words.find(word) if self.words is not None else None) or (0, len(word))

    def _root_path(self, node: Node) -> tuple[str, ...] | None:
        """`a.b.c` as its keys, when the node is nothing but that."""
        if node["type"] == "field":
            return (node["value"],)
        if node["type"] != "subexpression":
            return None
        names: list[str] = []
        for child in node["children"]:
            path = self._root_path(child)
            if path is None:
                return None
            names += path
        return tuple(names)

    def _field(self, node: Node, at_root: bool) -> Evaluate:
        name = node["value"]
        if at_root:
            return self.root_path((name,))
        if self.words is not None:
            self.words.find(name)
        return lambda value: value.get(name) if isinstance(value, dict) else None

    def root_path(self, path: tuple[str, ...]) -> Evaluate:
        """The reader of a path from a root. Raises `Fault` for a name that can't exist."""
        try:
            self.names.check(path, self.words.path(path) if self.words is not None else ())
        except Fault as fault:
            if path[0] in ("null", "true", "false"):
                fault.hint = f"write `{path[0]}` with backticks for the literal"
            elif len(path) == 1 and fault.length == len(path[0]) + 2:  # it stood in double quotes
                fault.hint = f"double quotes are for names; a text stands in single ones: '{path[0]}'"
            raise
        return root_reader(path)

    def _subexpression(self, node: Node, at_root: bool) -> Evaluate:
        if at_root and (path := self._root_path(node)) is not None:
            return self.root_path(path)
        return self._index_expression(node, at_root)

    def _index_expression(self, node: Node, at_root: bool) -> Evaluate:
        return chain([self.compile(child, at_root and i == 0) for i, child in enumerate(node["children"])])

    def _pipe(self, node: Node, at_root: bool) -> Evaluate:
        return self._index_expression(node, at_root)

    def _index(self, node: Node, _at_root: bool) -> Evaluate:
        at: int = node["value"]

        def run(value: Any) -> Any:
            return value[at] if isinstance(value, list) and -len(value) <= at < len(value) else None

        return run

    def _slice(self, node: Node, _at_root: bool) -> Evaluate:
        cut = slice(*node["children"])
        if cut.step == 0:
            start, end = self._at("0")
            raise Fault("EXPR011", "the step of a slice can't be 0", "", start, end - start)
        return lambda value: value[cut] if isinstance(value, list) else None

    def _current(self, _node: Node, at_root: bool) -> Evaluate:
        start, _ = self._at("@")
        if at_root:
            raise Fault("EXPR012", "@ has no meaning at the root of a query", "name a root", start)
        return lambda value: value

    def _identity(self, _node: Node, _at_root: bool) -> Evaluate:
        return lambda value: value

    def _literal(self, node: Node, _at_root: bool) -> Evaluate:
        value = exact_literal(node["value"])
        return lambda _value: value

    def _projection(self, node: Node, at_root: bool) -> Evaluate:
        base = self.compile(node["children"][0], at_root)
        each = self.compile(node["children"][1], False)

        def run(value: Any) -> Any:
            found = base(value)
            if not isinstance(found, list):
                return None
            return [result for element in found if (result := each(element)) is not None]

        return run

    def _value_projection(self, node: Node, at_root: bool) -> Evaluate:
        base = self.compile(node["children"][0], at_root)
        each = self.compile(node["children"][1], False)

        def run(value: Any) -> Any:
            found = base(value)
            if not isinstance(found, dict):
                return None
            return [result for element in found.values() if (result := each(element)) is not None]

        return run

    def _filter_projection(self, node: Node, at_root: bool) -> Evaluate:
        left, right, test = node["children"]
        base, condition = self.compile(left, at_root), self.compile(test, False)
        each = self.compile(right, False)
        if test["type"] == "current" and right["type"] == "identity":
            return _what_holds(base)

        def run(value: Any) -> Any:
            found = base(value)
            if not isinstance(found, list):
                return None
            kept = (element for element in found if holds(condition(element)))
            return [result for element in kept if (result := each(element)) is not None]

        return run

    def _flatten(self, node: Node, at_root: bool) -> Evaluate:
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

    def _comparator(self, node: Node, at_root: bool) -> Evaluate:
        left, right = (self._compared(child, other, at_root) for child, other in _each_way(node["children"]))
        sign = node["value"]
        if sign in ("eq", "ne"):
            return equality(left, right, _literal(node["children"][1]), wanted=sign == "eq")
        order = ORDER[sign]

        def run(value: Any) -> Any:
            a, b = left(value), right(value)
            if not is_comparable(a) or not is_comparable(b):
                return None
            if isinstance(a, str) != isinstance(b, str):
                raise EvaluationError("a number and a text can't be compared")
            return order(a, b)

        return run

    def _compared(self, node: Node, other: Node, at_root: bool) -> Evaluate:
        """One side of a comparison: a word that is no name was often meant as a text."""
        try:
            return self.compile(node, at_root)
        except Fault as fault:
            is_word = node["type"] == "field" and other["type"] not in ("literal", "raw_string")
            if is_word and fault.code == "NAME001" and fault.hint.startswith("known: "):
                fault.hint = f"{bare_word(node['value'])}; {fault.hint}"
            raise

    def _or_expression(self, node: Node, at_root: bool) -> Evaluate:
        left, right = (self.compile(child, at_root) for child in node["children"])

        def run(value: Any) -> Any:
            found = left(value)
            return found if holds(found) else right(value)

        return run

    def _and_expression(self, node: Node, at_root: bool) -> Evaluate:
        left, right = (self.compile(child, at_root) for child in node["children"])

        def run(value: Any) -> Any:
            found = left(value)
            return right(value) if holds(found) else found

        return run

    def _not_expression(self, node: Node, at_root: bool) -> Evaluate:
        operand = self.compile(node["children"][0], at_root)
        return lambda value: not holds(operand(value))

    def _multi_select_list(self, node: Node, at_root: bool) -> Evaluate:
        parts = [self.compile(child, at_root) for child in node["children"]]
        if not at_root and all(child["type"] == "field" for child in node["children"]):
            return fields_of([child["value"] for child in node["children"]])
        return lambda value: None if value is None else [part(value) for part in parts]

    def _multi_select_dict(self, node: Node, at_root: bool) -> Evaluate:
        parts = [(self._key(pair), self.compile(pair["children"][0], at_root)) for pair in node["children"]]
        return lambda value: None if value is None else {key: part(value) for key, part in parts}

    def _key(self, pair: Node) -> str:
        key: str = pair["value"]
        if self.words is not None:
            self.words.find(key)
        return key

    def _expref(self, _node: Node, _at_root: bool) -> Evaluate:
        start, _ = self._at("&")
        message = "&expression stands only where a function takes one"
        raise Fault("EXPR013", message, "map, max_by, min_by and sort_by do", start)

    def _function_expression(self, node: Node, at_root: bool) -> Evaluate:
        name = node["value"]
        span = self._at(name)
        if (standard := STANDARD.get(name)) is not None:
            return self._standard(standard, node, at_root, span)
        if name not in self.names.functions:
            message, hint = unknown_function(name, [*STANDARD, *self.names.functions])
            raise Fault("NAME003", message, hint, span[0], len(name))
        return self._from_library(self.names.function(name), node, at_root, span)

    def _standard(self, function: Standard, node: Node, at_root: bool, span: Span) -> Evaluate:
        given = node["children"]
        if not function.fewest <= len(given) <= function.most:
            raise _wrong_count(function.name, len(given), span)
        arguments = [
            self._expression(child, function.name, span) if i == function.expression else self.compile(child, at_root)
            for i, child in enumerate(given)
        ]
        call = function.call
        if len(arguments) == 1:
            only = arguments[0]
            return lambda value: call(only(value))
        return lambda value: call(*[argument(value) for argument in arguments])

    def _expression(self, node: Node, function: str, span: Span) -> Evaluate:
        """An argument that is an expression: a closure that gives that expression."""
        if node["type"] != "expref":
            raise Fault("EXPR005", f"{function} needs an expression: &name", "", *_start_and_length(span))
        inner = self.compile(node["children"][0], False)
        return lambda _value: inner

    def _from_library(self, function: Function, node: Node, at_root: bool, span: Span) -> Evaluate:
        children = list(node["children"])
        if not children:
            raise _wrong_count(function.name, 0, span)
        pairs = _options(function, children)
        arguments = [self.compile(child, at_root) for child in children]
        options = {self._key(pair): self.compile(pair["children"][0], at_root) for pair in pairs}
        self.names.check_call(function, len(arguments) - 1, [pair["value"] for pair in pairs], span)
        if function.name in TABLE_FUNCTIONS:
            given = children[1] if len(children) > 1 else pairs[0]["children"][0]
            name = given["value"] if given["type"] == "literal" else None
            table = self.names.table(name, (self.words.find(str(name)) if self.words else None) or span)
            arguments, options = [arguments[0], lambda _value: table], {}
        if function.wants_now:
            if not at_root:
                message = f"{function.name} can't stand inside a projection"
                raise Fault("EXPR005", message, "use $each", *_start_and_length(span))
            options["now"] = lambda scope: scope["call"]["now"]
        return library_call(function, arguments, options)


def _options(function: Function, children: list[Node]) -> list[Node]:
    """The pairs of the options: the last argument, taken out, where it is an object that can be nothing else."""
    last = children[-1]
    if len(children) < 2 or last["type"] != "multi_select_dict":
        return []
    known = {*function.positional, *function.options}
    are_known = all(pair["value"] in known for pair in last["children"])
    if not are_known and len(children) - 1 <= len(function.positional):
        return []  # an argument like any other
    children.pop()
    pairs: list[Node] = last["children"]
    return pairs


def _wrong_count(name: str, count: int, span: Span) -> Fault:
    return Fault("EXPR005", f"{name} does not take {count} arguments", "", *_start_and_length(span))


def _start_and_length(span: Span) -> Span:
    return span[0], span[1] - span[0]


def _literal(node: Node) -> Any:
    return node["value"] if node["type"] in ("literal", "raw_string") else None


def _each_way(pair: list[Node]) -> tuple[tuple[Node, Node], tuple[Node, Node]]:
    left, right = pair
    return (left, right), (right, left)


def _what_holds(base: Evaluate) -> Evaluate:
    """`list[?@]`: the elements that are not false."""

    def run(value: Any) -> Any:
        found = base(value)
        return [one for one in found if one or (one is not None and holds(one))] if isinstance(found, list) else None

    return run
