"""The table of diagnostic codes and the code that gives them say the same."""

from __future__ import annotations

import ast
import re

from engine.diagnostics import CODES
from spec_lint.rules import RULES
from spec_lint.table import RETIRED, TABLE
from tests.house.source import ROOT, python_files, tree

_COMPILING = ("YAML", "SPEC", "NAME", "EXPR", "CASE")
_RULES = ("QRY", "TPL", "ERR", "SEC", "TOOL", "USE", "COV")
_CODE = re.compile(rf"(?:{'|'.join((*_COMPILING, *_RULES, 'TYPE', 'LINT'))})[0-9]{{3}}")
_TABLES = ("engine/diagnostics.py", "tools/spec-lint/spec_lint/table.py")
_RULE_FILES = "tools/spec-lint/spec_lint/rules/"


def _given() -> dict[str, str]:
    """Every code that stands as a text of its own in the product's source, with a file that has it."""
    return {
        node.value: str(file)
        for file in python_files("engine", "tools")
        if file.as_posix() not in _TABLES
        for node in ast.walk(tree(file))
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and _CODE.fullmatch(node.value)
    }


def test_every_code_that_is_given_is_in_the_table_and_every_code_of_the_table_is_given() -> None:
    given = _given()
    assert {code: file for code, file in given.items() if code not in TABLE} == {}
    assert sorted(TABLE.keys() - given.keys()) == []
    assert len(given) > 80


def test_every_code_belongs_to_the_family_of_those_that_give_it() -> None:
    assert {code for code in CODES if not code.startswith(_COMPILING)} == set()
    assert {rule.code for rule in RULES if not rule.code.startswith(_RULES)} == set()
    assert {code for code in TABLE if not _CODE.fullmatch(code)} == set()


def test_a_retired_code_is_given_by_nothing() -> None:
    assert RETIRED.isdisjoint(_given())


def test_every_file_of_a_rule_gives_one_code_of_its_own() -> None:
    files = [file for file in python_files("tools") if file.as_posix().startswith(_RULE_FILES)]
    assert len(files) - 1 == len(RULES) == len({rule.code for rule in RULES})
    for file in files:
        source = (ROOT / file).read_text(encoding="utf-8")
        assert len(set(_CODE.findall(source)) & {rule.code for rule in RULES}) <= 1, file


def test_what_a_code_means_is_one_sentence() -> None:
    for code, entry in TABLE.items():
        assert entry.what.endswith("."), code
        assert "\n" not in entry.what, code
        assert ". " not in entry.what, code
