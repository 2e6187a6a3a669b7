"""The page of every code: its wrong examples give exactly the findings written in them, its right ones give none."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import pytest

from engine.bootstrap import open_registry
from engine.plugins import Registry
from spec_lint.collect import Report, collect
from spec_lint.table import TABLE
from tests.support.literate import PAGES, Example, Place, Written, examples, write

CODES = sorted(path.stem for path in PAGES.glob("*.md"))
_ID = "acme-shipping"

UNWRITTEN = {
    "YAML003": "a file of more than 512 kB",
    "YAML005": "a file of more than 100,000 values",
    "SPEC078": "takes two folders",
    "SPEC079": "is about the name of the folder",
    "SPEC095": "is about logo.svg",
    "SPEC097": "is about the name of the file",
    "SPEC096": "is about a file that the disk does not give",
}
"""Codes whose example can't be a text."""


@cache
def registry() -> Registry:
    return open_registry()


def page(code: str) -> str:
    return (PAGES / f"{code}.md").read_text(encoding="utf-8")


def checked(example: Example, folder: Path) -> set[tuple[str, Place]]:
    """What the linter finds, at the places of the example's own blocks.

    Of the rules' findings elsewhere in the base spec only those of codes that the example speaks of are looked at:
    an example that leaves a table of the base unused is not about that.
    """
    home = folder / _ID
    (home / "cases").mkdir(parents=True)
    spec = write(example.spec, (PAGES / "base.yaml").read_text())
    cases = write(example.cases, (PAGES / "base-cases.yaml").read_text())
    (home / "spec.yaml").write_bytes(spec.content)
    (home / "cases" / "base.yaml").write_bytes(cases.content)
    report = collect([home / "spec.yaml"], registry(), with_cases=example.cases is not None)
    return set(_found(report, {"spec.yaml": spec, "base.yaml": cases}, expected(example)))


def _found(report: Report, files: dict[str, Written], wanted: set[tuple[str, Place]]) -> list[tuple[str, Place]]:
    made = []
    for found in report.findings:
        at = found.position
        place = files[Path(at.file).name].place(at.line, at.column, found.length)
        if place or not TABLE[found.code].is_rule or (found.code, None) in wanted:
            made.append((found.code, place))
    return made


def expected(example: Example) -> set[tuple[str, Place]]:
    return {one for block in (example.spec, example.cases) if block for one in block.expected}


@pytest.mark.parametrize("code", CODES)
def test_the_examples_of_a_page_give_exactly_the_findings_that_it_shows(code: str, tmp_path: Path) -> None:
    for number, example in enumerate(examples(page(code))):
        found, wanted = checked(example, tmp_path / str(number)), expected(example)
        assert found == wanted, f"example {number + 1}: not found {wanted - found}, not expected {found - wanted}"
        assert bool(wanted) is example.is_wrong, f"example {number + 1}"


@pytest.mark.parametrize("code", sorted(TABLE))
def test_every_code_has_a_page_with_a_reason_and_a_wrong_and_a_right_example(code: str) -> None:
    text = page(code)
    assert text.startswith(f"# {code} {TABLE[code].what}\n\n**Why.** ")
    if code not in UNWRITTEN:
        shown = examples(text)
        assert {example.is_wrong for example in shown} == {True, False}
        assert any(code == found for example in shown for found, _ in expected(example))


def test_every_page_is_about_a_code() -> None:
    assert set(CODES) <= TABLE.keys()
    assert UNWRITTEN.keys() <= TABLE.keys()


def test_the_spec_and_the_cases_that_examples_change_are_clean(tmp_path: Path) -> None:
    home = tmp_path / _ID
    (home / "cases").mkdir(parents=True)
    (home / "spec.yaml").write_bytes((PAGES / "base.yaml").read_bytes())
    (home / "cases" / "base.yaml").write_bytes((PAGES / "base-cases.yaml").read_bytes())
    report = collect([home / "spec.yaml"], registry())
    assert [str(found) for found in report.findings] == []
    assert report.cases > 0
