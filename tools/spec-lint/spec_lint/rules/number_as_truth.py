"""`length(a) && …` always holds: every number is true, 0 too."""

from __future__ import annotations

from collections.abc import Iterator

from spec_lint.kinds import Kinds
from spec_lint.queries import Node, Query
from spec_lint.rule import Finding, Rule
from spec_lint.subject import Subject
from spec_lint.truths import conditions

_ALWAYS_THERE = frozenset({"abs", "ceil", "floor", "length", "sum"})
_ROOTS = frozenset({"index", "status"})


def check(subject: Subject) -> Iterator[Finding]:
    for query in subject.queries:
        kinds = Kinds(subject, query)
        for node in conditions(query):
            if _is_number(node, query) and kinds.of(node) == "number":
                shown = " ".join(query.text[node.start : node.end].split())
                yield subject.at(
                    query.path,
                    f"{shown} is a number, and every number counts as true, 0 too",
                    hint=f"compare it: {shown} > `0`",
                    offset=node.start,
                    length=node.end - node.start,
                )


def _is_number(node: Node, query: Query) -> bool:
    """Null is false, so a number that may be missing is a fair question: is it there?"""
    if node.kind == "function_expression":
        return node.value in _ALWAYS_THERE
    return node.kind == "field" and node.value in _ROOTS and node.value in query.names.roots


RULE = Rule("QRY010", "A number is taken for true or false, and every number is true.", "error", check)
