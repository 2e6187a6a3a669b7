"""`{$ref: "#/$defs/x"}` in schemas and trees, replaced by what it names. Outside the spec only `schemas/models/`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import PurePosixPath
from typing import Any

from engine.compiled.fault import Path
from engine.diagnostics import unknown
from engine.spec.findings import Findings

_MOST_VALUES = 100_000
_DEEPEST = 64
_HOLD_MORE = (dict, list)


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
        self._path: list[str | int] = []  # of what is being resolved

    def resolve(self, spec: Mapping[str, Any]) -> dict[str, Any]:
        """The spec without references; a part without any is returned as it is, `$defs` stay as they are."""
        return {key: value if key == "$defs" else self._top(value, (key,)) for key, value in spec.items()}

    def _top(self, value: Any, path: Path) -> Any:
        self._path = list(path)
        try:
            return self._resolve(value, ())
        except _TooLarge:
            self._findings.add(path, "SPEC063", f"references bring more than {_MOST_VALUES:,} values into the spec")
            return type(value)()

    def _resolve(self, node: Any, inside: tuple[str, ...]) -> Any:
        """`inside`: the references on the way here; what they bring is counted."""
        if inside and type(node) in _HOLD_MORE:
            self._count(len(node))
            if len(self._path) > _DEEPEST:
                self._findings.add(
                    tuple(self._path), "SPEC064", f"references nest lists and mappings more than {_DEEPEST} deep"
                )
                return {}
        if isinstance(node, dict):
            ref = node.get("$ref")
            if isinstance(ref, str) and len(node) == 1:
                return self._target(ref, tuple(self._path), inside)
            replaced = self._replaced(node.items(), inside)
            return {**node, **replaced} if replaced else node
        if isinstance(node, list):
            replaced = self._replaced(enumerate(node), inside)
            return [replaced.get(i, value) for i, value in enumerate(node)] if replaced else node
        return node

    def _replaced(self, parts: Iterable[tuple[Any, Any]], inside: tuple[str, ...]) -> dict[Any, Any]:
        """Those of the parts that are not what was written."""
        replaced = {}
        for key, value in parts:
            if type(value) in _HOLD_MORE:
                self._path.append(key)
                made = self._resolve(value, inside)
                self._path.pop()
                if made is not value:
                    replaced[key] = made
        return replaced

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
        self._count(1)
        return self._resolve(known[name], (*inside, ref))

    def _count(self, brought: int) -> None:
        self._brought += brought
        if self._brought > _MOST_VALUES:
            raise _TooLarge
