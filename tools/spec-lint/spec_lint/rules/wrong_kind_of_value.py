"""A query gives a list where one value is wanted, or a text where a number is."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from engine.compiled.fault import Path
from spec_lint.kinds import SHOWN, Kinds
from spec_lint.outputs import schema_of_output
from spec_lint.queries import Query
from spec_lint.rule import Finding, Rule
from spec_lint.subject import Subject

_ONE_VALUE = frozenset({"string", "number", "boolean"})
_TEXT = frozenset({"string"})
_ROLES: Mapping[str, frozenset[str]] = {
    "by": _ONE_VALUE,
    "code": _ONE_VALUE,
    "providerCode": _ONE_VALUE,
    "message": _TEXT,
    "access": _TEXT,
    "retryAfter": frozenset({"number"}),
}
"""What the engine takes from a query of this role."""

_RULES = frozenset({"errors", "partial"})
_TREES = frozenset({"details", "input", "output", "outputs"})
_KINDS = {"integer": "number"}


def check(subject: Subject) -> Iterator[Finding]:
    for query in subject.queries:
        wanted = _wanted(subject, query)
        kind = Kinds(subject, query).of(query.root) if wanted else None
        if kind is not None and wanted and kind not in wanted:
            yield subject.at(
                query.path,
                f"this gives {SHOWN[kind]}, and {_or(wanted)} is wanted here",
                hint="| [0] takes the first of a list" if kind == "array" else "",
                offset=0,
                length=len(query.text.split("\n")[0].rstrip()),
            )


def _wanted(subject: Subject, query: Query) -> frozenset[str] | None:
    schema = schema_of_output(subject.resolved, query.path)
    if schema is not None:
        return _declared(schema)
    return _ROLES.get(str(query.path[-1])) if _is_role(query.path) else None


def _is_role(path: Path) -> bool:
    """Is it a key of the language, and no name of the author's own?"""
    if path[-2:-1] in (("answer",), ("token",)):
        return True
    return not _RULES.isdisjoint(path[:-1]) and _TREES.isdisjoint(path[:-1])


def _declared(schema: Mapping[str, Any]) -> frozenset[str] | None:
    types = schema.get("type")
    if types is None:
        return None
    return frozenset(_KINDS.get(kind, kind) for kind in ([types] if isinstance(types, str) else types))


def _or(kinds: frozenset[str]) -> str:
    return " or ".join(SHOWN.get(kind, kind) for kind in SHOWN if kind in kinds)


RULE = Rule("QRY014", "A query gives another kind of value than is wanted at its place.", "error", check)
