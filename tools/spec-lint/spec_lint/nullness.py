"""Which arguments of a query's functions may be null, as far as the spec itself says.

`a && f(a)`, `!a || f(a)`, a `$when` or `when` around it, an `$each` over it: what was asked before is known.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from engine.compiled.fault import Fault, Path
from engine.compiled.names import Names
from engine.library import LIBRARY
from spec_lint.kinds import path_of, split_path
from spec_lint.places import blocks_around
from spec_lint.queries import Node, Query, parse
from spec_lint.subject import Subject

Steps = tuple[str | int, ...]
Known = frozenset[Steps]
"""Paths whose values are there. Inside an element they begin at that."""

FRAGILE: Mapping[str, tuple[int, ...]] = {
    "abs": (0,), "avg": (0,), "ceil": (0,), "contains": (0,), "ends_with": (0, 1), "floor": (0,), "join": (0, 1),
    "keys": (0,), "length": (0,), "map": (1,), "max": (0,), "max_by": (0,), "merge": (0, 1, 2, 3), "min": (0,),
    "min_by": (0,), "reverse": (0,), "sort": (0,), "sort_by": (0,), "starts_with": (0, 1), "sum": (0,), "values": (0,),
}  # fmt: skip
"""The standard functions that raise when these of their arguments are null."""

_NEVER_NULL = frozenset(FRAGILE) - {"avg", "max", "max_by", "min", "min_by"} | {"to_array", "to_string", "type"}
_MAY_FIND_NOTHING = frozenset({"after", "before", "find", "jwt_expiry", "kv", "link", "lookup", "messages", "nonzero"})
_LISTS = frozenset({"projection", "value_projection", "filter_projection", "flatten", "slice"})
_MAY_BE_NOTHING = frozenset({"body", "code", "message"})
"""The roots that may be null themselves; every other one is an object, a text or an element."""
_NOTHING: Known = frozenset()


def may_be_null(subject: Subject, query: Query, wanted: Mapping[str, tuple[int, ...]]) -> Iterator[tuple[Node, Node]]:
    """The calls of these functions with an argument, of these numbers, that may be null."""
    return _Reader(query.names, wanted).calls(query.root, frozenset(_known_around(subject, query)), True)


def _known_around(subject: Subject, query: Query) -> Iterator[Steps]:
    """What the blocks around a query have asked before it is."""
    path = query.path
    yield from _promised(subject, path)
    for at, block in blocks_around(subject.resolved, path):
        inside = path[len(at)]
        for key in ("$when", "when", "$where", "by", "$each"):
            if inside == key or not isinstance(block.get(key), str):
                continue
            if key in ("$where", "$each") and inside not in ("$value", "$where"):
                continue
            root = parse(block[key])
            yield from _there(root) if key in ("by", "$each") else facts(root, True)
        if inside == "$cases" and len(path) > len(at) + 1:
            for branch in block["$cases"][: path[len(at) + 1]]:
                yield from facts(parse(branch["$when"]), False) if "$when" in branch else ()


def _promised(subject: Subject, path: Path) -> Iterator[Steps]:
    """What an output reads for fields that must be there: without it the call fails anyway."""
    if path[0] != "actions" or path[2] != "output":
        return
    action = subject.resolved["actions"][path[1]]
    for name in action.get("outputSchema", {}).get("required", ()):
        leaf = action["output"].get(name)
        yield from _there(parse(leaf)) if isinstance(leaf, str) else ()


def facts(node: Node, truth: bool) -> set[Steps]:
    """The paths whose values are surely there when a part is (or is not) true."""
    if node.kind == "not_expression":
        return facts(node.children[0], not truth)
    if node.kind in ("and_expression", "or_expression"):
        left, right = (facts(child, truth) for child in node.children)
        return left | right if truth is (node.kind == "and_expression") else left & right
    if node.kind == "comparator":
        return _of_comparison(node, truth)
    if node.kind == "function_expression":
        return _there(node) if truth or node.value in FRAGILE else set()
    return _there(node) if truth else set()


def _of_comparison(node: Node, truth: bool) -> set[Steps]:
    left, right = node.children
    if node.value not in ("eq", "ne"):
        return _there(left) | _there(right) if truth else set()
    for side, literal in ((left, right), (right, left)):
        if literal.kind == "literal":
            word = literal.value
            is_null = word is None or (word == "null" and side.kind == "function_expression" and side.value == "type")
            return _there(side) if is_null is (truth is (node.value == "ne")) else set()
    return set()


def _there(node: Node) -> set[Steps]:
    """What is there when the value of this part is, or when it could be computed."""
    path, _ = split_path(node)
    if path:
        return {path[:end] for end in range(1, len(path) + 1)}
    if node.kind == "function_expression":
        numbers = FRAGILE.get(node.value) or ((0,) if node.value == "type" or _passes_null(node.value) else ())
        return set().union(*(_there(node.children[i]) for i in numbers if i < len(node.children)))
    if node.kind in _LISTS:
        return _there(node.children[0]) if node.children else set()
    return set()


def _passes_null(function: str) -> bool:
    """Is its result null when its argument is?"""
    return function in LIBRARY and not LIBRARY[function].nullable


class _Reader:
    def __init__(self, names: Names, wanted: Mapping[str, tuple[int, ...]]) -> None:
        self._names = names
        self._wanted = wanted

    def calls(self, node: Node, known: Known, rooted: bool) -> Iterator[tuple[Node, Node]]:
        """`rooted`: names are those of the place, not those of an element."""
        children = node.children
        if node.kind in ("and_expression", "or_expression"):
            yield from self.calls(children[0], known, rooted)
            asked = facts(children[0], node.kind == "and_expression")
            yield from self.calls(children[1], known | asked, rooted)
        elif node.kind in ("projection", "value_projection", "subexpression", "index_expression", "pipe", "flatten"):
            for number, child in enumerate(children):
                yield from self.calls(child, _NOTHING if number else known, rooted and not number)
        elif node.kind == "filter_projection":
            left, right, condition = children
            yield from self.calls(left, known, rooted)
            yield from self.calls(condition, _NOTHING, False)
            yield from self.calls(right, frozenset(facts(condition, True)), False)
        elif node.kind == "expref":
            yield from self.calls(children[0], _NOTHING, False)
        else:
            yield from self._open(node, known, rooted)
            for child in children:
                yield from self.calls(child, known, rooted)

    def _open(self, node: Node, known: Known, rooted: bool) -> Iterator[tuple[Node, Node]]:
        for number in self._wanted.get(node.value, ()) if node.kind == "function_expression" else ():
            if number < len(node.children) and not self._is_there(node.children[number], known, rooted):
                yield node, node.children[number]

    def _is_there(self, node: Node, known: Known, rooted: bool) -> bool:
        path = path_of(node)
        if path is not None:
            return path in known or self._is_sure(path, rooted)
        return self._made(node, known, rooted)

    def _is_sure(self, path: Steps, rooted: bool) -> bool:
        if not path:
            return True
        if not rooted:
            return False
        if len(path) == 1:
            return path[0] not in _MAY_BE_NOTHING
        try:
            return self._names.check(path)
        except Fault:  # an element of a list that is declared closed
            return False

    def _made(self, node: Node, known: Known, rooted: bool) -> bool:
        children, kind = node.children, node.kind
        if kind == "literal":
            return node.value is not None
        if kind == "comparator":
            return node.value in ("eq", "ne")
        if kind == "or_expression":
            return self._is_there(children[1], known | facts(children[0], False), rooted)
        if kind == "and_expression":
            right = self._is_there(children[1], known | facts(children[0], True), rooted)
            return right and self._is_there(children[0], known, rooted)
        if kind == "function_expression":
            return self._given(node, known, rooted)
        if kind in _LISTS:
            return self._is_there(children[0], known, rooted)
        if kind in ("subexpression", "pipe"):
            steps, rest = split_path(node)
            is_there = not steps or steps in known or self._is_sure(steps, rooted)
            return is_there and all(self._is_there(child, _NOTHING, False) for child in rest)
        return kind in ("current", "not_expression", "multi_select_list", "multi_select_dict", "expref")

    def _given(self, node: Node, known: Known, rooted: bool) -> bool:
        """Is the result of this call there?"""
        name, arguments = node.value, node.children
        if name in _NEVER_NULL:
            return True
        if name in _MAY_FIND_NOTHING or name in ("to_number", "avg", "max", "min", "max_by", "min_by"):
            return False
        asked: Any = any if name == "not_null" else all
        return bool(asked(self._is_there(argument, known, rooted) for argument in arguments))
