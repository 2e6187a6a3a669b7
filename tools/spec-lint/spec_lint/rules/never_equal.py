"""A comparison that holds for no value, or for every one."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from engine.diagnostics import unknown
from spec_lint.kinds import KINDS, SHOWN, Kinds
from spec_lint.queries import Node
from spec_lint.rule import Finding, Rule
from spec_lint.subject import Subject


def check(subject: Subject) -> Iterator[Finding]:
    for query in subject.queries:
        kinds = Kinds(subject, query)
        for node, rooted in kinds.comparisons():
            why = _why_never(kinds, node, rooted) if node.value in ("eq", "ne") else _why_no_order(kinds, node, rooted)
            if why:
                always = "always" if node.value == "ne" else "never"
                message, hint = why
                yield subject.at(
                    query.path,
                    f"this {always} holds: {message}",
                    hint=hint,
                    offset=node.start,
                    length=node.end - node.start,
                )


def _why_never(kinds: Kinds, node: Node, rooted: bool) -> tuple[str, str] | None:
    left, right = node.children
    for side, literal in ((left, right), (right, left)):
        if literal.kind == "literal" and isinstance(literal.value, str):
            known = _words_of(kinds, side, rooted)
            if known is not None and literal.value not in known:
                return unknown("value", literal.value, map(str, known))
    a, b = (kinds.of(child, rooted=rooted) for child in node.children)
    if a is None or b is None or a == b:
        return None
    return f"{SHOWN[a]} is no {SHOWN[b].removeprefix('a ').removeprefix('an ')}", "text(x) makes a text of a number"


def _words_of(kinds: Kinds, node: Node, rooted: bool) -> list[Any] | None:
    """The texts that a part can be, where that is declared."""
    if node.kind == "function_expression" and node.value == "type":
        return list(KINDS)
    schema = kinds.schema(node) if rooted else None
    known = (schema or {}).get("enum")
    return known if known and all(isinstance(one, str) for one in known) else None


def _why_no_order(kinds: Kinds, node: Node, rooted: bool) -> tuple[str, str] | None:
    for child in node.children:
        kind = kinds.of(child, rooted=rooted)
        if kind in ("boolean", "array", "object"):
            return (
                f"only numbers and texts have an order, and this is {SHOWN[kind]}",
                "compare its length, or an element",
            )
    return None


RULE = Rule("QRY009", "A comparison holds for no value at all.", "error", check)
