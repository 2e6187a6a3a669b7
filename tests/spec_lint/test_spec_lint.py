"""The command spec-lint, as authors and CI call it."""

from __future__ import annotations

import json
import os
import pty
import re
import subprocess
import sys
from collections.abc import Callable
from contextlib import chdir
from pathlib import Path

import pytest

from engine.diagnostics import CODES
from engine.locations import specs_dir
from engine.spec.load import spec_files
from spec_lint.cli import main
from spec_lint.table import TABLE
from tests.support.literate import PAGES

SPEC = (PAGES / "base.yaml").read_text(encoding="utf-8")
CASES = (PAGES / "base-cases.yaml").read_text(encoding="utf-8")
FIRST = CASES[: CASES.index("\n- ") + 1]
NAME = FIRST.splitlines()[0].removeprefix("- case: ")
COUNT = CASES.count("- case: ")
"""Cases of the base spec."""

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    """Calls the command in this process: exit code, standard output, standard error."""

    def call(*arguments: str | Path) -> tuple[int, str, str]:
        try:
            code = main([str(argument) for argument in arguments])
        except SystemExit as left:
            code = int(left.code or 0)
        said = capsys.readouterr()
        return code, said.out, said.err

    return call


def write(folder: Path, integration_id: str = "acme-shipping", spec: str = SPEC, cases: str = CASES) -> Path:
    """One integration below `folder`: the spec of the examples, which is clean."""
    home = folder / integration_id
    (home / "cases").mkdir(parents=True)
    (home / "spec.yaml").write_text(spec.replace("integrationId: acme-shipping", f"integrationId: {integration_id}"))
    (home / "cases" / "base.yaml").write_text(cases)
    return home


def misspell(home: Path) -> None:
    path = home / "spec.yaml"
    path.write_text(path.read_text().replace("provider: ", "providr: "))


def test_specs_without_a_mistake_end_with_0(tmp_path: Path, run: Run) -> None:
    write(tmp_path)
    write(tmp_path, "acme-payment")
    assert run(tmp_path) == (0, f"2 specs and {2 * COUNT} cases checked: no findings\n", "")


def test_the_projects_own_specs_are_the_default_and_clean(run: Run) -> None:
    """Their cases reach all that cases have to reach."""
    code, out, err = run()
    assert (code, err) == (0, ""), out
    specs = len(spec_files([specs_dir()]))
    assert re.fullmatch(rf"{specs} specs and [1-9]\d{{3}} cases checked: no findings\n", out), out


def test_a_mistake_ends_with_1_and_is_shown_at_its_place(tmp_path: Path, run: Run) -> None:
    home = write(tmp_path)
    misspell(home)
    code, out, _ = run(tmp_path)
    line = (home / "spec.yaml").read_text().splitlines().index("providr: Acme") + 1
    assert code == 1
    assert f"{home / 'spec.yaml'}:{line}:1: error SPEC001" in out
    assert "providr: Acme" in out
    assert "^^^^^^^" in out
    assert "provider" in out.partition("hint: ")[2]
    assert out.endswith(f"1 spec and {COUNT} cases checked: 1 finding in 1 file\n")


def test_mistakes_of_all_specs_and_their_cases_are_shown_together(tmp_path: Path, run: Run) -> None:
    misspell(write(tmp_path))
    write(tmp_path, "acme-payment", cases=CASES.replace("status: 200", "statuss: 200", 1))
    code, out, _ = run(tmp_path)
    assert code == 1
    assert "acme-shipping/spec.yaml:" in out
    assert "acme-payment/cases/base.yaml:10:16: error SPEC001" in out


@pytest.mark.parametrize(
    ("cases", "words"),
    [
        (CASES + FIRST, f'CASE001: there is another case "{NAME}"'),
        (CASES.replace("action: get_parcel", "action: get_parsel", 1), 'NAME009: unknown action "get_parsel"'),
        (CASES.replace("{parcelId: P1}", "{parcelId: P1", 1), "YAML0"),
    ],
)
def test_findings_about_cases_are_found_unless_they_are_left_alone(
    tmp_path: Path, run: Run, cases: str, words: str
) -> None:
    write(tmp_path, cases=cases)
    code, out, _ = run(tmp_path)
    assert (code, words in out) == (1, True), out
    assert run(tmp_path, "--no-cases")[:2] == (0, "1 spec and 0 cases checked: no findings\n")


def test_cases_that_are_not_text_are_a_finding(tmp_path: Path, run: Run) -> None:
    (write(tmp_path) / "cases" / "base.yaml").write_bytes(b"\xff\xfe")
    code, out, _ = run(tmp_path)
    assert (code, "base.yaml:1:1: error YAML001" in out) == (1, True), out


