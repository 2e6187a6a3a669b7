"""How rules are run: when they look, what becomes of their findings, and that none of them ever raises."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from contextlib import suppress
from functools import reduce
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from engine.library import exact
from engine.spec.load import compile_text
from engine.spec.source import read
from spec_lint.collect import Report, collect
from spec_lint.inspect import inspect
from spec_lint.rule import Finding, Rule
from spec_lint.rules import RULES
from spec_lint.subject import Subject
from tests.spec.compiling import FILE, registry
from tests.support.literate import PAGES

ROOT = Path(__file__).resolve().parents[2]
SPEC = (PAGES / "base.yaml").read_text(encoding="utf-8")
CASES = (PAGES / "base-cases.yaml").read_text(encoding="utf-8")


def twice(subject: Subject) -> Iterator[Finding]:
    yield subject.at(("name",), "first")
    yield subject.at(("name",), "again")
    yield subject.at(("provider",), "there")


def of_cases(subject: Subject) -> Iterator[Finding]:
    for case in subject.cases:
        yield subject.at_case(case, "a case")
        yield subject.at_case(case, "an input", path=("given", "input"), key=True)


NAMED = Rule("QRY001", "Made up.", "error", twice)
CASED = Rule("QRY001", "Made up.", "warning", of_cases, needs_cases=True)


def checked(folder: Path, rule: Rule, spec: str = SPEC, cases: str = CASES, **more: Any) -> Report:
    home = folder / "acme-shipping"
    (home / "cases").mkdir(parents=True)
    (home / "spec.yaml").write_text(spec)
    (home / "cases" / "base.yaml").write_text(cases)
    return collect([home / "spec.yaml"], registry(), rules=[rule], **more)


def shown(report: Report) -> list[tuple[str, int, int, int]]:
    """File, line, column and length of the findings."""
    return [(Path(x.position.file).name, x.position.line, x.position.column, x.length) for x in report.findings]


def test_one_code_is_reported_once_at_one_place(tmp_path: Path) -> None:
    report = checked(tmp_path, NAMED)
    assert [found.message for found in report.findings] == ["first", "there"]
    assert shown(report)[0] == ("spec.yaml", SPEC.splitlines().index("name: Acme Parcels") + 1, 7, 12)


def test_rules_do_not_look_at_a_spec_that_does_not_compile(tmp_path: Path) -> None:
    report = checked(tmp_path, NAMED, spec=SPEC.replace("provider:", "providr:"))
    assert {found.code for found in report.findings} == {"SPEC001"}


def test_a_finding_about_a_case_stands_in_its_file(tmp_path: Path) -> None:
    report = checked(tmp_path, CASED)
    lines = CASES.splitlines()
    name, given_ = shown(report)[:2]
    assert name == ("base.yaml", 1, 9, len(lines[0].removeprefix("- case: ")))
    assert lines[given_[1] - 1][given_[2] - 1 :].startswith("input:")
    assert len(report.findings) == 2 * CASES.count("- case: ")
    assert {found.severity for found in report.findings} == {"warning"}


@pytest.mark.parametrize("more", [{"with_cases": False}, {"cases": CASES.replace("status: 200", "statuss: 200", 1)}])
def test_a_rule_about_cases_rests_while_they_are_not_read_or_not_right(tmp_path: Path, more: dict[str, Any]) -> None:
    assert "QRY001" not in {found.code for found in checked(tmp_path, CASED, **more).findings}


def test_a_finding_about_a_case_is_suppressed_there(tmp_path: Path) -> None:
    cases = CASES.replace("\n", "  # lint: allow QRY001 - so it is\n", 1)
    assert len(checked(tmp_path, CASED, cases=cases).findings) == 2 * CASES.count("- case: ") - 1


# --- all rules that there are ---

EVERYTHING = read(FILE, (ROOT / "tests" / "spec" / "executed" / "everything.yaml").read_text(encoding="utf-8"))[0]


def keys(value: Any, path: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    """The path of every key and every entry of a list."""
    inside = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in inside:
        yield (*path, key)
        yield from keys(inner, (*path, key))


PARTS = list(keys(EVERYTHING.value)) if EVERYTHING else []


@settings(max_examples=60)
@given(st.lists(st.sampled_from(PARTS), max_size=3))
@example([])
def test_no_rule_raises_whatever_a_spec_leaves_out(removed: list[tuple[str | int, ...]]) -> None:
    assert EVERYTHING
    value = copy.deepcopy(EVERYTHING.value)
    for path in removed:
        with suppress(KeyError, IndexError):  # it went with another one
            del reduce(lambda around, step: around[step], path[:-1], value)[path[-1]]
    made = compile_text(FILE, exact.dumps(value).decode(), registry(), {})
    if made.integration and made.source and made.findings:
        looked = Subject(made.source, made.resolved, made.integration, registry(), (), (), made.findings)
        for found in inspect(looked, [rule for rule in RULES if not rule.needs_cases]):
            assert 0 < found.diagnostic.position.line <= made.source.text.count("\n") + 1
            assert found.diagnostic.length > 0
            assert found.diagnostic.message
