"""`lookup` of a value that the table does not have."""

from __future__ import annotations

from collections.abc import Iterator

from engine.compiled import nodes
from engine.compiled.fault import Path
from engine.compiled.words import Span
from spec_lint.expressions import literal_argument, name_of
from spec_lint.kinds import path_of
from spec_lint.places import schema_of
from spec_lint.rule import Finding, Rule
from spec_lint.subject import Subject
from spec_lint.templates import Expression, Template

_Values = frozenset[str]


def check(subject: Subject) -> Iterator[Finding]:
    for template in subject.templates:
        for expression in template.expressions if "lookup" in template.text else ():
            yield from _in_expression(subject, template, expression)
    for query in subject.queries:
        for node in query.root.walk() if "lookup" in query.text else ():
            if node.kind == "function_expression" and node.value == "lookup" and len(node.children) == 2:
                name, table = path_of(node.children[0]), node.children[1]
                known = _enum(subject, query.path, tuple(map(str, name))) if name else None
                yield from _findings(subject, query.path, str(table.value), known, (table.start, table.end))


def _in_expression(subject: Subject, template: Template, expression: Expression) -> Iterator[Finding]:
    for part in (expression.tree, *expression.tree.find_all(nodes.Filter)):
        if isinstance(part, nodes.Filter) and part.name == "lookup" and part.node is not None:
            table = str(literal_argument(part, 0, "table"))
            word = next(word for word in expression.words if word.text == table)
            known = _values(subject, template, part.node)
            yield from _findings(subject, template.path, table, known, (word.start, word.end))


def _findings(subject: Subject, path: Path, table: str, known: _Values | None, span: Span) -> Iterator[Finding]:
    missing = _missing(subject, table, known)
    if missing:
        message = f"the table {table} has no {', '.join(missing)}, and no `other`: then nothing is sent"
        yield subject.at(path, message, offset=span[0], length=span[1] - span[0])


def _missing(subject: Subject, table: str, known: _Values | None) -> list[str]:
    """What can be looked up and is not there."""
    block = subject.resolved["tables"][table]
    if known is None or "other" in block or "map" not in block:
        return []
    return sorted(known - block["map"].keys())


def _values(subject: Subject, template: Template, tree: nodes.Node) -> _Values | None:
    """Everything that a part can be; None where that is not known."""
    if isinstance(tree, nodes.Const):
        return frozenset({str(tree.value)})
    if isinstance(tree, nodes.CondExpr):
        return _both(*(_values(subject, template, branch) for branch in (tree.expr1, tree.expr2) if branch))
    if isinstance(tree, nodes.Filter) and tree.name == "default" and tree.node is not None and tree.args:
        return _both(*(_values(subject, template, part) for part in (tree.node, tree.args[0])))
    name = name_of(tree)
    return _enum(subject, template.path, name) if name else None


def _both(*parts: _Values | None) -> _Values | None:
    known = [part for part in parts if part is not None]
    return frozenset().union(*known) if len(known) == len(parts) else None


def _enum(subject: Subject, path: Path, name: tuple[str, ...]) -> _Values | None:
    schema = schema_of(subject.resolved, path, name) if len(name) > 1 else None
    known = (schema or {}).get("enum")
    return frozenset(map(str, known)) if known else None


RULE = Rule("USE008", "A table lacks a value that can be looked up in it.", "error", check)
