"""A value that is computed under `vars`, `read` or `outputs`, and that nothing reads."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from engine.compiled.fault import Path
from spec_lint.reads import Name, Reads
from spec_lint.rule import Finding, Rule
from spec_lint.subject import Subject


def check(subject: Subject) -> Iterator[Finding]:
    for path, block in _blocks(subject):
        reads = Reads()
        for at, found in subject.reads:
            if at[: len(path)] == path or at[0] not in ("actions", "auth", "webhooks"):
                reads.add(found)
        for at, name in _computed(path, block):
            if not reads.has(name):
                shown = ".".join(name)
                yield subject.at(at, f"nothing reads {shown}", key=True, hint="leave it out")


def _blocks(subject: Subject) -> Iterator[tuple[Path, Mapping[str, Any]]]:
    """Everything with values of its own."""
    yield from subject.actions()
    for number, method in enumerate(subject.resolved.get("auth", ())):
        yield ("auth", number), method
    if "webhooks" in subject.resolved:
        yield ("webhooks",), subject.resolved["webhooks"]


def _computed(path: Path, block: Mapping[str, Any]) -> Iterator[tuple[Path, Name]]:
    for root in ("vars", "read"):
        for name in block.get(root, ()):
            yield (*path, root, name), (root, name)
    steps, at = block.get("steps", ()), (*path, "steps")
    if path[0] == "auth":
        steps, at = block.get("obtain", {}).get("steps", ()), (*path, "obtain", "steps")
    for number, step in enumerate(steps):
        for name in step.get("outputs", ()):
            yield (*at, number, "outputs", name), ("steps", step["stepId"], "outputs", name)


RULE = Rule("USE002", "A value is computed, and nothing reads it.", "warning", check)
