"""Reads `specs/<integrationId>/cases/*.yaml`, as strictly as specs are read."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from engine.cases.model import Case, Exchange, Turn
from engine.diagnostics import Diagnostic, Position
from engine.spec.check import check_cases
from engine.spec.source import Source, read


def read_cases(folder: Path) -> tuple[list[Case], list[Diagnostic]]:
    """All cases of one integration's folder, and what is wrong with their files. A case's name is unique."""
    cases: list[Case] = []
    diagnostics: list[Diagnostic] = []
    for path in sorted((folder / "cases").glob("*.yaml")):
        source, found = _read(path)
        diagnostics.extend(found)
        if source is None:
            continue
        wrong = check_cases(source)
        diagnostics.extend(wrong)
        if not wrong and not found:
            cases.extend(_cases(source, folder.name))
    names: dict[str, Position] = {}
    for case in cases:
        if case.name in names:
            diagnostics.append(Diagnostic("CASE001", f'there is another case "{case.name}"', case.position))
        names[case.name] = case.position
    return cases, diagnostics


def _read(path: Path) -> tuple[Source | None, list[Diagnostic]]:
    try:
        text = path.read_bytes().decode("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        message = f"can't read the file: {type(error).__name__}"
        return None, [Diagnostic("YAML001", message, Position(str(path), 1, 1))]
    return read(str(path), text)


def _cases(source: Source, integration_id: str) -> list[Case]:
    made = []
    for i, block in enumerate(source.value or ()):
        if "webhook" in block:
            continue  # checked above; webhooks are not executed by this version
        made.append(
            Case(
                name=block["case"],
                integration_id=integration_id,
                source=block["source"],
                unconfirmed=block.get("unconfirmed", False),
                turns=_turns(block),
                position=source.position((i,)),
            )
        )
    return made


def _turns(block: Mapping[str, Any]) -> tuple[Turn, ...]:
    """`calls` share what the case gives; a case without them is one turn."""
    if "calls" not in block:
        return (_turn(block, {}),)
    return tuple(_turn(call, block.get("given", {})) for call in block["calls"])


def _turn(block: Mapping[str, Any], shared: Mapping[str, Any]) -> Turn:
    return Turn(
        action=block["action"],
        given={**shared, **block.get("given", {})},
        exchanges=tuple(Exchange(x["expect"], x["answer"]) for x in block.get("exchanges", ())),
        any_order=block.get("anyOrder", False),
        has_result="result" in block,
        result=block.get("result"),
        error=block.get("error", {}),
        sent=block.get("sent"),
        waited_ms=block.get("waitedMs"),
    )