def test_what_is_wrong_in_a_spec_comes_before_what_follows_from_it_in_its_cases(tmp_path: Path, run: Run) -> None:
    """Folder by folder, and each spec before its cases."""
    for name in ("acme-payment", "acme-shipping"):
        write(tmp_path, name, spec=SPEC.replace("required: [parcelId, status]", "required: [parcelId, state]"))
    code, out, _ = run(tmp_path)
    places = [Path(line.partition(":")[0]) for line in out.splitlines() if " error " in line]
    home, other = tmp_path / "acme-payment", tmp_path / "acme-shipping"
    assert code == 1
    assert "USE006" in out.splitlines()[0]
    assert list(dict.fromkeys(places)) == [
        home / "spec.yaml", home / "cases" / "base.yaml", other / "spec.yaml", other / "cases" / "base.yaml",
    ]  # fmt: skip


def test_cases_are_not_held_against_a_spec_that_has_another_id_than_its_folder(tmp_path: Path, run: Run) -> None:
    write(tmp_path, spec=SPEC.replace("integrationId: acme-shipping", "integrationId: acme-shiping"))
    code, out, _ = run(tmp_path)
    assert (code, "SPEC079" in out, "COV" in out) == (1, True, False), out


@pytest.mark.parametrize("named", ["", "acme-shipping", "acme-shipping/spec.yaml", "acme-shipping/cases/base.yaml"])
def test_a_path_names_many_specs_or_one(tmp_path: Path, run: Run, named: str) -> None:
    write(tmp_path)
    assert run(tmp_path / named)[1] == f"1 spec and {COUNT} cases checked: no findings\n"


def test_a_spec_named_twice_is_checked_once(tmp_path: Path, run: Run) -> None:
    home = write(tmp_path)
    assert run(tmp_path, home, home / "spec.yaml")[1] == f"1 spec and {COUNT} cases checked: no findings\n"


@pytest.mark.parametrize("named", [".", "spec.yaml", "cases/base.yaml"])
def test_an_author_may_stand_in_the_folder(tmp_path: Path, run: Run, named: str) -> None:
    with chdir(write(tmp_path)):
        assert run(named) == (0, f"1 spec and {COUNT} cases checked: no findings\n", "")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["nowhere"], "there is no nowhere"),
        (["."], ". holds no <integrationId>/spec.yaml"),
        (["--format", "xml"], "invalid choice"),
        (["--colour"], "unrecognized arguments: --colour"),
        (["--only", "QRY999"], 'unknown code "QRY999"'),
    ],
)
def test_a_wrong_call_ends_with_2_and_says_why(tmp_path: Path, run: Run, arguments: list[str], words: str) -> None:
    with chdir(tmp_path):
        code, out, err = run(*arguments)
    assert (code, out) == (2, "")
    assert words in err


def test_json_holds_every_finding(tmp_path: Path, run: Run) -> None:
    home = write(tmp_path, cases=CASES + FIRST)
    misspell(home)
    code, out, err = run("--format", "json", tmp_path)
    document = json.loads(out)
    structure, twice = sorted(document.pop("findings"), key=lambda found: found["code"], reverse=True)
    assert (code, err) == (1, "")
    assert document == {"specs": 1, "cases": COUNT + 1, "errors": 2, "warnings": 0}
    assert structure.keys() == {"code", "severity", "message", "hint", "file", "line", "column", "length"}
    assert structure["code"] == "SPEC001"
    assert structure["length"] == len("providr")
    assert "base.yaml, line " in str(twice.pop("hint"))
    assert twice == {
        "code": "CASE001",
        "severity": "error",
        "message": 'there is another case "' + NAME + '"',
        "file": str(home / "cases" / "base.yaml"),
        "line": CASES.count("\n") + 1,
        "column": 3,
        "length": 1,
    }


def test_json_of_clean_specs_is_json_too(tmp_path: Path, run: Run) -> None:
    write(tmp_path)
    code, out, _ = run("--format=json", tmp_path)
    assert (code, json.loads(out)["findings"]) == (0, [])


def test_github_gets_one_annotation_for_each_finding(tmp_path: Path, run: Run) -> None:
    """Percent signs, colons and commas are escaped, so that no text ends a property or a line."""
    home = write(tmp_path / "50%, a:b", cases=FIRST.replace(NAME, "'a,b: 100%'") * 2)
    misspell(home)
    code, out, _ = run("--format", "github", tmp_path / "50%, a:b")
    lines = out.splitlines()
    line = FIRST.count("\n") + 1
    assert code == 1
    assert len(lines) == 2
    assert all(line.startswith(f"::error file={tmp_path}/50%25%2C a%3Ab/acme-shipping/") for line in lines)
    place = f"cases/base.yaml,line={line},col=3,endColumn=3,title=CASE001"
    assert f'{place}::there is another case "a,b: 100%25"' in lines[1]
    assert ",title=SPEC001::" in lines[0]


