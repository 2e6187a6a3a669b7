"""A spec that is wrong or wants to do harm ends `serve` at once, with file, line and column, and runs nothing."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from tests.e2e.conftest import CREDENTIALS, acme
from tests.e2e.serving import Provider, connect, execute, refused, serving, write_spec

LAUGHS = "a: &a [lol, lol]\n" + "".join(
    f"{chr(98 + at)}: &{chr(98 + at)} [*{chr(97 + at)}, *{chr(97 + at)}]\n" for at in range(20)
)
HOSTILE: dict[str, tuple[str | bytes, str, str]] = {
    "billion laughs": (LAUGHS, "1:4", "YAML011"),
    "an alias to itself": ("a: &a [*a]\n", "1:4", "YAML011"),
    "deep lists": ("specVersion: 1\nx: " + "[" * 50_000, "2:67", "YAML004"),
    "deep blocks": ("".join(f"{' ' * at}k:\n" for at in range(500)), r"\d+:\d+", "YAML004"),
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
    "text that is not UTF-8": (b"a: 1\nb: caf\xe9\n", "2:7", "YAML001"),
    "a list": ("- a\n- b\n", "1:1", "SPEC003"),
}


def folder_with(tmp_path: Path, text: str | bytes, name: str = "acme") -> Path:
    place = tmp_path / "specs" / name
    place.mkdir(parents=True)
    (place / "spec.yaml").write_bytes(text.encode() if isinstance(text, str) else text)
    return tmp_path / "specs"


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> str:
    """What `serve` says when it is given all of them at once; it must end by itself."""
    folder = tmp_path_factory.mktemp("hostile")
    for name, (text, _, _) in HOSTILE.items():
        folder_with(folder, text, name.replace(" ", "-"))
    done = refused(folder, "--specs", str(folder / "specs"))
    assert done.returncode == 2, done.stderr[-2000:]
    assert "Traceback" not in done.stderr
    assert len(done.stderr) < 200_000
    assert not (folder / "data").exists()
    assert not list(folder.glob("**/pwned"))
    return done.stderr


@pytest.mark.parametrize("what", HOSTILE)
def test_hostile_yaml_is_refused_with_its_place(told: str, what: str):
    _, at, code = HOSTILE[what]
    found = [line for line in told.splitlines() if f"/{what.replace(' ', '-')}/spec.yaml:" in line]
    assert any(re.search(rf"/spec\.yaml:{at}: error {code}: ", line) for line in found), found


def test_a_spec_that_is_no_file_is_refused_plainly(tmp_path: Path):
    for name in ("folder", "nowhere", "itself"):
        (tmp_path / "specs" / name).mkdir(parents=True)
    specs = {name: tmp_path / "specs" / name / "spec.yaml" for name in ("folder", "nowhere", "itself")}
    specs["folder"].mkdir()
    specs["nowhere"].symlink_to(tmp_path / "gone")
    specs["itself"].symlink_to(specs["itself"])
    done = refused(tmp_path, "--specs", str(tmp_path / "specs"))
    assert done.returncode == 2, done.stderr
    assert "Traceback" not in done.stderr
    for spec in specs.values():
        assert f"{spec}:1:1: error SPEC096" in done.stderr


def test_all_findings_of_all_specs_come_at_once(tmp_path: Path):
    specs = folder_with(tmp_path, "specVersion: 1\nintegrationID: acme\n")
    write_spec(
        specs, acme(integrationId="acme-two", auth=[{"method": "token", "type": "api_kee", "needs": ["apiKey"]}])
    )
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


REFUSED = ["{{ input.__init__.__globals__ }}", "{{ 9 ** 9 ** 9 }}", "{{ [].append(1) }}", "{{ 'a'.format(1) }}",
           "{{ cycler }}", "{{ lipsum.__globals__ }}", "{{ 'x' | attr('__class__') }}", "{{ range(99999999999) }}",
           "{{ credentials.apiKey }}"]  # fmt: skip


def test_expressions_that_reach_for_python_are_refused_where_they_stand(tmp_path: Path):
    spec = acme()
    spec["actions"][0]["request"]["query"] = {f"w{number}": wrong for number, wrong in enumerate(REFUSED)}
    specs = write_spec(tmp_path / "specs", spec)
    text = (specs / "acme-shipping" / "spec.yaml").read_text()
    done = refused(tmp_path, "--specs", str(specs))
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    places = [
        int(at) for at in re.findall(r"acme-shipping/spec\.yaml:1:(\d+): error (?:NAME|EXPR)\d{3}: ", done.stderr)
    ]
    for wrong in REFUSED:
        start = text.rindex(wrong) + 1
        assert any(start <= at <= start + len(wrong) for at in places), wrong


def test_names_are_keys_only_and_only_numbers_multiply(tmp_path: Path):
    """What Python would answer with a class or a gigabyte is absent, or an error of the call."""
    spec = acme()
    spec["actions"][0]["request"]["query"] = {
        "a": "{{ ''.__class__ }}",
        "b": "{{ input.town.__class__.__mro__ }}",
        "c": "{{ (1).real }}",
        "d": "{{ call.id.format }}",
        "e": "{% if true %}x{% endif %}",
    }
    spec["actions"][1]["request"]["json"] = {"order": "{{ 'x' * 999999999 }}"}
    specs = write_spec(tmp_path / "specs", spec)
    arguments = ["--specs", str(specs)]
    with (
        Provider() as provider,
        serving(tmp_path / "data", *arguments, "--upstream", f"acme-shipping={provider.origin}") as service,
        service.client() as client,
    ):
        place = connect(client, "acme-shipping", credentials=CREDENTIALS)
        assert execute(client, "quote", connectionId=place, input={"town": "Hue"}).json()["success"] is True
        assert provider.seen[0].target == "/quote/Hue?e=%7B%25%20if%20true%20%25%7Dx%7B%25%20endif%20%25%7D"
        failed = execute(client, "book", connectionId=place, input={"order": 1}).json()
        assert failed["error"]["code"] in ("INVALID_INPUT", "INTERNAL")
        assert len(provider.seen) == 1


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
