"""A field that a tenant has to fill in, and that nothing reads."""

from __future__ import annotations

from collections.abc import Iterator

from spec_lint.reads import Reads
from spec_lint.rule import Finding, Rule
from spec_lint.subject import Subject


def check(subject: Subject) -> Iterator[Finding]:
    reads = Reads()
    for _, found in subject.reads:
        reads.add(found)
    named = {*subject.spec.get("hosts", ()), subject.spec.get("webhooks", {}).get("route", {}).get("equals")}
    for form, root in (("configSchema", ""), ("app", "app")):
        for name, field in subject.resolved.get(form, {}).get("properties", {}).items():
            place = root or ("credentials" if field.get("writeOnly") else "config")
            if not reads.has((place, name)) and f"{place}.{name}" not in named:
                yield subject.at(
                    (form, "properties", name),
                    f"nothing reads {place}.{name}, so it is asked for in vain",
                    key=True,
                    hint="leave it out, or send it",
                )


RULE = Rule("USE003", "A field of a form is never used.", "warning", check)
