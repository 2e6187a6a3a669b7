"""Queries as rules see them: the parsed tree, with the place of every node in the text."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any, ClassVar

import jmespath.parser

from engine.compiled.fault import Path
from engine.compiled.names import Names


@dataclass(frozen=True, slots=True)
class Node:
    """One node of a query: `text[start:end]` is what it was read from, brackets around it included.

    `kind` and `value` are those of the jmespath library, so is the order of `children`:

        field (its name) · literal (its value) · current (@) · identity · subexpression (all steps of a.b.c)
        index_expression (left, index …) · index (its number) · slice (start, stop, step in `value`)
        projection (left, right) · value_projection · filter_projection (left, right, condition) · flatten (left)
        comparator (eq ne lt lte gt gte; left, right) · or_expression · and_expression · not_expression
        function_expression (its name; arguments) · expref · pipe · multi_select_list
        multi_select_dict (its pairs) · key_val_pair (its key; the value)
    """

    kind: str
    value: Any
    children: tuple[Node, ...]
    start: int
    end: int

    def walk(self) -> Iterator[Node]:
        """This node and all below it, outer ones first."""
        yield self
        for child in self.children:
            yield from child.walk()

    def walk_with_parents(self, parents: tuple[Node, ...] = ()) -> Iterator[tuple[Node, tuple[Node, ...]]]:
        """The same, each with the nodes around it, the innermost last."""
        yield self, parents
        for child in self.children:
            yield from child.walk_with_parents((*parents, self))


@dataclass(frozen=True)
class Query:
    """One query of the spec: where it stands, and what it may name."""

    path: Path
    text: str
    names: Names

    @cached_property
    def root(self) -> Node:
        return parse(self.text)


@lru_cache(maxsize=4096)
def parse(text: str) -> Node:
    """The tree of a query that compiles; a query that serves many places is parsed once."""
    return _node(_Parser(text).parse(text).parsed, 0)


def _node(made: dict[str, Any], near: int) -> Node:
    """A node that has no text of its own stands where its children do, or (`identity`, an index) behind `near`."""
    is_slice = made["type"] == "slice"
    start = made.get("start", near)
    children: list[Node] = []
    for child in () if is_slice else made.get("children", ()):
        children.append(_node(child, children[-1].end if children else start))
    if "start" not in made and children:
        start = children[0].start
    end = made.get("end", children[-1].end if children else start)
    value = tuple(made["children"]) if is_slice else made.get("value")
    return Node(made["type"], value, tuple(children), start, end)


_LIBRARY: Any = jmespath.parser.Parser  # its stubs leave out what is below `parse`


class _Parser(_LIBRARY):  # type: ignore[misc]
    """The library's parser; what it reads for each node is added to the node as `start` and `end`."""

    _CACHE: ClassVar[dict[str, Any]] = {}  # the library's own holds trees without places

    def __init__(self, text: str) -> None:
        super().__init__()
        self._text = text

    def _expression(self, binding_power: int = 0) -> dict[str, Any]:
        first = self._lookahead_token(0)
        self._advance()
        left = self._placed(getattr(self, f"_token_nud_{first['type']}")(first), first)
        while binding_power < self.BINDING_POWER[self._current_token()]:
            follow = getattr(self, f"_token_led_{self._current_token()}")
            self._advance()
            left = self._placed(follow(left), first)
        return left

    def _placed(self, node: dict[str, Any], first: dict[str, Any]) -> dict[str, Any]:
        """The library is wrong about where a literal ends, so a node ends before what follows it."""
        follows = self._lookahead_token(0)["start"]
        node["start"], node["end"] = first["start"], len(self._text[:follows].rstrip())
        return node
