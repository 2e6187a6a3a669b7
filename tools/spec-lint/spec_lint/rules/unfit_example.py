"""An example, or a value of an enum, that its own schema refuses."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from engine.compiled.schema import Schema
from spec_lint.rule import Finding, Rule
from spec_lint.schemas import BOTH, Part, below, parts
from spec_lint.subject import Subject


def check(subject: Subject) -> Iterator[Finding]:
    for part in (*below(subject.resolved["configSchema"], ("configSchema",)), *parts(subject, *BOTH)):
        yield from _misfits(subject, part, "examples", part.schema)
        without = {key: value for key, value in part.schema.items() if key != "enum"}
        yield from _misfits(subject, part, "enum", without)


def _misfits(subject: Subject, part: Part, key: str, raw: Mapping[str, object]) -> Iterator[Finding]:
    values = part.schema.get(key, ())
    schema = Schema(raw) if values else None
    for number, value in enumerate(values):
        issues = schema.check(value) if schema else ()
        if issues:
            what = "example" if key == "examples" else "value"
            message = f"this {what} does not fit its own schema: it {issues[0].message}"
            yield subject.at((*part.path, key, number), message, hint="write one that fits, or leave it out")


RULE = Rule("TOOL017", "An example, or a value of an enum, does not fit its own schema.", "error", check)
