"""The compliance cases of JMESPath: every one gives here what it demands. There are no exceptions."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from engine.compiled.fault import EvaluationError, Fault
from engine.compiled.query import compile_query
from engine.compiled.values import same
from tests.compiled.evaluate import names, plain

FOLDER = Path(__file__).parent / "jmespath_compliance"
REFUSED = object()


def cases(file: str) -> Iterator[tuple[Any, dict[str, Any]]]:
    for suite in json.loads((FOLDER / file).read_text(encoding="utf-8")):
        for case in suite["cases"]:
            yield suite["given"], case


def found(given: Any, expression: str) -> Any:
    try:
        return compile_query(expression, names(), rooted=False)(plain(given))
    except (Fault, EvaluationError):
        return REFUSED


@pytest.mark.parametrize("file", sorted(path.name for path in FOLDER.glob("*.json")))
def test_every_case_gives_what_it_demands(file: str) -> None:
    wrong = []
    for given, case in cases(file):
        result = found(given, case["expression"])
        is_right = result is REFUSED if "error" in case else same(result, plain(case["result"]))
        if not is_right:
            wrong.append((case["expression"], result))
    assert wrong == []


def test_the_cases_are_all_there() -> None:
    assert sum(len(list(cases(path.name))) for path in FOLDER.glob("*.json")) > 800
