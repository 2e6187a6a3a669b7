"""An output that may be empty."""

from __future__ import annotations

from collections.abc import Iterator

from spec_lint.rule import Finding, Rule
from spec_lint.subject import Subject


def check(subject: Subject) -> Iterator[Finding]:
    for path, action in subject.actions():
        schema = action["outputSchema"]
        if schema.get("properties") and not schema.get("required"):
            yield subject.at(
                (*path, "outputSchema"),
                "no field of the output is required, so an answer that says nothing passes for a success",
                key=True,
                hint="required: [the fields without which the answer is worth nothing]",
            )


RULE = Rule("TOOL020", "No field of an output is required.", "warning", check)
