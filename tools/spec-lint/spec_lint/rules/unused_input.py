"""A field of an action's input that goes nowhere."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from engine.compiled.fault import Path
from spec_lint.reads import Name, Reads
from spec_lint.rule import Finding, Rule
from spec_lint.subject import Subject


def check(subject: Subject) -> Iterator[Finding]:
    for path, action in subject.actions():
        reads = Reads()
        for at, found in subject.reads:
            if at[:2] == path or at[0] not in ("actions", "auth", "test", "webhooks"):
                reads.add(found)
        if ("input",) not in reads.whole:
            yield from _unused(subject, action["inputSchema"], (*path, "inputSchema"), ("input",), reads)


def _unused(subject: Subject, schema: Mapping[str, Any], path: Path, name: Name, reads: Reads) -> Iterator[Finding]:
    for field, below in (schema.get("properties") or {}).items():
        here, own = (*path, "properties", field), (*name, field)
        if reads.has(own):
            yield from _unused(subject, below, here, own, reads)
        else:
            message = f"nothing reads {'.'.join(own)}: what a caller gives here goes nowhere"
            yield subject.at(here, message, key=True, hint="send it, or leave it out of the inputSchema")
    items = schema.get("items")
    if isinstance(items, Mapping):
        yield from _unused(subject, items, (*path, "items"), name, reads)


RULE = Rule("USE004", "A field of the input is never used.", "warning", check)
