"""The error rules of a spec as rules of lint see them: each list, each rule in it, each outcome of a rule."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from engine.compiled.fault import Path
from spec_lint.subject import Subject

BODY = ("when", "by", "messageContains")
"""The matchers that look into the answer."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """One error rule."""

    path: Path
    block: Mapping[str, Any]
    effects: frozenset[str]
    """What the requests that it can meet do: read, write."""
    action: Mapping[str, Any] | None
    """The action that it belongs to; None: all actions, or a login."""

    @property
    def statuses(self) -> frozenset[int] | None:
        status = self.block.get("status")
        return None if status is None else frozenset(status if isinstance(status, list) else [status])

    @property
    def looks_inside(self) -> bool:
        return any(key in self.block for key in BODY)

    def outcomes(self) -> Iterator[tuple[Path, Mapping[str, Any]]]:
        """What the rule says: once, or for each row of `codes` and `other`; what the rule says holds for its rows."""
        block = self.block
        if "by" not in block:
            yield self.path, block
            return
        base = {key: value for key, value in block.items() if key not in ("by", "codes", "other")}
        rows: list[tuple[Path, Any]] = [(("codes", key), row) for key, row in block["codes"].items()]
        rows += [(("other",), block["other"])] if "other" in block else []
        for step, row in rows:
            own = row if isinstance(row, Mapping) else {"code": row}
            yield (*self.path, *step), {**base, **own}


Owner = Literal["integration", "action", "step", "login"]


@dataclass(frozen=True, slots=True)
class Refusals:
    """One list of error rules, of which the first that matches wins."""

    owner: Owner
    rules: tuple[Refusal, ...]


def refusals(subject: Subject) -> Iterator[Refusals]:
    """Every list of error rules."""
    spec = subject.resolved
    used = frozenset(step.effect for action in subject.integration.actions.values() for step in action.steps)
    yield _list("integration", ("errors",), spec, used, None)
    for path, action in subject.actions():
        steps = subject.integration.actions[action["actionId"]].steps
        here = frozenset(step.effect for step in steps)
        yield _list("action", (*path, "errors"), action, here, action)
        for number, block in enumerate(action.get("steps", ())):
            effect = frozenset({steps[number].effect})
            yield _list("step", (*path, "steps", number, "errors"), block, effect, action)
    for number, method in enumerate(spec.get("auth", ())):
        yield _list("login", ("auth", number, "errors"), method, frozenset({"read"}), None)
        for step, block in enumerate(method.get("obtain", {}).get("steps", ())):
            at = ("auth", number, "obtain", "steps", step, "errors")
            yield _list("login", at, block, frozenset({"read"}), None)


def _list(
    owner: Owner, path: Path, holder: Mapping[str, Any], met: frozenset[str], action: Mapping[str, Any] | None
) -> Refusals:
    rules = []
    for number, block in enumerate(holder.get("errors", ())):
        own = frozenset({block["effect"]}) if "effect" in block else met
        rules.append(Refusal((*path, number), block, own & met, action))
    return Refusals(owner, tuple(rules))
