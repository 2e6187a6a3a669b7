"""`contains(a, 'x')` can't be computed where a is null."""

from __future__ import annotations

from collections.abc import Iterator
from textwrap import shorten

from spec_lint.kinds import Kinds
from spec_lint.nullness import FRAGILE, may_be_null
from spec_lint.places import decides
from spec_lint.rule import Finding, Rule
from spec_lint.subject import Subject

_LISTS = frozenset({"avg", "join", "map", "max", "max_by", "min", "min_by", "sort", "sort_by", "sum"})
_OBJECTS = frozenset({"keys", "merge", "values"})
_NUMBERS = frozenset({"abs", "ceil", "floor"})


def check(subject: Subject) -> Iterator[Finding]:
    for query in subject.queries:
        kinds = Kinds(subject, query)
        for call, argument in may_be_null(subject, query, FRAGILE):
            shown = shorten(query.text[argument.start : argument.end], 60, placeholder=" …")
            then = "that is no match" if decides(query.path) else "then the whole block that it belongs to fails"
            yield subject.at(
                query.path,
                f"{call.value} can't be computed where {shown} is null; {then}",
                hint=f"guard it: (… || {_instead(call.value, kinds.of(argument))})",
                offset=argument.start,
                length=argument.end - argument.start,
            )


def _instead(function: str, kind: str | None) -> str:
    if function in _LISTS or kind == "array":
        return "`[]`"
    return "`{}`" if function in _OBJECTS else "`0`" if function in _NUMBERS else "''"


RULE = Rule("QRY006", "A function is given what may be null, and then can't be computed.", "warning", check)
