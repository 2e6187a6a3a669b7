"""What the cases of one integration reach, and what they do not.

The spec is compiled once more, with somebody in its closures who takes notes, and every case is replayed.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import field, replace
from typing import Any

from engine.cases.model import AnyCase, Case, ConsentCase, ErrandCase, WebhookCase
from engine.cases.notes import Kind, Notes, Raised
from engine.cases.replay_any import replay_any
from engine.cases.token_answers import TokenAnswers
from engine.catalog import Catalog, Integration
from engine.compiled.fault import Path
from engine.frozen import frozen
from engine.plugins import Registry
from engine.spec.build import build_integration
from engine.spec.findings import Findings


@frozen
class Gap:
    """Something that no case brings about. `label` names it in words of the spec: `create_order errors[0]`."""

    path: Path
    kind: Kind
    label: str


@frozen
class Failed:
    """A case that the spec does not reproduce, and in what."""

    case: AnyCase
    problems: tuple[str, ...]


@frozen
class Coverage:
    """`declared` counts the places that cases have to reach. All paths are those of the file."""

    declared: int
    missing: tuple[Gap, ...]
    raised: tuple[Raised, ...]
    failed: tuple[Failed, ...] = field(repr=False)


async def measure(
    spec: Mapping[str, Any], findings: Findings, registry: Registry, cases: Sequence[AnyCase]
) -> Coverage:
    """Replays the cases of one integration. `spec` compiles: `findings` are those of compiling it, its references
    replaced; they know where everything was written."""
    notes = Notes()
    integration = build_integration(spec, findings.watching(notes), registry, None)
    failed = await _replayed(cases, _catalog(spec, integration, cases, notes, registry), notes)
    _count_outcomes(spec, cases, notes)
    missing = (place for place in notes.declared if place not in notes.hit)
    return Coverage(
        declared=len(notes.declared),
        missing=tuple(Gap(place.path, place.kind, label(findings.source.value, place.path)) for place in missing),
        raised=tuple(notes.raised.values()),
        failed=tuple(failed),
    )


def _catalog(
    spec: Mapping[str, Any], integration: Integration, cases: Sequence[AnyCase], notes: Notes, registry: Registry
) -> Catalog:
    renews = TokenAnswers(integration, cases).renews
    methods = tuple(
        notes.method(("auth", i), method, renews=renews or "refresh" in spec["auth"][i])
        for i, method in enumerate(integration.methods)
    )
    webhook = notes.webhook(integration.webhook) if integration.webhook is not None else None
    traced = replace(integration, methods=methods, webhook=webhook)
    return Catalog({traced.integration_id: traced}, registry.functions, registry.signers, registry.refreshers)


async def _replayed(cases: Sequence[AnyCase], catalog: Catalog, notes: Notes) -> list[Failed]:
    failed = []
    for case in cases:
        with notes.playing(case.name, is_spoilt=_is_spoilt(case)):
            problems = await replay_any(case, catalog)
            for kind in _shown(case) if not problems else ():
                notes.came(kind)
        if problems:
            failed.append(Failed(case, tuple(problems)))
    return failed


def _is_spoilt(case: AnyCase) -> bool:
    errors = [turn.error for turn in case.turns] if isinstance(case, Case) else []
    errors += [case.error] if isinstance(case, ConsentCase | ErrandCase) else []
    return any(error.get("code") == "INVALID_RESPONSE" for error in errors)


def _shown(case: AnyCase) -> list[Kind]:
    """What a case shows of the messages and requests that are met in it."""
    shown: list[tuple[Kind, bool]]
    if isinstance(case, WebhookCase):
        shown = [("duplicate", case.again), ("tampered", bool(case.tampers))]
    elif isinstance(case, ConsentCase):
        is_denied = case.error.get("code") == "REAUTH_REQUIRED"
        shown = [("consent", case.result is not None), ("denied", is_denied), ("forged", bool(case.tampers))]
    elif isinstance(case, ErrandCase):
        shown = [("errand", case.result is not None)]
    else:
        is_over = any(turn.error.get("code") == "REAUTH_REQUIRED" for turn in case.turns)
        shown = [("renewed", any(turn.has_result for turn in case.turns)), ("ended", is_over)]
    return [kind for kind, is_shown in shown if is_shown]


def _count_outcomes(spec: Mapping[str, Any], cases: Sequence[AnyCase], notes: Notes) -> None:
    """Each action has to end well and to fail, in calls as they are recorded."""
    turns = [turn for case in cases if isinstance(case, Case) for turn in case.turns]
    for i, action in enumerate(spec.get("actions", ())):
        outcomes = {turn.has_result for turn in turns if turn.action == action["actionId"]}
        for has_result, kind in _ENDS:
            place = notes.declare(("actions", i), kind)
            if has_result in outcomes:
                notes.hit.add(place)


_ENDS: tuple[tuple[bool, Kind], ...] = ((True, "success"), (False, "failure"))
_NAMES = ("actionId", "stepId", "method")


def label(spec: Any, path: Path) -> str:
    """A path as people say it: `create_order.errors[0].codes.20404`."""
    return "".join(_parts(spec, path)).lstrip(".")


def _parts(spec: Any, path: Path) -> Iterator[str]:
    """An entry that has a name goes by it, without the list that it stands in."""
    node, listed = spec, ""
    for step in path:
        node = _inside(node, step)
        name = next((node[key] for key in _NAMES if key in node), None) if isinstance(node, Mapping) else None
        if isinstance(step, int):
            yield f".{name}" if name is not None else f"{listed}[{step}]"
            listed = ""
            continue
        yield listed
        listed = f".{step}"
    yield listed


def _inside(node: Any, step: str | int) -> Any:
    if isinstance(node, list):
        return node[step] if isinstance(step, int) and step < len(node) else None
    return node.get(step) if isinstance(node, Mapping) else None
