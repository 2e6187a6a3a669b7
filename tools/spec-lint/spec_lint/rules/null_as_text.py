"""`to_string(a)` is the text null where a is null."""

from __future__ import annotations

from collections.abc import Iterator

from spec_lint.nullness import may_be_null
from spec_lint.rule import Finding, Rule
from spec_lint.subject import Subject


def check(subject: Subject) -> Iterator[Finding]:
    for query in subject.queries:
        for call, argument in may_be_null(subject, query, {"to_string": (0,)}):
            shown = " ".join(query.text[argument.start : argument.end].split())
            yield subject.at(
                query.path,
                f"to_string gives the text null where {shown} is null",
                hint=f"write text({shown}): null stays null",
                offset=call.start,
                length=len("to_string"),
            )


RULE = Rule("QRY007", "to_string makes the text null of what may be null.", "warning", check)
