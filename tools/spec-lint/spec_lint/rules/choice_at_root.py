"""An input whose root is a choice, which no vendor of language models takes."""

from __future__ import annotations

from collections.abc import Iterator

from spec_lint.rule import Finding, Rule
from spec_lint.subject import Subject


def check(subject: Subject) -> Iterator[Finding]:
    for path, action in subject.actions():
        for key in ("anyOf", "const", "enum"):
            if key in action["inputSchema"]:
                yield subject.at(
                    (*path, "inputSchema", key),
                    f"OpenAI and Anthropic refuse a tool with {key} at the root of its input",
                    key=True,
                    hint="a rule over several fields belongs into `checks`: {require: input.email || input.phone, …}",
                )


RULE = Rule("TOOL011", "The root of an input is a choice.", "error", check)
