"""`"{{ input.tags }}, x"` where the tags are a list."""

from __future__ import annotations

from collections.abc import Iterator

from spec_lint.expressions import name_of
from spec_lint.kinds import SHOWN
from spec_lint.places import schema_of
from spec_lint.rule import Finding, Rule
from spec_lint.subject import Subject


def check(subject: Subject) -> Iterator[Finding]:
    for template in subject.templates:
        for expression in template.expressions if len(template.pieces) > 1 else ():
            name = name_of(expression.tree)
            schema = schema_of(subject.resolved, template.path, name) if name and len(name) > 1 else None
            kind = schema.get("type") if schema is not None else None
            if kind in ("array", "object"):
                yield subject.at(
                    template.path,
                    f"{expression.text.strip()} is {SHOWN[kind]}, which is no part of a text: the call will fail",
                    hint="let it stand alone, which keeps its type; | json makes a text of it",
                    offset=expression.start - 2,
                    length=len(expression.text) + 4,
                )


RULE = Rule("TPL009", "A list or an object stands inside a text.", "error", check)
