"""What kind of value a part of a query gives, as far as that is known without running it.

The kinds are the words of JMESPath's `type`: string number boolean array object. None: not known, or it may be several.
Null does not count: a part of kind number gives a number or null.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from decimal import Decimal
from functools import reduce
from typing import Any

from engine.compiled.fault import Path
from spec_lint.places import Schema, schema_of, value_at
from spec_lint.queries import Node, Query, parse
from spec_lint.subject import Subject

KINDS = ("string", "number", "boolean", "array", "object", "null")
"""The words that `type` answers."""

SHOWN: Mapping[str, str] = {
    "string": "a text", "number": "a number", "boolean": "true or false", "array": "a list", "object": "an object",
}  # fmt: skip
"""Each kind in plain words."""

_FUNCTIONS: Mapping[str, str] = {
    name: kind
    for kind, names in {
        "string": "join to_string type text lower upper unaccent keep truncate_bytes squash before after last_segment "
        "hex base64 html percent json fixed from_time plus jwt_expiry link messages pairs recode",
        "number": "abs avg ceil floor length sum to_number add sub mul div decimal integer seconds_until "
        "seconds_between",
        "boolean": "contains ends_with starts_with",
        "array": "keys values sort sort_by map to_array list intersect entries",
        "object": "merge",
    }.items()
    for name in names.split()
}
_NODES: Mapping[str, str] = {
    **dict.fromkeys(("projection", "value_projection", "filter_projection", "flatten", "slice"), "array"),
    **dict.fromkeys(("comparator", "not_expression"), "boolean"),
    "multi_select_list": "array",
    "multi_select_dict": "object",
}
_CHAINS = frozenset(
    {"subexpression", "index_expression", "pipe", "projection", "value_projection", "filter_projection"}
)
"""Nodes whose children behind the first see the elements of that, or its value."""
_ANSWER = {"status": "number", "text": "string", "headers": "object"}
_PAGE: Mapping[tuple[str | int, ...], str] = {
    ("page",): "object", ("page", "number"): "number", ("page", "offset"): "number", ("page", "limit"): "number",
    ("page", "url"): "string",
}  # fmt: skip
"""`page.cursor` is whatever `next` of the page before gave."""
_TYPES = {"integer": "number"}


class Kinds:
    """For the parts of one query."""

    def __init__(self, subject: Subject, query: Query) -> None:
        self._spec = subject.resolved
        self._query = query

    def of(self, node: Node, *, rooted: bool = True) -> str | None:
        """`rooted`: its names are those of the place, not those of an element."""
        if node.kind == "literal":
            return kind_of(node.value)
        if node.kind == "function_expression":
            return _FUNCTIONS.get(node.value)
        if node.kind in _NODES:
            return _NODES[node.kind]
        if node.kind == "or_expression":
            left, right = (self.of(child, rooted=rooted) for child in node.children)
            return left if left == right else None
        if node.kind in ("subexpression", "index_expression", "pipe"):
            last = self.of(node.children[-1], rooted=False)
            if last is not None:
                return last
        path = path_of(node) if rooted else None
        return self._named(path) if path else None

    def comparisons(self) -> Iterator[tuple[Node, bool]]:
        """Every comparison of the query; are its names those of the place?"""
        return _comparisons(self._query.root, True)

    def schema(self, node: Node) -> Schema | None:
        """What was declared of the input or config that a part names."""
        path = path_of(node)
        if not path or not all(isinstance(step, str) for step in path):
            return None
        return schema_of(self._spec, self._query.path, tuple(map(str, path)))

    def _named(self, path: tuple[str | int, ...]) -> str | None:
        names = self._query.names
        if len(path) == 1 and "status" in names.roots and path[0] in _ANSWER:
            return _ANSWER[str(path[0])]
        if path == ("index",):
            return "number"
        if path in _PAGE and "page" in names.roots and _is_paged(self._spec, self._query.path):
            return _PAGE[path]
        if path == ("code",) and "status" in names.roots:
            return self._code()
        schema = schema_of(self._spec, self._query.path, tuple(map(str, path)))
        kind = schema.get("type") if schema is not None else None
        return _TYPES.get(kind, kind) if isinstance(kind, str) else None

    def _code(self) -> str | None:
        """The kind of `answer.code` wherever this query looks at an answer."""
        path = self._query.path
        own = [path[:2]] if path[0] == "actions" else [("actions", i) for i in range(len(self._spec["actions"]))]
        asked = [value_at(self._spec, (*at, "answer", "code")) for at in own]
        common = value_at(self._spec, ("answer", "code"))
        kinds = [self._of_text(text if text is not None else common) for text in asked]
        return reduce(lambda a, b: a if a == b else None, kinds)

    def _of_text(self, text: Any) -> str | None:
        return self.of(parse(text)) if isinstance(text, str) and text != "code" else None


def _is_paged(spec: Mapping[str, Any], path: Path) -> bool:
    """Is it in an action with pagination, whose root `page` is that of the language?"""
    return path[0] == "actions" and value_at(spec, (*path[:2], "pagination")) is not None


def _comparisons(node: Node, rooted: bool) -> Iterator[tuple[Node, bool]]:
    if node.kind == "comparator":
        yield node, rooted
    shifts = node.kind in _CHAINS
    for number, child in enumerate(node.children):
        yield from _comparisons(child, rooted and node.kind != "expref" and not (shifts and number))


def kind_of(value: Any) -> str | None:
    """The kind of a plain value; None for null."""
    if isinstance(value, bool):
        return "boolean"
    for types, name in (((str,), "string"), ((int, float, Decimal), "number"), ((list,), "array")):
        if isinstance(value, types):
            return name
    return "object" if isinstance(value, Mapping) else None


def path_of(node: Node) -> tuple[str | int, ...] | None:
    """`a.b[0].c` as its steps, where a part is nothing but that."""
    if node.kind == "field":
        return (node.value,)
    if node.kind == "index":
        return (node.value,)
    if node.kind == "identity":
        return ()
    if node.kind in ("subexpression", "index_expression"):
        parts = [path_of(child) for child in node.children]
        return None if None in parts else tuple(step for part in parts for step in part or ())
    return None


def split_path(node: Node) -> tuple[tuple[str | int, ...], tuple[Node, ...]]:
    """A chain like `a.b.[c, d]` as the path that it begins with and what is done with its value."""
    if node.kind not in ("subexpression", "index_expression", "pipe"):
        return path_of(node) or (), () if path_of(node) else (node,)
    steps, rest = split_path(node.children[0])
    for number, child in enumerate(node.children[1:], 1):
        step = None if rest or node.kind == "pipe" else path_of(child)
        if step is None:
            return steps, (*rest, *node.children[number:])
        steps = (*steps, *step)
    return steps, rest
