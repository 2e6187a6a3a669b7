"""`/{{ 'a/' ~ input.b }}`: the slash of an expression is no slash of the path."""

from __future__ import annotations

from collections.abc import Iterator

from engine.compiled import nodes
from spec_lint.expressions import results
from spec_lint.rule import Finding, Rule
from spec_lint.subject import Subject


def check(subject: Subject) -> Iterator[Finding]:
    for template in subject.templates:
        if template.path[-2:] != ("request", "path"):
            continue
        for expression in template.expressions:
            texts = {part.value for part in results(expression.tree) if isinstance(part, nodes.Const)}
            for word in expression.words:
                if word.text in texts and "/" in word.text:
                    yield subject.at(
                        template.path,
                        "each expression is one segment of the path, so this slash is sent as %2F",
                        hint="write the slash outside of {{ }}",
                        offset=word.start,
                        length=word.end - word.start,
                    )


RULE = Rule("TPL004", "A slash inside an expression of a path is encoded.", "error", check)
