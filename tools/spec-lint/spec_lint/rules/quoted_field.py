"""`status == "ok"` compares with a field that is called ok."""

from __future__ import annotations

import re
from collections.abc import Iterator

from spec_lint.queries import Node, Query
from spec_lint.rule import Finding, Rule
from spec_lint.subject import Subject

_PLAIN = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_TEXTS = {"contains": (1,), "starts_with": (1,), "ends_with": (1,), "join": (0,)}
"""Functions with an argument that is a text written out, as a rule."""


def check(subject: Subject) -> Iterator[Finding]:
    for query in subject.queries:
        for node in query.root.walk() if '"' in query.text else ():
            for field in _meant_as_text(query, node):
                meant = "'" + field.value.replace("'", "\\'") + "'"
                text = query.text[: field.start] + meant + query.text[field.end :]
                yield subject.at(
                    query.path,
                    f'"{field.value}" is the name of a field here, not a text',
                    hint=f"a text stands in single quotes: {meant}; a field of that name needs no quotes",
                    offset=field.start,
                    length=field.end - field.start,
                    fix=subject.rewriting(query.path, text),
                )


def _meant_as_text(query: Query, node: Node) -> Iterator[Node]:
    if node.kind == "comparator":
        left, right = node.children
        for side, other in ((left, right), (right, left)):
            if _is_quoted(query, side) and (_PLAIN.fullmatch(side.value) or other.kind != "literal"):
                yield side
    elif node.kind == "function_expression":
        for number in _TEXTS.get(node.value, ()):
            if number < len(node.children) and _is_quoted(query, node.children[number]):
                yield node.children[number]


def _is_quoted(query: Query, node: Node) -> bool:
    return node.kind == "field" and query.text[node.start] == '"'


RULE = Rule("QRY003", "A text in double quotes in a query is the name of a field.", "error", check)
