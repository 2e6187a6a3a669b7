"""Which parts of a query are only taken as true or false."""

from __future__ import annotations

from collections.abc import Iterator

from spec_lint.places import decides
from spec_lint.queries import Node, Query


def conditions(query: Query) -> Iterator[Node]:
    """The parts that are asked for their truth, without the `&&`, `||` and `!` around them."""
    return _asked(query.root, decides(query.path))


def _asked(node: Node, is_condition: bool) -> Iterator[Node]:
    if node.kind in ("and_expression", "or_expression"):
        left, right = node.children
        # `a || b` as a value is the usual default, and asks for nothing but a value.
        yield from _asked(left, is_condition or node.kind == "and_expression")
        yield from _asked(right, is_condition)
        return
    if is_condition and node.kind != "not_expression":
        yield node
    for number, child in enumerate(node.children):
        is_test = node.kind == "not_expression" or (node.kind == "filter_projection" and number == 2)
        yield from _asked(child, is_test)


def is_constant(node: Node) -> bool:
    """Does it read nothing?"""
    return all(part.kind not in ("field", "current", "identity") for part in node.walk())
