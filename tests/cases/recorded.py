"""The cases of this repository: those of its specs, and those of the specs that only tests use."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

from engine.bootstrap import open_registry
from engine.cases.model import AnyCase, Case, Exchange, Turn, WebhookCase
from engine.cases.sandbox import load_all_cases
from engine.catalog import Catalog
from engine.locations import schemas_dir
from engine.spec.load import load_catalog, spec_files
from tests.house.source import ROOT

FOLDERS = (ROOT / "specs", ROOT / "tests" / "fixtures" / "specs")
OURS = frozenset(spec.parent.name for spec in spec_files(FOLDERS[:1]))


@cache
def every_case() -> list[AnyCase]:
    """Of all kinds; read once for all files of tests."""
    return load_all_cases(FOLDERS)


@cache
def cases() -> list[Case]:
    return [case for case in every_case() if isinstance(case, Case)]


@cache
def webhook_cases() -> list[WebhookCase]:
    return [case for case in every_case() if isinstance(case, WebhookCase)]


@cache
def catalog() -> Catalog:
    return load_catalog(FOLDERS, open_registry(), schemas_dir())


@cache
def spec_text(integration_id: str) -> str:
    specs = {spec.parent.name: spec for spec in spec_files(FOLDERS)}
    return Path(specs[integration_id]).read_text("utf-8")


def label(case: Case) -> str:
    return f"{case.integration_id}: {case.name}"


def case_of(integration_id: str, name: str) -> Case:
    return next(case for case in cases() if (case.integration_id, case.name) == (integration_id, name))


def changed(case: Case, edit: Callable[[dict[str, Any]], None]) -> Case:
    """The case with its first call edited: the parts of `Turn`, its exchanges as `{expect, answer}`."""
    turn = case.turns[0]
    parts: dict[str, Any] = {
        "given": deepcopy(dict(turn.given)),
        "exchanges": [{"expect": deepcopy(x.expect), "answer": deepcopy(x.answer)} for x in turn.exchanges],
        "result": deepcopy(turn.result),
        "error": deepcopy(dict(turn.error)),
        "has_result": turn.has_result,
        "sent": turn.sent,
        "waited_ms": turn.waited_ms,
    }
    edit(parts)
    exchanges = tuple(Exchange(x["expect"], x["answer"]) for x in parts.pop("exchanges"))
    made: Turn = replace(turn, exchanges=exchanges, **parts)
    return replace(case, turns=(made, *case.turns[1:]))
