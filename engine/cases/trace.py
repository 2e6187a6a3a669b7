"""How the answers of a case are classified: which rule of the spec matches each, and why the ones before do not.

The spec is compiled once more with a watcher that knows where each rule stands, and a rule that never matches is put
before all others of each step: it is asked about every answer, and notes it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import field, replace
from typing import Any

from engine.cases.model import Case
from engine.cases.replay import Played, play
from engine.cases.tape import Heard, Recording
from engine.catalog import Catalog, Evaluate, Integration, Rule, Step
from engine.compiled.fault import Path
from engine.compiled.scope import Scope
from engine.diagnostics import Position
from engine.frozen import frozen
from engine.plugins import Registry
from engine.runtime.judge import Judgement, judge
from engine.runtime.transport import Transport
from engine.spec.build import build_integration
from engine.spec.findings import Findings
from engine.spec.load import Compiled
from engine.spec.source import Source


@frozen
class Placed:
    """A rule's judgement with where the rule stands. `rule` names it: `errors[3].codes.E7`."""

    position: Position
    rule: str
    why: str | None


@frozen
class Exchanged:
    """One request of the case with the answer that was given, and the rules that were asked about it."""

    heard: Heard
    step: str
    rules: tuple[Placed, ...]


@frozen
class TracedCall:
    """One call of the case as the engine made it."""

    played: Played = field(repr=False)
    exchanges: tuple[Exchanged, ...]


class Places:
    """A `Watcher` that knows where each rule stands."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._paths: dict[int, Path] = {}
        self._rules: list[Rule] = []  # they live as long as their ids are looked up

    def expression(self, path: Path, evaluate: Evaluate) -> Evaluate:
        return evaluate

    def rule(self, path: Path, rule: Rule) -> Rule:
        made = replace(rule)
        self._rules.append(made)
        self._paths[id(made)] = path
        return made

    def placed(self, judgement: Judgement) -> Placed:
        path = self._paths[id(judgement.rule)]
        if judgement.row is not None:
            path = (*path, "other") if judgement.row == "other" else (*path, "codes", judgement.row)
        name = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in path).lstrip(".")
        position = self._source.position(path, key=judgement.row is not None)
        return Placed(position, name, judgement.why)


def watched(compiled: Compiled, registry: Registry) -> tuple[Integration, Places]:
    """The integration of a spec that compiles, and where its rules stand."""
    assert compiled.source is not None  # it compiles
    assert compiled.findings is not None
    places = Places(compiled.source)
    findings: Findings = compiled.findings.watching(places)
    return build_integration(compiled.resolved, findings, registry, None), places


async def trace(case: Case, compiled: Compiled, registry: Registry) -> list[TracedCall]:
    """Every call of the case. Raises `CallError` when its account can't be connected."""
    integration, places = watched(compiled, registry)
    asked: list[tuple[int, Step, Scope]] = []
    tapes: list[Recording] = []

    def around(wire: Transport) -> Transport:
        tapes.append(Recording(wire))
        return tapes[0]

    def probed(step: Step) -> Step:
        def note(scope: Scope) -> bool:
            asked.append((len(tapes[0].heard) - 1, step, scope))
            return False

        return replace(step, rules=(Rule(None, when=note), *step.rules))

    traced = _probed(integration, probed)
    catalog = Catalog({traced.integration_id: traced}, registry.functions, registry.signers, registry.refreshers)
    calls = await play(case, catalog, around=around)
    exchanges = [_exchanged(heard, _asked_about(i, asked), places) for i, heard in enumerate(tapes[0].heard)]
    sizes = [played.sent for played in calls]
    starts = [sum(sizes[:i]) for i in range(len(sizes))]
    return [
        TracedCall(played, tuple(exchanges[start : start + played.sent]))
        for played, start in zip(calls, starts, strict=True)
    ]


def _probed(integration: Integration, probed: Any) -> Integration:
    actions = {
        name: replace(action, steps=tuple(map(probed, action.steps))) for name, action in integration.actions.items()
    }
    methods = tuple(replace(method, obtain=tuple(map(probed, method.obtain))) for method in integration.methods)
    return replace(integration, actions=actions, methods=methods)


def _asked_about(number: int, asked: Sequence[tuple[int, Step, Scope]]) -> tuple[Step, Scope] | None:
    return next(((step, scope) for i, step, scope in asked if i == number), None)


def _exchanged(heard: Heard, about: tuple[Step, Scope] | None, places: Places) -> Exchanged:
    if about is None:
        return Exchanged(heard, "", ())
    step, scope = about
    found = judge(step.rules, scope, scope["status"], step.effect)
    return Exchanged(heard, step.step_id, tuple(map(places.placed, found)))
