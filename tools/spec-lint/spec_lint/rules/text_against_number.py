"""`'2' < `3`` can't be computed: a text and a number have no order."""

from __future__ import annotations

from collections.abc import Iterator

from spec_lint.kinds import Kinds
from spec_lint.rule import Finding, Rule
from spec_lint.subject import Subject


def check(subject: Subject) -> Iterator[Finding]:
    for query in subject.queries:
        kinds = Kinds(subject, query)
        for node, rooted in kinds.comparisons():
            left, right = (kinds.of(child, rooted=rooted) for child in node.children)
            if node.value not in ("eq", "ne") and {left, right} == {"string", "number"}:
                yield subject.at(
                    query.path,
                    "a text and a number can't be ordered, so this can never be computed",
                    hint="make a number of the text: to_number(x) or decimal(x)",
                    offset=node.start,
                    length=node.end - node.start,
                )


RULE = Rule("QRY008", "A text is ordered against a number, which can't be computed.", "error", check)
