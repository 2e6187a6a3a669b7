"""The table of diagnostic codes and the code that gives them say the same."""

from __future__ import annotations

import ast
import re

from engine.diagnostics import CODES
from tests.house.source import python_files, tree

_CODE = re.compile(r"(?:YAML|SPEC|NAME|EXPR|TYPE|CASE|LINT)[0-9]{3}")
_TABLE = "engine/diagnostics.py"


def _given() -> dict[str, str]:
    """Every code that stands as a text of its own in the product's source, with a file that has it."""
    return {
        node.value: str(file)
        for file in python_files("engine", "tools")
        if file.as_posix() != _TABLE
        for node in ast.walk(tree(file))
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and _CODE.fullmatch(node.value)
    }


def test_every_code_that_is_given_is_in_the_table_and_every_code_of_the_table_is_given() -> None:
    given = _given()
    assert {code: file for code, file in given.items() if code not in CODES} == {}
    assert sorted(CODES.keys() - given.keys()) == []
    assert len(given) > 80
