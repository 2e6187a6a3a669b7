"""--fix: what it mends, and that it changes nothing else."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from engine.bootstrap import open_registry
from engine.diagnostics import Diagnostic, Position
from spec_lint.cli import main
from spec_lint.collect import collect, mended
from spec_lint.mend import mend
from spec_lint.rule import Fix, Found
from tests.support.literate import PAGES, Example, examples, write

BASE = (PAGES / "base.yaml").read_text(encoding="utf-8")
MENDED = ("EXPR020", "LINT003", "QRY001", "YAML015", "YAML017", "YAML018", "YAML019", "YAML020", "YAML021", "YAML022")
"""Codes whose page shows under `right` what the fix makes of `wrong`."""
EVERY = sorted(path.stem for path in PAGES.glob("*.md"))


def home(folder: Path, spec: bytes | str) -> Path:
    place = folder / "acme-shipping"
    place.mkdir(parents=True)
    path = place / "spec.yaml"
    path.write_bytes(spec.encode() if isinstance(spec, str) else spec)
    return path


def of(code: str, *, wrong: bool) -> list[Example]:
    page = (PAGES / f"{code}.md").read_text(encoding="utf-8")
    return [one for one in examples(page) if one.spec and one.is_wrong is wrong]


def changed(line: str, old: str = "status: available") -> str:
    """The base spec with another line in place of one of its lines."""
    assert f"\n{old}\n" in BASE
    return BASE.replace(f"\n{old}\n", f"\n{line}\n", 1)


def lines_of(text: str) -> list[str]:
    return text.split("\n")


def fixed(spec: Path) -> list[str]:
    """The lines that --fix changed."""
    before = lines_of(spec.read_text())
    main([str(spec), "--fix", "--no-cases"])
    return [line for line in lines_of(spec.read_text()) if line not in before]


@pytest.mark.parametrize("code", MENDED)
def test_the_fix_makes_of_the_wrong_example_the_right_one(code: str, tmp_path: Path) -> None:
    [wrong], [right] = of(code, wrong=True), of(code, wrong=False)
    spec = home(tmp_path, write(wrong.spec, BASE).content)
    assert main([str(spec), "--fix", "--no-cases"]) == 0
    assert spec.read_bytes() == write(right.spec, BASE).content


@pytest.mark.parametrize("code", EVERY)
def test_a_fix_brings_no_finding_and_a_second_run_changes_nothing(code: str, tmp_path: Path) -> None:
    registry = open_registry()
    for number, example in enumerate(of(code, wrong=True)):
        spec = home(tmp_path / str(number), write(example.spec, BASE).content)
        before = collect([spec], registry, with_cases=False)
        count = mended(before, registry)
        after = collect([spec], registry, with_cases=False)
        assert {one.code for one in after.findings} <= {one.code for one in before.findings}
        assert len(after.findings) <= len(before.findings) - count
        once = spec.read_bytes()
        assert mended(after, registry) == 0
        assert spec.read_bytes() == once


def test_the_number_of_mended_findings_is_shown_and_the_rest_is_reported(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    spec = home(tmp_path, changed("status: available\nhttp: {headers: {A: 22:30, B: 2026-05-01}}\nprovidr: Acme"))
    assert main([str(spec), "--fix", "--no-cases"]) == 1
    said = capsys.readouterr()
    assert said.err == "spec-lint: 2 findings mended\n"
    assert "SPEC001" in said.out
    assert 'http: {headers: {A: "22:30", B: "2026-05-01"}}\n' in spec.read_text()


def test_a_spec_without_findings_is_not_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    spec = home(tmp_path, BASE)
    spec.chmod(0o400)
    before = spec.stat()
    assert main([str(spec), "--fix", "--no-cases"]) == 0
    assert capsys.readouterr().err == "spec-lint: 0 findings mended\n"
    assert spec.stat().st_ino == before.st_ino


def test_a_mended_file_keeps_its_mode_its_line_breaks_and_its_comments(tmp_path: Path) -> None:
    text = changed("status: available  # said twice: 22:30\nhttp: {headers: {A: 22:30}}").replace("\n", "\r\n")
    spec = home(tmp_path, text)
    spec.chmod(0o640)
    assert main([str(spec), "--fix", "--no-cases"]) == 0
    assert spec.read_bytes().decode() == text.replace("{A: 22:30}", '{A: "22:30"}')
    assert spec.stat().st_mode & 0o777 == 0o640
    assert [path.name for path in spec.parent.iterdir()] == ["spec.yaml"]


@pytest.mark.parametrize(
    ("line", "old", "new"),
    [
        # Where only a boolean or a number may stand, the word is not put into quotes.
        ("    deprecated: yes", "    rateLimit: 60", "    deprecated: true"),
        ("    rateLimit: 60.0", "    rateLimit: 60", "    rateLimit: 60"),
        ("    name: Off", "    rateLimit: 60", '    name: "Off"'),
        # A date where a number must stand: nobody knows what was meant, so it is left to the author.
        ("    rateLimit: 2026-05-01", "    rateLimit: 60", "    rateLimit: 2026-05-01"),
    ],
)
def test_a_word_is_mended_to_what_its_place_asks_for(tmp_path: Path, line: str, old: str, new: str) -> None:
    spec = home(tmp_path, changed(line, old))
    main([str(spec), "--fix", "--no-cases"])
    assert spec.read_text() == changed(new, old)


def test_unquoted_templates_are_mended_also_where_they_hide_the_rest_of_the_file(tmp_path: Path) -> None:
    path = '      path: "/parcels/{{ input.parcelId }}"'
    line = "      path: /parcels\n      query: {a: {{ input.parcelId }}-x, b: {{ input.parcelId }}{{ call.id }}}"
    spec = home(tmp_path, changed(line, path).replace("provider:", "providr:"))
    assert main([str(spec), "--fix", "--no-cases"]) == 1  # the misspelt key is left to the author
    assert 'query: {a: "{{ input.parcelId }}-x", b: "{{ input.parcelId }}{{ call.id }}"}\n' in spec.read_text()


def test_a_case_is_mended_too(tmp_path: Path) -> None:
    spec = home(tmp_path, BASE)
    cases = spec.parent / "cases" / "base.yaml"
    cases.parent.mkdir()
    text = (PAGES / "base-cases.yaml").read_text()
    cases.write_text(text.replace("source: made up for the examples", "source: 2026-05-01", 1))
    assert main([str(spec.parent), "--fix"]) == 0
    assert cases.read_text() == text.replace("source: made up for the examples", 'source: "2026-05-01"', 1)


# --- fixes that are wrong ---


def nothing(_file: str, _text: bytes) -> Sequence[Diagnostic]:
    return ()


def found(spec: Path, fix: Fix) -> Found:
    return Found(Diagnostic("QRY001", "made up", fix.position), fix)


@pytest.mark.parametrize(
    ("text", "path", "value"),
    [
        ("status: beta", ("status",), "available"),  # another value than it says
        ("status: beta", None, None),  # it says that nothing changes
        ("status: beta\nprovider: B", ("status",), "beta"),  # one more change than it says
        ("status: 'beta", ("status",), "beta"),  # not YAML any more
        ("status: beta\n  x: 1", ("status",), "beta"),
    ],
)
def test_a_fix_that_does_something_else_than_it_says_is_left_out(
    tmp_path: Path, text: str, path: tuple[str, ...] | None, value: object
) -> None:
    spec = tmp_path / "spec.yaml"
    spec.write_text("name: A\nstatus: available\n")
    fix = Fix(Position(str(spec), 2, 1), len("status: available"), text, path, value)
    assert mend([found(spec, fix)], nothing) == 0
    assert spec.read_text() == "name: A\nstatus: available\n"


def test_a_fix_after_which_compiling_finds_more_is_left_out(tmp_path: Path) -> None:
    spec = tmp_path / "spec.yaml"
    spec.write_text("status: available\n")

    def problems(file: str, text: bytes) -> Sequence[Diagnostic]:
        return [Diagnostic("SPEC004", "no", Position(file, 1, 9))] if b"live" in text else []

    fix = Fix(Position(str(spec), 1, 9), len("available"), "live", ("status",), "live")
    assert mend([found(spec, fix)], problems) == 0
    assert spec.read_text() == "status: available\n"
