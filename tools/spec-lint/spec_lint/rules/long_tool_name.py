"""A tool whose name is longer than the clients of language models take."""

from __future__ import annotations

from collections.abc import Iterator

from spec_lint.rule import Finding, Rule
from spec_lint.subject import Subject

_MOST = 56
"""OpenAI and Gemini take 64, some MCP clients 60 together with the name of the server."""


def check(subject: Subject) -> Iterator[Finding]:
    for path, action in subject.actions():
        name = f"{subject.resolved['integrationId']}__{action['actionId']}"
        if len(name) > _MOST:
            message = f"the tool is called {name}: {len(name)} characters, {len(name) - _MOST} too many"
            yield subject.at((*path, "actionId"), message, hint="shorten the id of the action")


RULE = Rule("TOOL001", "The name of a tool has more than 56 characters.", "error", check)
