"""Specs and cases that a test writes down, as an author's folder."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from engine.cases.coverage import Coverage, measure
from engine.cases.model import Case
from engine.cases.read import read_cases
from engine.cases.replay import replay
from engine.catalog import Catalog
from engine.locations import schemas_dir
from engine.plugins import Registry
from engine.spec.load import load
from tests.support.scene import KEY
from tests.support.specs import HOST, ID

GIVEN: dict[str, Any] = {"credentials": {"apiKey": KEY}}


def exchange(path: str, status: int = 200, body: Any = None, method: str = "GET", **expect: Any) -> dict[str, Any]:
    """One request and its JSON answer."""
    return {
        "expect": {"method": method, "url": f"https://{HOST}/{path}", **expect},
        "answer": {"status": status, "json": {} if body is None else body},
    }


def lost(path: str, fault: Mapping[str, Any], method: str = "GET") -> dict[str, Any]:
    """One request and the fault that stands in place of its answer."""
    return {"expect": {"method": method, "url": f"https://{HOST}/{path}"}, "answer": dict(fault)}


def case(name: str, *exchanges: Mapping[str, Any], action: str = "quote", **parts: Any) -> dict[str, Any]:
    """A case of one call; without `result` or `error` it has an empty result."""
    given = {**GIVEN, **parts.pop("given", {})}
    made = {"case": name, "action": action, "source": "made up", "given": given, "exchanges": list(exchanges), **parts}
    return made if {"result", "error"} & made.keys() else {**made, "result": {}}


def chain(name: str, *calls: Mapping[str, Any], **given: Any) -> dict[str, Any]:
    """A case of several calls."""
    return {"case": name, "source": "made up", "given": {**GIVEN, **given}, "calls": list(calls)}


def turn(action: str, *exchanges: Mapping[str, Any], **parts: Any) -> dict[str, Any]:
    """One call of a chain."""
    made = {"action": action, "exchanges": list(exchanges), **parts}
    return made if {"result", "error"} & made.keys() else {**made, "result": {}}


class Folder:
    """One integration on disk, compiled, with its cases read. Both must be without findings."""

    def __init__(self, home: Path, spec: Mapping[str, Any], *cases: Mapping[str, Any]) -> None:
        place = home / ID
        (place / "cases").mkdir(parents=True)
        (place / "spec.yaml").write_text(json.dumps(spec), encoding="utf-8")
        (place / "cases" / "all.yaml").write_text(json.dumps(cases), encoding="utf-8")
        self.registry = Registry()
        loaded = load([place], self.registry, schemas_dir())
        assert loaded.errors == (), [str(error) for error in loaded.errors]
        self.compiled = loaded.specs[str(place / "spec.yaml")]
        self.catalog = Catalog(loaded.integrations)
        self.cases: list[Case] = []
        if cases:
            self.cases, wrong = read_cases(place)
            assert wrong == [], [str(found) for found in wrong]

    async def problems(self) -> list[str]:
        """What the engine does otherwise than its only case says."""
        (only,) = self.cases
        return await replay(only, self.catalog)

    async def coverage(self) -> Coverage:
        assert self.compiled.findings is not None
        return await measure(self.compiled.resolved, self.compiled.findings, self.registry, self.cases)
