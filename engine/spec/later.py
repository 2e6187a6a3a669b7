"""Parts of the language that this version reads but does not execute: each use is a diagnostic, never silence."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from engine.compiled.fault import Path
from engine.spec.findings import Findings

_TOP = {"logoUrl": "a logo elsewhere than in logo.svg"}
_LOGIN_STEP = {"onError": "a login that goes on after a failure"}
_PART = {"text": "a file of text"}


def check_later(spec: Mapping[str, Any], findings: Findings) -> None:
    """Report every key whose execution is still to come."""
    for path, block, names in _blocks(spec):
        for key, what in names.items():
            if key in block:
                message = f"{what}: `{key}` is not executed by this version yet"
                findings.add((*path, key), "SPEC099", message, "leave it out", key=True)


_Found = Iterator[tuple[Path, Mapping[str, Any], Mapping[str, str]]]


def _blocks(spec: Mapping[str, Any]) -> _Found:
    """Every block that may hold such a key, with the keys to look for."""
    yield (), spec, _TOP
    for path, method in _listed(spec, "auth", ()):
        for at, step in _listed(method.get("obtain"), "steps", (*path, "obtain")):
            yield at, step, _LOGIN_STEP
            yield from _requests(at, step)
    for path, action in _listed(spec, "actions", ()):
        yield from _requests(path, action)


def _requests(path: Path, block: Mapping[str, Any]) -> _Found:
    """The multipart parts of the requests of an action or step."""
    for at, step in _listed(block, "steps", path):
        yield from _requests(at, step)
    request = block.get("request")
    parts = request.get("multipart") if isinstance(request, Mapping) else None
    for name, part in parts.items() if isinstance(parts, Mapping) else ():
        if isinstance(part, Mapping):
            yield (*path, "request", "multipart", name), part, _PART


def _listed(block: Any, key: str, path: Path) -> Iterator[tuple[Path, Mapping[str, Any]]]:
    found = block.get(key) if isinstance(block, Mapping) else None
    for i, entry in enumerate(found if isinstance(found, list) else ()):
        if isinstance(entry, Mapping):
            yield (*path, key, i), entry
