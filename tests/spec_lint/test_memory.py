"""The linter remembers what it found in a folder, and only as long as nothing has changed."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest

from engine.bootstrap import open_registry
from engine.plugins import Registry
from spec_lint.collect import Report, collect
from spec_lint.memory import Memory, linter_of
from tests.support.literate import PAGES

ID = "acme-shipping"
MARK = "as it was remembered"


@cache
def registry() -> Registry:
    return open_registry()


@pytest.fixture
def spec(tmp_path: Path) -> Path:
    """A folder with an error, a warning, a finding that can be mended and one in its cases."""
    home = tmp_path / "specs" / ID
    (home / "cases").mkdir(parents=True)
    text = (PAGES / "base.yaml").read_text()
    text = text.replace("status: \"lookup(body.parcel.state, 'parcelStatus')\"", 'status: "body.stops[?done == true]"')
    (home / "spec.yaml").write_text(text)
    (home / "cases" / "base.yaml").write_text((PAGES / "base-cases.yaml").read_text())
    return home / "spec.yaml"


def memory(spec: Path, linter: str = "1", asked: str = "all") -> Memory:
    return Memory(spec.parents[2] / "memory", linter, asked)


def look(*specs: Path, with_memory: Memory | None = None) -> Report:
    return collect(specs, registry(), memory=with_memory)


def mark(spec: Path) -> None:
    """Changes what is remembered, so that it can be told from what is found."""
    for file in memory(spec)._home.glob("*.json"):
        file.write_bytes(file.read_bytes().replace(b'"message":"', f'"message":"{MARK}: '.encode()))


def is_recalled(report: Report) -> bool:
    marked = {MARK in found.message for found in report.findings}
    assert len(marked) == 1  # all or none
    return marked.pop()


def test_what_is_remembered_is_what_was_found(spec: Path) -> None:
    found = look(spec)
    assert {one.fix is None for one in found.found} == {True, False}
    assert {Path(one.position.file).name for one in found.findings} == {"spec.yaml", "base.yaml"}
    assert look(spec, with_memory=memory(spec)) == found
    again = look(spec, with_memory=memory(spec))
    assert (again.found, again.specs, again.cases) == (found.found, found.specs, found.cases)
    assert again.texts == {file: found.texts[file] for file in {one.position.file for one in found.findings}}


def test_an_unchanged_folder_is_not_looked_at_again(spec: Path) -> None:
    look(spec, with_memory=memory(spec))
    mark(spec)
    assert is_recalled(look(spec, with_memory=memory(spec)))
    assert not is_recalled(look(spec))


def _comment(spec: Path) -> None:
    spec.write_text(spec.read_text() + "# read again\n")


def _case(spec: Path) -> None:
    file = spec.parent / "cases" / "base.yaml"
    file.write_text(file.read_text().replace("fee: 20000}", "fee: 20001}"))


def _more_cases(spec: Path) -> None:
    (spec.parent / "cases" / "more.yaml").write_text("- 1\n")


def _fewer_cases(spec: Path) -> None:
    (spec.parent / "cases" / "base.yaml").unlink()


def _renamed_cases(spec: Path) -> None:
    file = spec.parent / "cases" / "base.yaml"
    file.rename(file.with_name("other.yaml"))


def _logo(spec: Path) -> None:
    (spec.parent / "logo.svg").write_text("<svg/>")


@pytest.mark.parametrize("change", [_comment, _case, _more_cases, _fewer_cases, _renamed_cases, _logo])
def test_a_folder_with_any_change_is_looked_at_again(spec: Path, change: Callable[[Path], None]) -> None:
    """Also when the change keeps size and time of the file."""
    before = {file: file.stat().st_mtime_ns for file in spec.parent.rglob("*")}
    look(spec, with_memory=memory(spec))
    mark(spec)
    change(spec)
    for file, time in before.items():
        if file.exists():
            os.utime(file, ns=(time, time))
    assert not is_recalled(look(spec, with_memory=memory(spec)))


@pytest.mark.parametrize(("linter", "asked"), [("2", "all"), ("1", "some")])
def test_another_linter_or_another_question_has_a_memory_of_its_own(spec: Path, linter: str, asked: str) -> None:
    look(spec, with_memory=memory(spec))
    mark(spec)
    assert not is_recalled(look(spec, with_memory=memory(spec, linter, asked)))


def test_what_changes_while_it_is_looked_at_is_not_remembered(spec: Path) -> None:
    own = memory(spec)
    assert own.recall(spec) is None
    look(spec, with_memory=memory(spec))
    kept = memory(spec).recall(spec)
    assert kept is not None
    _comment(spec)
    own.keep(spec, kept)
    assert memory(spec).recall(spec) is None


def test_two_folders_of_one_integration_are_told_although_each_is_remembered(spec: Path) -> None:
    twin = spec.parents[1] / "twin" / "spec.yaml"
    shutil.copytree(spec.parent, twin.parent)
    for one in (spec, twin):
        look(one, with_memory=memory(spec))
    both = look(spec, twin, with_memory=memory(spec))
    assert [found.code for found in both.findings].count("SPEC078") == 1
    assert both == look(spec, twin)
    assert "SPEC078" not in {found.code for found in look(twin, with_memory=memory(spec)).findings}


@pytest.mark.parametrize("content", [b"", b"{}", b"[1]", b"\xff", b'{"key": 1, "kept": {}}'])
def test_a_file_that_is_none_of_ours_is_passed_over(spec: Path, content: bytes) -> None:
    found = look(spec, with_memory=memory(spec))
    (file,) = memory(spec)._home.glob("*.json")
    file.write_bytes(content)
    assert look(spec, with_memory=memory(spec)) == found


def test_where_nothing_can_be_written_nothing_is_remembered(spec: Path) -> None:
    (spec.parents[2] / "memory").write_text("a file in its place")
    assert look(spec, with_memory=memory(spec)) == look(spec)


def test_a_changed_source_is_another_linter_and_a_fresh_one_is_none_yet(tmp_path: Path) -> None:
    """What runs may be older than a source that was saved a moment ago."""
    source = tmp_path / "rule.py"
    source.write_text("a = 1")
    assert linter_of([tmp_path]) is None
    os.utime(source, (1, 1))
    first = linter_of([tmp_path])
    source.write_text("a = 2")
    os.utime(source, (1, 1))
    assert None not in (first, linter_of([tmp_path]))
    assert linter_of([tmp_path]) != first
