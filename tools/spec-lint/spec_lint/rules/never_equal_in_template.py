"""`input.payer == 'recipient'` where the payer is shop or receiver."""

from __future__ import annotations

from collections.abc import Iterator

from engine.compiled import nodes
from engine.diagnostics import unknown
from spec_lint.expressions import name_of
from spec_lint.places import schema_of
from spec_lint.rule import Finding, Rule
from spec_lint.subject import Subject
from spec_lint.templates import Template


def check(subject: Subject) -> Iterator[Finding]:
    for template in subject.templates:
        for expression in template.expressions:
            for compared in expression.tree.find_all(nodes.Compare) if "'" in expression.text else ():
                for text, known in _misfits(subject, template, compared):
                    word = next(word for word in expression.words if word.text == text)
                    message, hint = unknown("value", text, known)
                    yield subject.at(
                        template.path,
                        f"the comparison never holds: {message}",
                        hint=hint,
                        offset=word.start,
                        length=word.end - word.start,
                    )


def _misfits(subject: Subject, template: Template, compared: nodes.Compare) -> Iterator[tuple[str, list[str]]]:
    """The literals that the name before them can never be, with what it can be."""
    name = name_of(compared.expr)
    schema = schema_of(subject.resolved, template.path, name) if name and len(name) > 1 else None
    known = (schema or {}).get("enum", ())
    if not known or not all(isinstance(one, str) for one in known):
        return
    for operand in compared.ops:
        listed = operand.expr.items if isinstance(operand.expr, nodes.List | nodes.Tuple) else [operand.expr]
        for item in listed if operand.op in ("eq", "ne", "in", "notin") else ():
            if isinstance(item, nodes.Const) and isinstance(item.value, str) and item.value not in known:
                yield item.value, list(known)


RULE = Rule("TPL008", "A template compares with a value that there never is.", "error", check)
