"""`a[?b == 'c'][0]` takes the index of each element, not the first element."""

from __future__ import annotations

from collections.abc import Iterator

from spec_lint.queries import Node
from spec_lint.rule import Finding, Rule
from spec_lint.subject import Subject


def check(subject: Subject) -> Iterator[Finding]:
    for query in subject.queries:
        for node in query.root.walk():
            index = _index_of_element(node)
            if index is not None:
                at = query.text.rfind("[", node.start, node.end) if index.start == index.end else index.start
                yield subject.at(
                    query.path,
                    f"[{index.value}] is taken of each element here, and an element with fields has none",
                    hint=f"write | [{index.value}] for one element of the list",
                    offset=_bracket(query.text, node, index, at),
                    length=len(f"[{index.value}]"),
                )


def _index_of_element(node: Node) -> Node | None:
    """The index right behind a filter whose condition reads fields: its elements are objects, not lists."""
    if node.kind != "filter_projection":
        return None
    _, right, condition = node.children
    while right.kind in ("index_expression", "subexpression", "projection"):
        right = right.children[0] if right.children[0].kind != "identity" else right.children[1]
    reads_fields = any(part.kind == "field" for part in condition.walk())
    return right if right.kind == "index" and reads_fields else None


def _bracket(text: str, node: Node, index: Node, otherwise: int) -> int:
    """Where the index is written: behind the condition."""
    found = text.find(f"[{index.value}]", node.children[2].end)
    return found if found >= 0 else otherwise


RULE = Rule("QRY005", "An index behind a filter is taken of each element, not of the list.", "error", check)
