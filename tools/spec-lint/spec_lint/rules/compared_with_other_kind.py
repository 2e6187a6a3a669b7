"""`body.code == '200'` where the provider sends the number 200."""

from __future__ import annotations

from collections.abc import Iterator

from spec_lint.kinds import SHOWN, kind_of
from spec_lint.queries import Node
from spec_lint.recorded import recorded_at
from spec_lint.rule import Finding, Rule
from spec_lint.subject import Subject


def check(subject: Subject) -> Iterator[Finding]:
    for query in subject.queries:
        for node in query.root.walk():
            pair = _with_literal(node)
            if pair is None:
                continue
            side, literal = pair
            kinds = {kind_of(value) for value in recorded_at(subject, query, side)} - {None}
            if len(kinds) == 1 and kind_of(literal.value) not in kinds:
                kind = SHOWN[str(kinds.pop())]
                yield subject.at(
                    query.path,
                    f"{query.text[side.start : side.end]} is {kind} in every case, and is compared with "
                    f"{SHOWN[str(kind_of(literal.value))]}",
                    hint="a number or a word stands in backticks, a text in single quotes",
                    offset=literal.start,
                    length=literal.end - literal.start,
                )


def _with_literal(node: Node) -> tuple[Node, Node] | None:
    """What is compared with a literal other than null, and that literal."""
    if node.kind != "comparator":
        return None
    left, right = node.children
    for side, literal in ((left, right), (right, left)):
        if literal.kind == "literal" and literal.value is not None:
            return side, literal
    return None


RULE = Rule(
    "QRY012", "A value is compared with one of another type than the cases show.", "error", check, needs_cases=True
)
