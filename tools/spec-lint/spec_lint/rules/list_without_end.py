"""A list that may be of any length."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from spec_lint.places import Schema
from spec_lint.rule import Finding, Rule
from spec_lint.subject import Subject


def check(subject: Subject) -> Iterator[Finding]:
    for path, action in subject.actions():
        schema = action["outputSchema"]
        if action["category"] != "read" or "pagination" in action or not _is_list(schema):
            continue
        for name, field in schema["properties"].items():
            if field.get("type") == "array" and "maxItems" not in field:
                yield subject.at(
                    (*path, "outputSchema", "properties", name),
                    f"{name} may have any length: there is neither pagination nor maxItems",
                    key=True,
                    hint="pagination where the provider has pages; else maxItems, as many as it ever gives",
                )


def _is_list(schema: Schema) -> bool:
    """Is a list what the action is about? Beside it there may be counts, but nothing that tells of one thing."""
    fields: Mapping[str, Schema] = schema.get("properties", {})
    kinds = {fields[name].get("type") for name in schema.get("required", ()) if name in fields}
    return "array" in kinds and kinds <= {"array", "integer", "boolean"}


RULE = Rule("TOOL019", "A list has neither pages nor an end.", "warning", check)
