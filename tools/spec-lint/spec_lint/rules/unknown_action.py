"""A description that sends its reader to an action which does not exist."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from engine.diagnostics import nearest, unknown
from spec_lint.rule import Finding, Rule
from spec_lint.schemas import action_ids, texts
from spec_lint.subject import Subject

_NAME = re.compile(r"(?<![\w.{$])[a-z][a-z0-9]*(?:_[a-z0-9]+)+(?![\w}=])")
_VERBS = frozenset(
    ["cancel", "check", "create", "delete", "find", "get", "list", "refund", "search", "send", "track", "update"]
)
_PROSE = frozenset({"description", "message", "title"})


def check(subject: Subject) -> Iterator[Finding]:
    known = action_ids(subject)
    verbs = _VERBS | {name.split("_")[0] for name in known}
    others = set(_names(subject.resolved))
    for path, text in texts(subject):
        for match in _NAME.finditer(text):
            name = match[0]
            is_meant = name.split("_")[0] in verbs or nearest(name, known) is not None
            if is_meant and name not in known and name not in others:
                message, hint = unknown("action", name, known)
                yield subject.at(path, message, hint=hint, offset=match.start(), length=len(name))


def _names(value: Any) -> Iterator[str]:
    """Every such word that stands in the spec outside its prose: a scope, a state, a field of the provider."""
    if isinstance(value, Mapping):
        for key, below in value.items():
            yield from _NAME.findall(key)
            yield from _names(below) if key not in _PROSE or not isinstance(below, str) else ()
    elif isinstance(value, list):
        for below in value:
            yield from _names(below)
    elif isinstance(value, str):
        yield from _NAME.findall(value)


RULE = Rule("TOOL008", "A description names an action that does not exist.", "error", check)
