"""An action that is no longer offered, and to which the spec still sends its callers."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from engine.compiled.fault import Path
from spec_lint.rule import Finding, Rule
from spec_lint.schemas import texts
from spec_lint.subject import Subject


def check(subject: Subject) -> Iterator[Finding]:
    old = {action["actionId"] for _, action in subject.actions() if action.get("deprecated")}
    retired = {path for path, action in subject.actions() if action.get("deprecated")}
    if not old:
        return
    for path, name in _named(subject):
        if name in old and path[:2] not in retired:
            yield subject.at(path, f"{name} is deprecated", hint="name the action that took its place")
    for path, text in texts(subject):
        for word in re.finditer(r"\w+", text):
            if word[0] in old and path[:2] not in retired:
                message = f"{word[0]} is deprecated, so no model is offered it"
                hint = "name the action that took its place"
                yield subject.at(path, message, hint=hint, offset=word.start(), length=len(word[0]))


def _named(subject: Subject) -> Iterator[tuple[Path, str]]:
    """Where the spec itself calls an action, or tells its caller to."""
    path: Path = ("test",)
    block = subject.resolved.get("test")
    while block:
        yield (*path, "action"), block["action"]
        path, block = (*path, "orElse"), block.get("orElse")
    for at, action in subject.actions():
        how = action.get("idempotency")
        if isinstance(how, Mapping) and "confirm" in how:
            yield (*at, "idempotency", "confirm", "action"), how["confirm"]["action"]
        for key in ("errors", "steps", "partial"):
            yield from _next(action.get(key), (*at, key))
    yield from _next(subject.resolved.get("errors"), ("errors",))


def _next(value: Any, path: Path) -> Iterator[tuple[Path, str]]:
    """The advice of rules; what requests are made of is not looked at."""
    if isinstance(value, list):
        for number, below in enumerate(value):
            yield from _next(below, (*path, number))
    elif isinstance(value, Mapping):
        if path[-1] == "next" and "actionId" in value:
            yield (*path, "actionId"), value["actionId"]
        for key in value.keys() - {"request"}:
            yield from _next(value[key], (*path, key))


RULE = Rule("TOOL023", "A deprecated action is still recommended.", "warning", check)
