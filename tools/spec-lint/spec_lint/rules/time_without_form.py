"""A time in a form that nobody tells."""

from __future__ import annotations

import re
from collections.abc import Iterator

from spec_lint.rule import Finding, Rule
from spec_lint.schemas import BOTH, Part, properties
from spec_lint.subject import Subject

_LAST = frozenset({"at", "date", "datetime", "timestamp"})
_TELLING = frozenset({"const", "enum", "examples", "format", "pattern"})
_FORM = re.compile(
    r"\b(?:UTC|GMT|ISO|RFC|Unix|epoch|seconds|milliseconds|zone|offset|(?:local|\w+ese|Hanoi|shop's) time|in words)\b"
    r"|[yY]{4}|\b[dD]{2}\b|\d{4}-\d\d|\d\d?[:/h]\d\d"
)
_HINT = "format: date-time where the time has its zone (from_time makes such); else write form and zone down"


def check(subject: Subject) -> Iterator[Finding]:
    for field in properties(subject, *BOTH):
        if _is_time(field) and _TELLING.isdisjoint(field.schema) and not _FORM.search(field.description):
            has_text = bool(field.description)
            yield subject.at(
                (*field.path, "description") if has_text else field.path,
                f"nothing says in which form and zone {field.name} is",
                key=not has_text,
                hint=_HINT,
            )


def _is_time(field: Part) -> bool:
    return field.words[-1:] != () and field.words[-1] in _LAST and (field.types == {"string"} or field.is_number)


RULE = Rule("TOOL007", "Nothing says in which form and zone a time is.", "warning", check)
