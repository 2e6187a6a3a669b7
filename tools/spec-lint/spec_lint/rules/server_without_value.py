"""A table of servers that does not have what a tenant can choose."""

from __future__ import annotations

from collections.abc import Iterator

from engine.diagnostics import unknown
from spec_lint.places import schema_of
from spec_lint.rule import Finding, Rule
from spec_lint.subject import Subject


def check(subject: Subject) -> Iterator[Finding]:
    for name, server in subject.resolved["servers"].items():
        if isinstance(server, str):
            continue
        path = ("servers", name)
        field = tuple(server["by"].split("."))
        known = (schema_of(subject.resolved, path, field) or {}).get("enum")
        if not known:
            message = f"{server['by']} has no enum, so a tenant can choose what has no URL"
            yield subject.at((*path, "by"), message, hint=f"enum: [{', '.join(key for key in server if key != 'by')}]")
            continue
        for key in server:
            if key != "by" and key not in map(str, known):
                message, hint = unknown("value", key, map(str, known))
                yield subject.at((*path, key), f"{message} of {server['by']}", key=True, hint=hint)
        for value in known:
            if str(value) not in server:
                yield subject.at((*path, "by"), f"no URL for {server['by']} = {value}: every call would fail", hint="")


RULE = Rule("USE007", "The URLs of a server are not those that a tenant can choose among.", "error", check)
