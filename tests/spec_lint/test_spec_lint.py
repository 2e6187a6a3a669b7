"""The command spec-lint, as authors and CI call it."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
from collections.abc import Callable
from contextlib import chdir
from pathlib import Path
from typing import Any

import pytest

from engine.diagnostics import CODES
from spec_lint.cli import main
from tests.support.specs import action, spec

CASE = """\
- case: the answer
  action: quote
  source: made up
  given: {input: {}}
  exchanges:
    - expect: {method: GET, url: "https://api.acme.example/quote"}
      answer: {status: 200, json: {}}
  result: {got: {}}
"""

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


def write(folder: Path, integration_id: str = "acme-shipping", cases: str = CASE, **parts: Any) -> Path:
    """One integration below `folder`: its spec is JSON, which is YAML too, over several lines."""
    home = folder / integration_id
    (home / "cases").mkdir(parents=True)
    text = json.dumps(spec(action(), integration_id=integration_id, **parts), indent=2)
    (home / "spec.yaml").write_text(text)
    (home / "cases" / "quote.yaml").write_text(cases)
    return home


def misspell(home: Path) -> None:
    path = home / "spec.yaml"
    path.write_text(path.read_text().replace('"provider"', '"providr"'))


def test_specs_without_a_mistake_end_with_0(tmp_path: Path, run: Run) -> None:
    write(tmp_path)
    write(tmp_path, "acme-payment")
    assert run(tmp_path) == (0, "2 specs and 2 cases checked: no findings\n", "")


def test_the_projects_own_specs_are_the_default_and_clean(run: Run) -> None:
    code, out, err = run()
    assert (code, err) == (0, ""), out
    assert out.endswith("checked: no findings\n")


def test_a_mistake_ends_with_1_and_is_shown_at_its_place(tmp_path: Path, run: Run) -> None:
    home = write(tmp_path)
    misspell(home)
    code, out, _ = run(tmp_path)
    line = (home / "spec.yaml").read_text().splitlines().index('  "providr": "Acme",') + 1
    assert code == 1
    assert f"{home / 'spec.yaml'}:{line}:3: error SPEC001" in out
    assert '"providr": "Acme",' in out
    assert "^^^^^^^" in out
    assert "provider" in out.partition("hint: ")[2]
    assert out.endswith("1 spec and 1 case checked: 1 finding in 1 file\n")


def test_mistakes_of_all_specs_and_their_cases_are_shown_together(tmp_path: Path, run: Run) -> None:
    misspell(write(tmp_path))
    write(tmp_path, "acme-payment", cases=CASE.replace("status: 200", "statuss: 200"))
    code, out, _ = run(tmp_path)
    assert code == 1
    assert "acme-shipping/spec.yaml:" in out
    assert "acme-payment/cases/quote.yaml:7:16: error SPEC001" in out


@pytest.mark.parametrize(
    ("cases", "words"),
    [
        (CASE + CASE, 'CASE001: there is another case "the answer"'),
        (CASE.replace("action: quote", "action: qoute"), 'NAME009: unknown action "qoute"'),
        (CASE.replace("given: {input: {}}", "given: {input: {}"), "YAML0"),
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
    (write(tmp_path) / "cases" / "quote.yaml").write_bytes(b"\xff\xfe")
    code, out, _ = run(tmp_path)
    assert (code, "quote.yaml:1:1: error YAML001" in out) == (1, True), out


@pytest.mark.parametrize("named", ["", "acme-shipping", "acme-shipping/spec.yaml", "acme-shipping/cases/quote.yaml"])
def test_a_path_names_many_specs_or_one(tmp_path: Path, run: Run, named: str) -> None:
    write(tmp_path)
    assert run(tmp_path / named)[1] == "1 spec and 1 case checked: no findings\n"


def test_a_spec_named_twice_is_checked_once(tmp_path: Path, run: Run) -> None:
    home = write(tmp_path)
    assert run(tmp_path, home, home / "spec.yaml")[1] == "1 spec and 1 case checked: no findings\n"


@pytest.mark.parametrize("named", [".", "spec.yaml", "cases/quote.yaml"])
def test_an_author_may_stand_in_the_folder(tmp_path: Path, run: Run, named: str) -> None:
    with chdir(write(tmp_path)):
        assert run(named) == (0, "1 spec and 1 case checked: no findings\n", "")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["nowhere"], "there is no nowhere"),
        (["."], ". holds no <integrationId>/spec.yaml"),
        (["--format", "xml"], "invalid choice"),
        (["--colour"], "unrecognized arguments: --colour"),
        (["explain"], "the following arguments are required: CODE"),
    ],
)
def test_a_wrong_call_ends_with_2_and_says_why(tmp_path: Path, run: Run, arguments: list[str], words: str) -> None:
    with chdir(tmp_path):
        code, out, err = run(*arguments)
    assert (code, out) == (2, "")
    assert words in err


def test_json_holds_every_finding(tmp_path: Path, run: Run) -> None:
    home = write(tmp_path, cases=CASE + CASE)
    misspell(home)
    code, out, err = run("--format", "json", tmp_path)
    document = json.loads(out)
    structure, twice = sorted(document.pop("findings"), key=lambda found: found["code"], reverse=True)
    assert (code, err) == (1, "")
    assert document == {"specs": 1, "cases": 2, "errors": 2, "warnings": 0}
    assert structure.keys() == {"code", "severity", "message", "hint", "file", "line", "column", "length"}
    assert structure["code"] == "SPEC001"
    assert structure["length"] == len('"providr"')
    assert twice == {
        "code": "CASE001",
        "severity": "error",
        "message": 'there is another case "the answer"',
        "file": str(home / "cases" / "quote.yaml"),
        "line": 9,
        "column": 3,
        "length": 1,
    }


def test_json_of_clean_specs_is_json_too(tmp_path: Path, run: Run) -> None:
    write(tmp_path)
    code, out, _ = run("--format=json", tmp_path)
    assert (code, json.loads(out)["findings"]) == (0, [])


def test_github_gets_one_annotation_for_each_finding(tmp_path: Path, run: Run) -> None:
    """Percent signs, colons and commas are escaped, so that no text ends a property or a line."""
    home = write(tmp_path / "50%, a:b", cases=CASE.replace("case: the answer", "case: 'a,b: 100%'") * 2)
    misspell(home)
    code, out, _ = run("--format", "github", tmp_path / "50%, a:b")
    lines = out.splitlines()
    assert code == 1
    assert len(lines) == 2
    assert all(line.startswith(f"::error file={tmp_path}/50%25%2C a%3Ab/acme-shipping/") for line in lines)
    assert 'cases/quote.yaml,line=9,col=3,endColumn=3,title=CASE001::there is another case "a,b: 100%25"' in lines[0]
    assert ",title=SPEC001::" in lines[1]


def test_github_gets_nothing_for_clean_specs(tmp_path: Path, run: Run) -> None:
    write(tmp_path)
    assert run("--format", "github", tmp_path) == (0, "", "")


def test_explain_says_what_a_code_means(run: Run) -> None:
    assert run("explain", "YAML014") == (0, f"YAML014: {CODES['YAML014']}\n", "")
    assert run("explain", "yaml014")[0] == 0


def test_explain_of_an_unknown_code_names_the_nearest(run: Run) -> None:
    code, out, err = run("explain", "YMAL014")
    assert (code, out) == (2, "")
    assert err.startswith('spec-lint: unknown code "YMAL014" (did you mean "YAML014"?')


def test_the_installed_command_works_without_a_terminal(tmp_path: Path) -> None:
    """No colour, no progress; and characters that the encoding lacks stop nothing."""
    misspell(write(tmp_path, name="Đơn"))
    command = [sys.executable, "-c", "import sys; from spec_lint.cli import main; sys.exit(main())", str(tmp_path)]
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0"}
    done = subprocess.run(command, env=env, capture_output=True, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (1, b"")
    assert b"SPEC001" in done.stdout
    assert b"\x1b" not in done.stdout


def _on_a_terminal(folder: Path, **env: str) -> str:
    """All that the command writes to a terminal."""
    command = [sys.executable, "-c", "import sys; from spec_lint.cli import main; sys.exit(main())", str(folder)]
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
        assert process.wait(60) == 1
    return written.decode()


def test_a_terminal_gets_colour_and_for_many_specs_progress(tmp_path: Path) -> None:
    for name in ("acme-shipping", "acme-payment", "acme-crm"):
        misspell(write(tmp_path, name))
    shown = _on_a_terminal(tmp_path)
    assert "\x1b[1;31merror SPEC001\x1b[0m" in shown
    assert "compiling 3 specs" in shown
    assert "reading the cases of 3/3 acme-shipping" in shown
    assert "\x1b[1;31m" not in _on_a_terminal(tmp_path, NO_COLOR="1")
