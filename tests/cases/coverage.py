"""Which error rules and `ok` rules the cases hit: a copy of the catalogue whose verdicts note that they were given.

A verdict's message is asked for whenever an error is made of it, and its output whenever it is a success after all, so
wrapping these two expressions is enough.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from engine.catalog import Action, Catalog, Evaluate, Integration, Method, Rule, Step, Verdict
from engine.spec.source import read
from tests.cases.recorded import spec_text


@dataclass
class Coverage:
    """Labels such as `errors[3].codes.PHONE_INVALID` by integration: all there are, and those that were hit."""

    declared: dict[str, set[str]] = field(default_factory=dict)
    hit: dict[str, set[str]] = field(default_factory=dict)

    def missing(self, integration_id: str) -> list[str]:
        return sorted(self.declared[integration_id] - self.hit.get(integration_id, set()))


def traced(catalog: Catalog) -> tuple[Catalog, Coverage]:
    coverage = Coverage()
    integrations = {name: _Tracer(one, coverage).integration() for name, one in catalog.integrations.items()}
    return replace(catalog, integrations=integrations), coverage


class _Tracer:
    def __init__(self, integration: Integration, coverage: Coverage) -> None:
        self.one = integration
        self.declared = coverage.declared.setdefault(integration.integration_id, set())
        self.hit = coverage.hit.setdefault(integration.integration_id, set())
        source, _ = read("spec.yaml", spec_text(integration.integration_id))
        assert source is not None
        self.spec: Mapping[str, Any] = source.value
        self.actions = {block["actionId"]: block for block in self.spec["actions"]}

    def integration(self) -> Integration:
        actions = {name: self._action(action) for name, action in self.one.actions.items()}
        return replace(self.one, actions=actions, methods=tuple(map(self._method, self.one.methods)))

    def _action(self, action: Action) -> Action:
        block = self.actions[action.action_id]
        name = f"actions.{action.action_id}"
        steps = tuple(self._step(step, name, len(block.get("errors", ())), action.output) for step in action.steps)
        partial = action.partial
        if partial is not None:
            partial = replace(partial, rule=self._rule(partial.rule, f"{name}.partial", None))
        return replace(action, steps=steps, partial=partial)

    def _method(self, method: Method) -> Method:
        blocks = {block["method"]: block for block in self.spec["auth"]}
        size = len(blocks[method.name].get("errors", ()))
        return replace(
            method, obtain=tuple(self._step(step, f"auth.{method.name}", size, None) for step in method.obtain)
        )

    def _step(self, step: Step, owner: str, owned: int, output: Evaluate | None) -> Step:
        """Rules stand in this order: the step's own, its action's or method's (`owned` of them), the integration's."""
        common = len(self.spec.get("errors", ()))
        own = len(step.rules) - owned - common
        labels = [
            *(f"{owner}.{step.step_id}.errors[{i}]" for i in range(own)),
            *(f"{owner}.errors[{i}]" for i in range(owned)),
            *(f"errors[{i}]" for i in range(common)),
        ]
        rules = (self._rule(rule, label, output) for rule, label in zip(step.rules, labels, strict=True))
        return replace(step, rules=tuple(rules))

    def _rule(self, rule: Rule, label: str, output: Evaluate | None) -> Rule:
        def noting(verdict: Verdict | None, part: str = "") -> Verdict | None:
            return None if verdict is None else self._verdict(verdict, label + part, output)

        codes = {code: noting(verdict, f".codes.{code}") for code, verdict in rule.codes.items()}
        return replace(
            rule,
            verdict=noting(rule.verdict),
            codes={code: verdict for code, verdict in codes.items() if verdict is not None},
            other=noting(rule.other, ".other"),
        )

    def _verdict(self, verdict: Verdict, label: str, output: Evaluate | None) -> Verdict:
        self.declared.add(label)

        def noting(query: Callable[[Any], Any]) -> Evaluate:
            def evaluate(scope: Any) -> Any:
                self.hit.add(label)
                return query(scope)

            return evaluate

        if verdict.code is None:
            return replace(verdict, output=noting(verdict.output or output or (lambda _scope: {})))
        return replace(verdict, message=noting(verdict.message or (lambda scope: scope["message"])))
