"""Holds what was read against the JSON Schema of the language, and says what is wrong in an author's words.

The schema (`schemas/*.schema.json`) is the single definition; hints come from its descriptions. One mistake gives one
diagnostic: a misspelt key is reported at the key, and not once more as missing; a key that can't stand where it is
hides what is wrong inside it.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from functools import cache
from typing import Any

from engine.compiled.structure import Breach, Structure
from engine.diagnostics import Diagnostic
from engine.locations import schemas_dir
from engine.spec.source import Source
from engine.spec.structure_words import Finding, about_key, about_missing, about_value


def check_structure(source: Source) -> list[Diagnostic]:
    """Findings about a spec, in the order of the text."""
    return _check(source, "integration.schema.json")


def check_cases(source: Source) -> list[Diagnostic]:
    """Findings about a file of cases, in the order of the text."""
    return _check(source, "case.schema.json")


def check_policy(source: Source) -> list[Diagnostic]:
    """Findings about a policy file, in the order of the text."""
    return _check(source, "policy.schema.json")


def mistyped(source: Source) -> list[tuple[tuple[str | int, ...], frozenset[str]]]:
    """Where a spec holds a value of another type than the language asks for, and the types asked for."""
    breaches = _structure("integration.schema.json").breaches(source.value)
    return [(breach.path, frozenset(breach.params["types"])) for breach in breaches if breach.keyword == "type"]


@cache
def _structure(name: str) -> Structure:
    """Compiled once, when the first spec is checked."""
    return Structure(json.loads((schemas_dir() / name).read_bytes()))


def _check(source: Source, name: str) -> list[Diagnostic]:
    structure = _structure(name)
    breaches = list(structure.breaches(source.value))
    findings = _one_per_mistake(_findings(source.value, breaches, structure))
    made = [_diagnostic(source, finding) for finding in findings]
    return sorted(made, key=lambda found: (found.position.line, found.position.column))


def _findings(value: Any, breaches: Sequence[Breach], structure: Structure) -> list[Finding]:
    """Keys first: what they find explains what seems to be missing."""
    found = []
    for breach in breaches:
        if breach.keyword == "additionalProperties":
            found += [about_key(breach, str(key), structure) for key in breach.params["unexpected"]]
    for breach in breaches:
        if breach.keyword == "required":
            found.append(about_missing(breach, _at(value, breach.path), structure))
        elif breach.keyword != "additionalProperties":
            found.append(about_value(breach, _at(value, breach.path)))
    return found


def _at(value: Any, path: Iterable[str | int]) -> Any:
    for step in path:
        value = value[step]
    return value


def _one_per_mistake(findings: Sequence[Finding]) -> list[Finding]:
    """Drops what only follows from another finding."""
    misplaced = {finding.place for finding in findings if finding.is_misplaced}
    corrected = {finding.around: finding.suggested for finding in findings if finding.suggested and finding.key}
    kept: dict[tuple[tuple[str | int, ...], str], Finding] = {}
    for finding in findings:
        if any(finding.place[: len(place)] == place for place in misplaced if place != finding.place):
            continue
        if finding.missing and _is_explained(finding, findings, corrected):
            continue
        kept.setdefault((finding.place, finding.missing), finding)
    return list(kept.values())


def _is_explained(missing: Finding, findings: Sequence[Finding], corrected: dict[tuple[str | int, ...], str]) -> bool:
    """A key that is there under a wrong name; or one that is asked for only because of the keys that are there."""
    if missing.is_conditional and missing.place in corrected:
        return True
    return any(finding.around == missing.place and finding.suggested == missing.missing for finding in findings)


def _diagnostic(source: Source, finding: Finding) -> Diagnostic:
    at_key = bool(finding.key) or bool(finding.missing and finding.place and isinstance(finding.place[-1], str))
    return Diagnostic(
        finding.code,
        finding.message,
        source.position(finding.place, key=at_key),
        source.length(finding.place, key=at_key),
        finding.hint,
    )
