"""Compiles specs from their text, and says what was found where."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from engine.catalog import Integration
from engine.diagnostics import Diagnostic
from engine.plugins import Declaration, Registry, SignInput, TokenState
from engine.spec.load import compile_text

FILE = "spec.yaml"


def sign(given: SignInput) -> str:
    return given.text.decode()


def refresh(given: TokenState) -> None:
    del given


def registry() -> Registry:
    made = Registry()
    made.add(Declaration("signer", "acme_mac"), sign, "acme.py")
    made.add(Declaration("refresher", "acme_refresh"), refresh, "acme.py")
    return made


def compiled(
    spec: str | Mapping[str, Any], models: Mapping[str, Any] | None = None
) -> tuple[Integration | None, list[Diagnostic]]:
    """What comes of a spec's text, or of the same as data."""
    text = spec if isinstance(spec, str) else json.dumps(spec, ensure_ascii=False, indent=1)
    made = compile_text(FILE, text, registry(), models or {})
    return made.integration, made.diagnostics


def marked(text: str, found: Diagnostic) -> str:
    """The characters that a diagnostic is about."""
    line = text.split("\n")[found.position.line - 1]
    return line[found.position.column - 1 :][: found.length]


def written(folder: Path, spec: Mapping[str, Any], name: str | None = None) -> Path:
    """The spec as a folder of specs/ has it."""
    place = folder / (name or str(spec["integrationId"]))
    place.mkdir(parents=True)
    (place / "spec.yaml").write_text(json.dumps(spec, ensure_ascii=False), encoding="utf-8")
    return place