def test_github_gets_nothing_for_clean_specs(tmp_path: Path, run: Run) -> None:
    write(tmp_path)
    assert run("--format", "github", tmp_path) == (0, "", "")


def test_explain_says_what_a_code_means(run: Run) -> None:
    code, out, err = run("explain", "YAML014")
    assert (code, err) == (0, "")
    assert out.startswith(f"# YAML014 {CODES['YAML014']}\n\n**Why.** ")
    assert run("explain", "yaml014") == (0, out, "")


def test_explain_without_a_code_lists_all_codes(run: Run) -> None:
    code, out, _ = run("explain")
    assert code == 0
    assert [line.split()[0] for line in out.splitlines() if line] == sorted(TABLE)
    assert f"YAML014  {CODES['YAML014']}\n" in out


def test_a_page_on_a_terminal_is_laid_out(tmp_path: Path) -> None:
    shown = _on_a_terminal("explain", "YAML014", ends_with=0)
    assert "\x1b[" in shown
    assert "**Why.**" not in shown
    assert "Why." in shown
    assert "Wrong, in an action that reads:" in shown
    assert "Right, in an action that reads:" in shown
    assert "```" not in shown
    assert CODES["YAML014"] in shown.replace("\x1b[0m", "")


def test_warnings_end_with_0_unless_it_is_strict(tmp_path: Path, run: Run) -> None:
    write(tmp_path, spec=SPEC.replace("status: available\n", "status: available  # lint: allow QRY001 - no more\n"))
    code, out, _ = run(tmp_path)
    assert (code, "warning LINT003" in out) == (0, True), out
    assert run(tmp_path, "--strict") == (1, out, "")


def test_rules_are_chosen_by_code_or_family_and_compiling_is_not_left_out(tmp_path: Path, run: Run) -> None:
    home = write(tmp_path, spec=SPEC.replace("success: body.ok", 'success: "body[?a == null]"'))
    flags: dict[tuple[str, ...], bool] = {
        (): True,
        ("--only", "QRY001"): True,
        ("--only", "qry"): True,
        ("--only", "COV"): False,
        ("--only", "COV", "--only", "QRY"): True,
        ("--except", "QRY001"): False,
        ("--except", "QRY"): False,
        ("--except", "COV"): True,
    }
    assert {given: "QRY001" in run(home, "--no-cases", *given)[1] for given in flags} == flags
    misspell(home)
    assert "SPEC001" in run(home, "--no-cases", "--only", "QRY001")[1]


def test_explain_of_an_unknown_code_names_the_nearest(run: Run) -> None:
    code, out, err = run("explain", "YMAL014")
    assert (code, out) == (2, "")
    assert err.startswith('spec-lint: unknown code "YMAL014" (did you mean "YAML014"?')


def test_the_installed_command_works_without_a_terminal(tmp_path: Path) -> None:
    """No colour, no progress; and characters that the encoding lacks stop nothing."""
    misspell(write(tmp_path, spec=SPEC.replace("name: Acme Parcels", "name: Đơn")))
    command = [sys.executable, "-c", "import sys; from spec_lint.cli import main; sys.exit(main())", str(tmp_path)]
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0"}
    done = subprocess.run(command, env=env, capture_output=True, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (1, b"")
    assert b"SPEC001" in done.stdout
    assert b"\x1b" not in done.stdout


def _on_a_terminal(*arguments: str, ends_with: int = 1, **env: str) -> str:
    """All that the command writes to a terminal."""
    command = [sys.executable, "-c", "import sys; from spec_lint.cli import main; sys.exit(main())", *arguments]
    outer, inner = pty.openpty()
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "TERM": "xterm", **env}
    process = subprocess.Popen(command, env=environment, stdin=inner, stdout=inner, stderr=inner)
    os.close(inner)
    written = b""
    try:
        while part := os.read(outer, 65_536):
            written += part
    except OSError:
        pass  # the terminal's way to say that the other side has closed
    finally:
        os.close(outer)
        assert process.wait(60) == ends_with
    return written.decode()


def test_a_terminal_gets_colour_and_for_many_specs_progress(tmp_path: Path) -> None:
    for name in ("acme-shipping", "acme-payment", "acme-crm"):
        misspell(write(tmp_path, name))
    shown = _on_a_terminal(str(tmp_path))
    assert "\x1b[1;31merror SPEC001\x1b[0m" in shown
    assert "compiling 3 specs" in shown
    assert "checking 3/3 acme-shipping" in shown
    assert "\x1b[1;31m" not in _on_a_terminal(str(tmp_path), NO_COLOR="1")
