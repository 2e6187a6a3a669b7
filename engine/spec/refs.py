"""`{$ref: "#/$defs/x"}` in schemas and trees, replaced by what it names. Outside the spec only `schemas/models/`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import PurePosixPath
from typing import Any

from engine.compiled.fault import Path
from engine.diagnostics import unknown
from engine.spec.findings import Findings

_DEEPEST = 64


class Refs:
    """Resolves the references of one spec. `models` maps `shipment` to its schema."""

    def __init__(self, spec: Mapping[str, Any], models: Mapping[str, Any], findings: Findings) -> None:
        defs = spec.get("$defs")
        self._defs: Mapping[str, Any] = defs if isinstance(defs, Mapping) else {}
        self._models = models
        self._findings = findings

    def resolve(self, node: Any, path: Path = (), inside: tuple[str, ...] = ()) -> Any:
        """The node without references; a part without any is returned as it is."""
        if isinstance(node, Mapping):
            ref = node.get("$ref")
            if isinstance(ref, str) and len(node) == 1:
                return self._target(ref, path, inside)
            made = {key: self.resolve(value, (*path, key), inside) for key, value in node.items()}
            return made if any(made[key] is not node[key] for key in made) else node
        if isinstance(node, list):
            items = [self.resolve(value, (*path, i), inside) for i, value in enumerate(node)]
            return items if any(a is not b for a, b in zip(items, node, strict=True)) else node
        return node

    def _target(self, ref: str, path: Path, inside: tuple[str, ...]) -> Any:
        here = (*path, "$ref")
        if ref in inside or len(inside) > _DEEPEST:
            self._findings.add(here, "NAME006", f"{ref} refers to itself")
            return {}
        if ref.startswith("#/$defs/"):
            name = ref.removeprefix("#/$defs/")
            known: Mapping[str, Any] = self._defs
        elif PurePosixPath(ref).parent.name == "models":
            name = PurePosixPath(ref).stem
            known = self._models
        else:
            self._findings.add(here, "NAME006", "a $ref leads to #/$defs/… or to schemas/models/…")
            return {}
        if name not in known:
            message, hint = unknown("definition", name, known)
            self._findings.add(here, "NAME006", message, hint)
            return {}
        return self.resolve(known[name], path, (*inside, ref))
