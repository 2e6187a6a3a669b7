"""A condition that reads nothing is always the same."""

from __future__ import annotations

from collections.abc import Iterator

from engine.compiled.query import holds
from spec_lint.queries import Node
from spec_lint.rule import Finding, Rule
from spec_lint.subject import Subject
from spec_lint.truths import conditions, is_constant


def check(subject: Subject) -> Iterator[Finding]:
    for query in subject.queries:
        for node in conditions(query):
            if is_constant(node) and not _is_idle(node, query.root):
                yield subject.at(
                    query.path,
                    "this reads nothing, so it is always the same",
                    hint="leave it out, or read what it is about",
                    offset=node.start,
                    length=node.end - node.start,
                )


def _is_idle(node: Node, root: Node) -> bool:
    """`a || `false`` spells out what happens without a."""
    return node is not root and node.kind == "literal" and not holds(node.value)


RULE = Rule("QRY013", "A condition is always the same, whatever comes.", "warning", check)
