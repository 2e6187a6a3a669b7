"""`{$ref: "#/$defs/x"}` in schemas and trees, replaced by what it names. Outside the spec only `schemas/models/`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import PurePosixPath
from typing import Any

from engine.compiled.fault import Path
from engine.diagnostics import unknown
from engine.spec.findings import Findings

_MOST_VALUES = 100_000
_DEEPEST = 64


class _TooLarge(Exception):
    """The spec grows beyond every sensible size when its references are replaced."""


class Refs:
    """Resolves the references of one spec. `models` maps `shipment` to its schema."""

    def __init__(self, spec: Mapping[str, Any], models: Mapping[str, Any], findings: Findings) -> None:
        defs = spec.get("$defs")
        self._defs: Mapping[str, Any] = defs if isinstance(defs, Mapping) else {}
        self._models = models
        self._findings = findings
        self._brought = 0

    def resolve(self, spec: Mapping[str, Any]) -> dict[str, Any]:
        """The spec without references; a part without any is returned as it is, `$defs` stay as they are."""
        return {key: value if key == "$defs" else self._top(value, (key,)) for key, value in spec.items()}

    def _top(self, value: Any, path: Path) -> Any:
        try:
            return self._resolve(value, path, ())
        except _TooLarge:
            self._findings.add(path, "SPEC063", f"references bring more than {_MOST_VALUES:,} values into the spec")
            return type(value)()

    def _resolve(self, node: Any, path: Path, inside: tuple[str, ...]) -> Any:
        if inside:
            self._brought += 1
            if self._brought > _MOST_VALUES:
                raise _TooLarge
            if len(path) > _DEEPEST and isinstance(node, Mapping | list):
                self._findings.add(path, "SPEC064", f"references nest lists and mappings more than {_DEEPEST} deep")
                return {}
        if isinstance(node, Mapping):
            ref = node.get("$ref")
            if isinstance(ref, str) and len(node) == 1:
                return self._target(ref, path, inside)
            made = {key: self._resolve(value, (*path, key), inside) for key, value in node.items()}
            return made if any(made[key] is not node[key] for key in made) else node
        if isinstance(node, list):
            items = [self._resolve(value, (*path, i), inside) for i, value in enumerate(node)]
            return items if any(a is not b for a, b in zip(items, node, strict=True)) else node
        return node

    def _target(self, ref: str, path: Path, inside: tuple[str, ...]) -> Any:
        here = (*path, "$ref")
        if ref in inside:
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
        if known is self._defs:
            self._findings.came_from(path, ("$defs", name))
        return self._resolve(known[name], path, (*inside, ref))
