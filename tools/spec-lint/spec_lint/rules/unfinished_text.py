"""A text that was meant to be written later."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from engine.compiled.fault import Path
from spec_lint.rule import Finding, Rule
from spec_lint.subject import Subject

_KEYS = frozenset({"description", "message", "name", "provider", "title"})
_LATER = re.compile(
    rf"\b(?:{'TO' + 'DO'}|{'FIX' + 'ME'}|{'X' * 3}|TBD)\b|\.{{4,}}|<[a-z]+(?: [a-z]+)*>"
    r"|\b(?i:lorem ipsum|(?:description|text) (?:goes )?here|to be (?:described|defined|written))\b"
    r"|(?<=[:;] )(?:say here|put the provider's own fields here)\b"
)
"""What stands for a text that comes later; the last line is what a new integration begins with."""

_PLACES = frozenset({"app", "checks", "configSchema", "inputSchema", "outputSchema"})


def check(subject: Subject) -> Iterator[Finding]:
    for path, text in _texts(subject):
        match = _LATER.search(text)
        if match:
            yield subject.at(
                path,
                f"{match[0]}: this text is not written yet",
                hint="write it: people and models go by it",
                offset=match.start(),
                length=len(match[0]),
            )


def _texts(subject: Subject) -> Iterator[tuple[Path, str]]:
    for path, block in (((), subject.resolved), *subject.actions()):
        yield from (((*path, key), block[key]) for key in _KEYS if isinstance(block.get(key), str))
        for place in _PLACES & block.keys():
            yield from _below(block[place], (*path, place))


def _below(value: Any, path: Path) -> Iterator[tuple[Path, str]]:
    entries = value.items() if isinstance(value, Mapping) else enumerate(value) if isinstance(value, list) else ()
    for key, below in entries:
        if key in _KEYS and isinstance(below, str):
            yield (*path, key), below
        else:
            yield from _below(below, (*path, key))


RULE = Rule("TOOL010", "A text was left to be written later.", "warning", check)
