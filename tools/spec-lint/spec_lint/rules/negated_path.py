"""`!a.b` is `(!a).b` to JMESPath."""

from __future__ import annotations

from collections.abc import Iterator

from spec_lint.queries import Node, Query
from spec_lint.rule import Finding, Rule
from spec_lint.subject import Subject

_CHAINS = frozenset({"subexpression", "projection", "value_projection", "filter_projection", "flatten"})


def check(subject: Subject) -> Iterator[Finding]:
    for query in subject.queries:
        for node, parents in query.root.walk_with_parents():
            if node.kind in _CHAINS and not (parents and _negated(parents[-1]) is not None):
                negated = _negated(node)
                if negated is not None:
                    yield _finding(subject, query, node, negated)


def _negated(node: Node) -> Node | None:
    """The `!a` at the left end of a chain."""
    while node.kind in (*_CHAINS, "index_expression"):
        node = node.children[0]
    return node if node.kind == "not_expression" else None


def _finding(subject: Subject, query: Query, node: Node, negated: Node) -> Finding:
    text, start, end = query.text, node.start, node.end
    rest = text[start:end].removeprefix("!")
    meant = f"!({rest})"
    return subject.at(
        query.path,
        f"! negates {text[negated.children[0].start : negated.children[0].end]} alone, and true has no fields",
        hint=f"write {meant}",
        offset=start,
        length=end - start,
        fix=subject.rewriting(query.path, text[:start] + meant + text[end:]) if text[start] == "!" else None,
    )


RULE = Rule("QRY002", "A ! negates only the first name of a path, not the path.", "error", check)
