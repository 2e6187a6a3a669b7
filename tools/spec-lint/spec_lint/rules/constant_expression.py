"""`{{ 'x' }}` is the text x, written in a longer way."""

from __future__ import annotations

from collections.abc import Iterator

from engine.compiled import nodes
from spec_lint.rule import Finding, Rule
from spec_lint.subject import Subject


def check(subject: Subject) -> Iterator[Finding]:
    for template in subject.templates:
        for expression in template.expressions:
            tree = expression.tree
            if not isinstance(tree, nodes.Const) or (isinstance(tree.value, str) and "{" in tree.value):
                continue
            is_whole = len(template.pieces) == 1 and isinstance(tree.value, str)
            yield subject.at(
                template.path,
                "this expression reads nothing: it is always the same",
                hint="write the value as it is, without {{ }}",
                offset=expression.start - 2,
                length=expression.end + 2 - (expression.start - 2),
                fix=subject.rewriting(template.path, tree.value) if is_whole else None,
            )


RULE = Rule("TPL006", "An expression is a constant.", "warning", check)
