"""A spec that is wrong or wants to do harm ends `serve` at once, with file, line and column, and runs nothing."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from tests.e2e.conftest import acme
from tests.e2e.serving import refused, serving, write_spec

LAUGHS = "a: &a [lol, lol]\n" + "".join(
    f"{chr(98 + at)}: &{chr(98 + at)} [*{chr(97 + at)}, *{chr(97 + at)}]\n" for at in range(20)
)
HOSTILE = {
    "billion laughs": (LAUGHS, "1:4", "YAML011"),
    "an alias to itself": ("a: &a [*a]\n", "1:4", "YAML011"),
    "deep lists": ("specVersion: 1\nx: " + "[" * 50_000, "2:66", "YAML004"),
    "deep blocks": ("".join(f"{' ' * at}k:\n" for at in range(2_000)), r"\d+:\d+", "YAML004"),
    "a python object": ("specVersion: 1\nx: !!python/object/apply:os.system [touch pwned]\n", "2:4", "YAML012"),
    "a tag of its own": ("x: !evil 1\n", "1:4", "YAML012"),
    "a merge key": ("a: {b: 1}\nc:\n  <<: {d: 1}\n", "3:3", "YAML013"),
    "a key given twice": ("specVersion: 1\nspecVersion: 2\n", "2:1", "YAML014"),
    "a key given twice deep inside": ("a:\n  - {b: 1, c: 2, b: 3}\n", "2:18", "YAML014"),
    "two documents": ("a: 1\n---\nb: 2\n", "2:1", "YAML009"),
    "a directive": ("%YAML 1.1\n---\na: 1\n", "1:1", "YAML010"),
    "a tab": ("a:\n\tb: 1\n", "2:1", "YAML007"),
    "an open bracket": ("a: [1, 2\nb: 3\n", r"\d+:\d+", "YAML006"),
    "a null byte": ("a: 1\nb: \0\n", "2:4", "YAML002"),
    "a character that turns the text": ("a: 1\nb: x\u202ey\n", "2:5", "YAML002"),
    "nothing": ("", "1:1", "YAML008"),
    "a huge number of values": ("a: [" + "1, " * 120_000 + "1]\n", r"1:\d+", "YAML00[35]"),
    "a huge text": ("a: " + "x" * 3_000_000 + "\n", "1:1", "YAML003"),
    "a date": ("a: 2026-05-01\n", "1:4", "YAML020"),
    "a list": ("- a\n- b\n", "1:1", "SPEC003"),
}


def folder_with(tmp_path: Path, text: str | bytes) -> Path:
    place = tmp_path / "specs" / "acme"
    place.mkdir(parents=True)
    (place / "spec.yaml").write_bytes(text.encode() if isinstance(text, str) else text)
    return tmp_path / "specs"


@pytest.mark.parametrize("what", HOSTILE)
def test_hostile_yaml_is_refused_with_its_place(tmp_path: Path, what: str):
    text, at, code = HOSTILE[what]
    done = refused(tmp_path, "--specs", str(folder_with(tmp_path, text)))
    assert done.returncode == 2, done.stderr[-2000:]
    assert re.search(rf"acme/spec\.yaml:{at}: error {code}: ", done.stderr), done.stderr[:2000]
    assert "Traceback" not in done.stderr
    assert len(done.stderr) < 100_000
    assert not (tmp_path / "data").exists()
    assert not list(Path().glob("**/pwned"))


def test_text_that_is_not_utf_8_is_refused_with_its_place(tmp_path: Path):
    done = refused(tmp_path, "--specs", str(folder_with(tmp_path, b"a: 1\nb: caf\xe9\n")))
    assert done.returncode == 2
    assert re.search(r"acme/spec\.yaml:2:7: error YAML001: ", done.stderr), done.stderr


@pytest.mark.parametrize("kind", ["folder", "dangling link", "link to itself"])
def test_a_spec_that_is_no_file_is_refused_plainly(tmp_path: Path, kind: str):
    place = tmp_path / "specs" / "acme"
    place.mkdir(parents=True)
    spec = place / "spec.yaml"
    if kind == "folder":
        spec.mkdir()
    else:
        spec.symlink_to(spec if kind == "link to itself" else tmp_path / "nowhere")
    done = refused(tmp_path, "--specs", str(tmp_path / "specs"))
    assert done.returncode == 2, done.stderr
    assert "Traceback" not in done.stderr
    assert "specs" in done.stderr


def test_all_findings_of_all_specs_come_at_once(tmp_path: Path):
    specs = folder_with(tmp_path, "specVersion: 1\nintegrationID: acme\n")
    write_spec(specs, acme(integrationId="acme-two", auth=[{"method": "token", "type": "api_kee", "needs": ["apiKey"]}]))
    done = refused(tmp_path, "--specs", str(specs))
    assert done.returncode == 2
    assert "acme/spec.yaml:2:1: error SPEC001" in done.stderr
    assert 'did you mean "integrationId"' in done.stderr
    assert "acme-two/spec.yaml:1:" in done.stderr
    assert '"api_key"' in done.stderr


def test_an_integration_that_is_there_already_is_refused(tmp_path: Path):
    for folder in ("one", "two"):
        write_spec(tmp_path / folder, acme())
    done = refused(tmp_path, "--specs", str(tmp_path / "one"), "--specs", str(tmp_path / "two"))
    assert done.returncode == 2
    assert "two/acme-shipping/spec.yaml:1:1: error SPEC078" in done.stderr


def test_a_template_can_not_reach_python(tmp_path: Path):
    for number, expression in enumerate(
        ("{{ ''.__class__ }}", "{{ input.__init__.__globals__ }}", "{{ 9 ** 9 ** 9 }}", "{{ 'x' * 999999999 }}",
         "{% for a in b %}{% endfor %}", "{{ cycler }}", "{{ credentials.apiKey }}")
    ):  # fmt: skip
        spec = acme()
        spec["actions"][0]["request"]["query"]["w"] = expression
        done = refused(tmp_path, "--specs", str(write_spec(tmp_path / f"specs{number}", spec)))
        assert done.returncode == 2, expression
        assert re.search(r"acme-shipping/spec\.yaml:1:\d+: error [A-Z]+\d{3}: ", done.stderr), expression
        assert "Traceback" not in done.stderr


def test_a_good_spec_beside_cases_that_are_wrong_serves_all_the_same(tmp_path: Path):
    """Cases are for tests and the sandbox; without it nobody reads them."""
    specs = write_spec(tmp_path / "specs", acme())
    (specs / "acme-shipping" / "cases").mkdir()
    (specs / "acme-shipping" / "cases" / "broken.yaml").write_text("- case: [")
    with serving(tmp_path / "data", "--specs", str(specs)) as service, service.client() as client:
        assert client.get("/catalog/acme-shipping").json()["integrationId"] == "acme-shipping"


def test_the_sandbox_refuses_cases_that_are_wrong(tmp_path: Path):
    specs = write_spec(tmp_path / "specs", acme())
    (specs / "acme-shipping" / "cases").mkdir()
    (specs / "acme-shipping" / "cases" / "broken.yaml").write_text("- case: fine\n  case: again\n")
    done = refused(tmp_path, "--sandbox", "--specs", str(specs))
    assert done.returncode == 2, json.dumps([done.stdout, done.stderr])
    assert re.search(r"cases/broken\.yaml:2:3: error YAML014", done.stderr), done.stderr
    assert "Traceback" not in done.stderr
