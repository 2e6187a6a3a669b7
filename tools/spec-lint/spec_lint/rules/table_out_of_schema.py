"""A table whose values the outputSchema does not know."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from spec_lint.outputs import schema_of_output
from spec_lint.queries import Node
from spec_lint.rule import Finding, Rule
from spec_lint.subject import Subject


def check(subject: Subject) -> Iterator[Finding]:
    for query in subject.queries:
        table = _looked_up(query.root)
        schema = schema_of_output(subject.resolved, query.path) if table is not None else None
        known = (schema or {}).get("enum")
        if table is None or not known:
            continue
        foreign = [value for value in _values(subject.resolved["tables"][table.value]) if value not in known]
        if foreign:
            shown = ", ".join(map(str, dict.fromkeys(foreign)))
            yield subject.at(
                query.path,
                f"the table {table.value} gives {shown}, which the outputSchema does not allow: INVALID_RESPONSE",
                hint="add it to the enum, or give what stands there",
                offset=table.start,
                length=table.end - table.start,
            )


def _looked_up(node: Node) -> Node | None:
    """The name of the table, where the query is one look-up."""
    is_lookup = node.kind == "function_expression" and node.value == "lookup" and len(node.children) == 2
    return node.children[1] if is_lookup and node.children[1].kind == "literal" else None


def _values(table: Any) -> Iterator[Any]:
    yield from table.get("map", {}).values()
    yield from (rule["is"] for rule in table.get("rules", ()))
    if table.get("other") is not None:
        yield table["other"]


RULE = Rule("USE009", "A table gives what the outputSchema does not allow.", "error", check)
