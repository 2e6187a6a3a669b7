"""Real specs under lint. That the project's own have no findings, test_spec_lint.py says: they are its default."""

from __future__ import annotations

import re
import shutil
from functools import cache
from pathlib import Path

from engine.bootstrap import open_registry
from engine.locations import specs_dir
from engine.spec.load import spec_files
from spec_lint.collect import Report, collect

FIXTURES = Path(__file__).resolve().parents[1] / "fixtures" / "specs"
GHN = specs_dir() / "shipping-ghn"


@cache
def report(folder: Path) -> Report:
    return collect(spec_files([folder]), open_registry())


def test_the_specs_that_only_tests_use_lack_nothing_but_cases() -> None:
    """They are there for parts of the language, so not every row of their error rules has a case."""
    assert [str(found) for found in report(FIXTURES).findings if not found.code.startswith("COV")] == []


def test_without_its_cases_every_action_is_reported_once(tmp_path: Path) -> None:
    shutil.copytree(GHN, tmp_path / GHN.name, ignore=shutil.ignore_patterns("cases"))
    found = [one for one in report(tmp_path).findings if one.code.startswith("COV")]
    actions = re.findall(r"^  - actionId: ", (GHN / "spec.yaml").read_text(), re.MULTILINE)
    assert [one.code for one in found] == ["COV001"] * len(actions)


def test_a_row_of_an_error_rule_that_nobody_hits_is_reported_at_the_row(tmp_path: Path) -> None:
    shutil.copytree(GHN, tmp_path / GHN.name)
    file = tmp_path / GHN.name / "spec.yaml"
    file.write_text(
        file.read_text().replace("      PHONE_INVALID:", "      NEVER_HEARD_OF: FORBIDDEN\n      PHONE_INVALID:")
    )
    (found,) = report(tmp_path).findings
    line = file.read_text().split("\n")[found.position.line - 1]
    assert (found.code, line[found.position.column - 1 :][: found.length]) == ("COV003", "NEVER_HEARD_OF")
