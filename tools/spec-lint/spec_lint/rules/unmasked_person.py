"""Personal data that the logs would show."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from engine.compiled.fault import Path
from spec_lint.rule import Finding, Rule
from spec_lint.subject import Subject

_WORD = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])|[0-9]+")
_OF_A_FIRM = re.compile(r"\b(?:branch|company|office|shop|store|warehouse)\b", re.IGNORECASE)
_PERSONAL = frozenset({"birthday", "email", "mail", "mobile", "passport", "phone", "tel", "telephone"})
_NAMES = frozenset({("date", "of", "birth"), ("first", "name"), ("full", "name"), ("last", "name"), ("middle", "name")})
_BESIDE = frozenset({("address",), ("name",), ("street",)})
"""Names that are somebody's where a phone number or the like stands beside them."""


def check(subject: Subject) -> Iterator[Finding]:
    for path, _ in subject.actions():
        for key in ("inputSchema", "outputSchema"):
            action = subject.resolved["actions"][path[1]]
            yield from _below(subject, action.get(key, {}), (*path, key))


def _below(subject: Subject, schema: Mapping[str, Any], path: Path) -> Iterator[Finding]:
    if schema.get("x-sensitive"):
        return  # all of it is masked
    fields = schema.get("properties") or {}
    is_person = any(_is_personal(name) for name in fields)
    for name, field in fields.items():
        here = (*path, "properties", name)
        is_theirs = is_person and _words(name) in _BESIDE and not _OF_A_FIRM.search(field.get("description", ""))
        if (_is_personal(name) or is_theirs) and _is_text(field) and not field.get("x-sensitive"):
            message = f"{name} is personal, and the logs show it"
            yield subject.at(here, message, key=True, hint="x-sensitive: true masks it")
        yield from _below(subject, field, here)
    items = schema.get("items")
    yield from _below(subject, items, (*path, "items")) if isinstance(items, Mapping) else ()


def _is_text(field: Mapping[str, Any]) -> bool:
    return field.get("type", "string") == "string" and "enum" not in field


def _is_personal(name: str) -> bool:
    words = _words(name)
    return words[-1:] != () and (words[-1] in _PERSONAL or words[-2:] in _NAMES or words[-3:] in _NAMES)


def _words(name: str) -> tuple[str, ...]:
    return tuple(word.lower() for word in _WORD.findall(name))


RULE = Rule("SEC009", "Personal data are not marked x-sensitive.", "warning", check)
