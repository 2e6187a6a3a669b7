"""A field whose name says that it is secret, and that is kept and shown like any other."""

from __future__ import annotations

from collections.abc import Iterator

from spec_lint.rule import Finding, Rule
from spec_lint.secrecy import names_secret
from spec_lint.subject import Subject


def check(subject: Subject) -> Iterator[Finding]:
    for form in ("configSchema", "app"):
        for name, field in subject.resolved.get(form, {}).get("properties", {}).items():
            if names_secret(name) and field.get("type", "string") == "string" and not field.get("writeOnly"):
                yield subject.at(
                    (form, "properties", name),
                    f"{name} is stored in the clear and shown to everybody who may see the connection",
                    key=True,
                    hint="writeOnly: true keeps it encrypted and never shows it",
                )


RULE = Rule("SEC004", "A field that is secret by its name is not writeOnly.", "error", check)
