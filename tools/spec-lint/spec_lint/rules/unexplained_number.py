"""Numbers that stand for something, and nobody says for what."""

from __future__ import annotations

import re
from collections.abc import Iterator

from spec_lint.rule import Finding, Rule
from spec_lint.schemas import Part, parts
from spec_lint.subject import Subject


def check(subject: Subject) -> Iterator[Finding]:
    for part in parts(subject, "inputSchema"):
        numbers = [value for value in part.schema.get("enum", ()) if not isinstance(value, str | bool | None)]
        said = set(re.findall(r"(?<!\w)-?\d+(?:\.\d+)?", f"{part.description} {_of_list(part)}"))
        silent = [str(value) for value in numbers if str(value) not in said]
        if silent:
            yield subject.at(
                (*part.path, "enum"),
                f"the description does not say what {', '.join(silent)} stand{'s' * (len(silent) == 1)} for",
                key=True,
                hint="2 = light goods, 5 = heavy goods; or take words and translate them with a table",
            )


def _of_list(part: Part) -> str:
    """The elements of a list may be explained where the list is."""
    return str(part.above[-1].get("description", "")) if part.path[-1] == "items" else ""


RULE = Rule("TOOL006", "An input takes numbers that the description does not explain.", "warning", check)
