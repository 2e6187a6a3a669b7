"""The README's promises name tests that exist."""

from __future__ import annotations

import ast
import re

from tests.house.source import ROOT

_NAMED = re.compile(r"`(tests/[\w/]+\.py)(?:::(\w+))?`")


def test_every_proof_that_the_readme_names_is_a_test() -> None:
    rows = [line for line in (ROOT / "README.md").read_text("utf-8").splitlines() if _NAMED.search(line)]
    missing = [f"{file}::{name}" for row in rows for file, name in _NAMED.findall(row) if not _has(file, name)]
    assert missing == []
    assert len(rows) > 10


def _has(file: str, name: str) -> bool:
    path = ROOT / file
    if not path.is_file():
        return False
    nodes = ast.walk(ast.parse(path.read_text("utf-8")))
    tests = {node.name for node in nodes if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}
    return name in tests if name else any(one.startswith("test_") for one in tests)
