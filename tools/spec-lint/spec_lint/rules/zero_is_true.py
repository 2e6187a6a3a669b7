"""`body.errorCode && …` holds for errorCode 0, as the cases show."""

from __future__ import annotations

from collections.abc import Iterator

from spec_lint.recorded import recorded_at
from spec_lint.rule import Finding, Rule
from spec_lint.subject import Subject
from spec_lint.truths import conditions


def check(subject: Subject) -> Iterator[Finding]:
    for query in subject.queries:
        for node in conditions(query):
            found = recorded_at(subject, query, node)
            if any(value == 0 and not isinstance(value, bool) for value in found):
                shown = query.text[node.start : node.end]
                yield subject.at(
                    query.path,
                    f"{shown} is 0 in a case, and 0 counts as true",
                    hint=f"compare it: {shown} != `0`",
                    offset=node.start,
                    length=node.end - node.start,
                )


RULE = Rule("QRY011", "A value that is 0 in a case is taken for true.", "warning", check, needs_cases=True)
