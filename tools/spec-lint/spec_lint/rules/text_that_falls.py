"""`{{ input.a }}, {{ input.b }}` is absent as a whole where b is absent."""

from __future__ import annotations

from collections.abc import Iterator

from engine.compiled.expressions import is_sure
from spec_lint.rule import Finding, Rule
from spec_lint.subject import Subject
from spec_lint.templates import Expression, Template

_GIVEN = frozenset({"input", "config", "item"})
"""Roots of what somebody may leave out."""


def check(subject: Subject) -> Iterator[Finding]:
    for template in subject.templates:
        if template.path[-1] in ("path", "url") or len(template.expressions) < 2:
            continue
        for expression in template.expressions:
            if _may_be_left_out(template, expression):
                yield subject.at(
                    template.path,
                    "without this value the whole text is absent, with everything else that it holds",
                    hint="give it a default, or put the parts together: {$text: […], $join: ' '} drops what is absent",
                    offset=expression.start - 2,
                    length=expression.end + 2 - (expression.start - 2),
                )


def _may_be_left_out(template: Template, expression: Expression) -> bool:
    roots = {path[0] for path in expression.paths}
    return bool(roots) and roots <= _GIVEN and not is_sure(expression.tree, template.names)


RULE = Rule("TPL007", "One optional value makes a text of several parts fall as a whole.", "warning", check)
