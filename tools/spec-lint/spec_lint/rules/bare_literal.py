"""`a == null` compares with a field that is called null."""

from __future__ import annotations

from collections.abc import Iterator

from spec_lint.rule import Finding, Rule
from spec_lint.subject import Subject

_LITERALS = frozenset({"null", "true", "false"})


def check(subject: Subject) -> Iterator[Finding]:
    for query in subject.queries:
        for node in query.root.walk():
            if node.kind == "field" and node.value in _LITERALS and query.text[node.start] != '"':
                text = query.text[: node.start] + f"`{node.value}`" + query.text[node.end :]
                yield subject.at(
                    query.path,
                    f"{node.value} is the name of a field here",
                    hint=f"write `{node.value}` with backticks for the literal",
                    offset=node.start,
                    length=node.end - node.start,
                    fix=subject.rewriting(query.path, text),
                )


RULE = Rule("QRY001", "A bare null, true or false in a query is the name of a field.", "error", check)
