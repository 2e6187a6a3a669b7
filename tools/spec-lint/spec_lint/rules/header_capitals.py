"""`headers."Retry-After"` is never there: names of headers are in lower case."""

from __future__ import annotations

from collections.abc import Iterator

from spec_lint.queries import Node
from spec_lint.rule import Finding, Rule
from spec_lint.subject import Subject


def check(subject: Subject) -> Iterator[Finding]:
    for query in subject.queries:
        for node in query.root.walk() if "headers" in query.names.roots else ():
            name = _header(node)
            if name is not None and name.value != name.value.lower():
                meant = f'"{name.value.lower()}"' if query.text[name.start] == '"' else name.value.lower()
                yield subject.at(
                    query.path,
                    f"there is never a header {name.value}: their names are in lower case here",
                    hint=f"write {meant}",
                    offset=name.start,
                    length=name.end - name.start,
                    fix=subject.rewriting(query.path, query.text[: name.start] + meant + query.text[name.end :]),
                )


def _header(node: Node) -> Node | None:
    """The name behind `headers.`, at the left end of a chain."""
    if node.kind != "subexpression":
        return None
    left, right = node.children[:2]
    is_headers = left.kind == "field" and left.value == "headers"
    return right if is_headers and right.kind == "field" else None


RULE = Rule("QRY004", "A header is read by a name with capitals, and is never there.", "error", check)
