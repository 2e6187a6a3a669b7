"""`integrations new` asks little, writes what is valid at once, and never touches what is there."""

from __future__ import annotations

import os
import pty
import re
import shlex
import subprocess
import sys
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.bootstrap import open_registry
from engine.cases.read import read_folder
from engine.cases.replay_any import replay_any
from engine.catalog import Catalog
from engine.cli import main
from engine.cli.scaffold import files
from engine.cli.scaffold.plan import Plan, default_method, default_path
from engine.locations import schemas_dir
from engine.spec.load import load
from spec_lint.collect import collect, targets
from tests.cli.conftest import ROOT
from tests.cli.test_commands import PROGRAM, run
from tests.support.environment import clean_environment

PLAN = Plan(
    "shipping-acme", "shipping", "Acme", "https://api.acme.example", "api_key", "X-Api-Key", "get_item", "GET",
    "/v1/items/{itemId}",
)  # fmt: skip


def write(plan: Plan, folder: Path) -> Path:
    for name, text in files(plan, "../../schemas").items():
        place = folder / plan.integration_id / name
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(text, encoding="utf-8")
    return folder / plan.integration_id


async def problems(plan: Plan, folder: Path) -> list[Any]:
    """Everything that compiling finds, everything in the cases' files, and every difference of every replay."""
    place = write(plan, folder)
    loaded = load([place], open_registry(), schemas_dir())
    cases, wrong = read_folder(place)
    found: list[Any] = [*loaded.diagnostics, *wrong]
    assert len(cases) == (7 if plan.auth == "oauth2" else 3)
    for case in cases if not found else ():
        found += await replay_any(case, Catalog(loaded.integrations))
    return found


WORDS = st.from_regex(r"[a-z][a-z0-9]{0,5}", fullmatch=True)
ACTIONS = st.lists(WORDS, min_size=1, max_size=3).map("_".join) | st.sampled_from(
    ["list_orders", "find_y", "get_2", "create_name", "update_boxes", "delete_class", "replace_entry", "list_no"]
)
NAMES = st.sampled_from(["Acme", "yes", "1.10", "a: b # c", "Bưu điện 'Á' \"B\"", "<&>", "{{ x }}", "- a", "日本"])
PATHS = st.sampled_from(["/", "/v1/{order_id}/x.{Name}", "/a/{name}", "/{limit}", "/{a}/{a}", "/v1:do/@me/~x"])


@st.composite
def plans(draw: st.DrawFn) -> Plan:
    action = draw(ACTIONS)
    method = draw(st.sampled_from(["GET", "POST", "PUT", "PATCH", "DELETE", default_method(action)]))
    path = draw(PATHS.filter(lambda path: len(path) > 1) | st.just(default_path(action, method)))
    base = draw(st.sampled_from(["https://api.acme.example", "https://acme.example/api/v2"]))
    plan = replace(PLAN, name=draw(NAMES), action=action, method=method, path=path, base_url=base)
    prefix = draw(st.sampled_from(["", "Key", "Token token=", "a: 'b', #"]))
    return replace(plan, auth=draw(st.sampled_from(["api_key", "bearer", "basic", "oauth2"])), prefix=prefix)


@settings(max_examples=40)
@given(plans())
async def test_whatever_is_answered_the_spec_compiles_and_its_cases_replay(plan: Plan) -> None:
    with tempfile.TemporaryDirectory() as folder:
        assert await problems(plan, Path(folder)) == []


@pytest.mark.parametrize("auth", ["api_key", "bearer", "basic", "oauth2"])
def test_the_printed_commands_work_as_they_are(auth: str, tmp_path: Path) -> None:
    specs = tmp_path / "my specs"
    done = run("new", "crm-acme", "--auth", auth, "--dir", str(specs), "--action", "create_contact")
    assert done.returncode == 0, done.stderr
    lint, call, explain = (shlex.split(line) for line in done.stdout.splitlines() if line.startswith("  "))
    linted = subprocess.run([Path(PROGRAM).parent / lint[0], *lint[1:]], capture_output=True, text=True, check=False)
    assert linted.returncode == 0, linted.stdout
    found = re.findall(r": (error|warning) ([A-Z]+[0-9]{3}): ", linted.stdout)
    assert set(found) == {("warning", "TOOL010")}, linted.stdout
    called = run(*call[1:], INTEGRATIONS_DATA_DIR=str(tmp_path / "data"))
    assert called.returncode == 0, called.stdout + called.stderr
    assert '"data":{"id":"1001","status":"active"}' in called.stdout
    explained = run(*explain[1:], INTEGRATIONS_DATA_DIR=str(tmp_path / "data"))
    assert explained.stdout.startswith("POST https://api.acme.example/v1/contacts\n"), explained.stderr


@pytest.mark.parametrize("auth", ["api_key", "bearer", "basic", "oauth2"])
@pytest.mark.parametrize("action", ["get_item", "list_items", "create_item"])
def test_every_sentence_that_says_what_belongs_there_is_a_warning_and_nothing_else_is_found(
    auth: str, action: str, tmp_path: Path
) -> None:
    assert main(["new", "crm-acme", "--yes", "--auth", auth, "--action", action, "--dir", str(tmp_path)]) == 0
    text = (tmp_path / "crm-acme" / "spec.yaml").read_text()
    left = text.count("say here") + text.count("put the provider's own fields here")
    found = collect(targets([tmp_path]), open_registry()).findings
    assert [(one.severity, one.code) for one in found] == [("warning", "TOOL010")] * left, found
    assert left >= 3


@pytest.mark.parametrize(
    ("method", "action", "says"),
    [
        ("POST", "create_contact", "Creates a contact at the provider; .* A repeat makes a second contact."),
        ("POST", "send_contact", "Changes a contact at the provider; .* A repeat may do it a second time."),
        ("PUT", "replace_contact", "Replaces a contact at the provider by .* A repeat changes nothing more."),
        ("PATCH", "update_contact", "Changes the given fields of a contact .* A repeat makes the same change again."),
        ("DELETE", "delete_contact", "Deletes a contact at the provider; .* A repeat changes nothing more."),
    ],
)
def test_the_description_says_what_the_method_does_and_a_repeat(
    method: str, action: str, says: str, tmp_path: Path
) -> None:
    plan = replace(PLAN, method=method, action=action, path=default_path(action, method))
    spec = (write(plan, tmp_path) / "spec.yaml").read_text("utf-8")
    assert re.search(f"    description: {says}\n", spec)
    assert ("a second contact" in spec) == (action == "create_contact")


def test_a_key_may_stand_after_a_word_in_its_header(tmp_path: Path) -> None:
    for number, (header, line) in enumerate([
        ("Authorization: Key", 'Authorization: "Key {{ credentials.apiKey }}"'),
        ("Authorization:Token token=", 'Authorization: "Token token={{ credentials.apiKey }}"'),
        ("X-Key:", 'X-Key: "{{ credentials.apiKey }}"'),
    ]):  # fmt: skip
        assert main(["new", f"crm-acme{number}", "--yes", "--dir", str(tmp_path), "--header", header]) == 0
        assert f"        {line}\n" in (tmp_path / f"crm-acme{number}" / "spec.yaml").read_text("utf-8")


def test_the_sandbox_plays_the_refusals_too(tmp_path: Path) -> None:
    assert main(["new", "shipping-acme", "--yes", "--dir", str(tmp_path)]) == 0
    call = ["call", "shipping-acme", "get_item", "--specs", str(tmp_path), "--sandbox"]
    unknown = run(*call, "--credentials", '{"apiKey": "fake-shipping-acme-key-0000"}', "--input", '{"itemId": "9999"}')
    assert '"code":"NOT_FOUND"' in unknown.stdout
    key = '{"apiKey": "fake-shipping-acme-refused-0000"}'
    refused = run(*call, "--credentials", key, "--input", '{"itemId": "1001"}')
    assert '"code":"AUTH_FAILED"' in refused.stdout


@pytest.mark.parametrize("there", ["folder", "empty folder", "file", "link"])
def test_what_is_there_is_never_touched(there: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    place = tmp_path / "crm-acme"
    if there.endswith("folder"):
        place.mkdir()
    elif there == "file":
        place.write_text("mine")
    else:
        place.symlink_to(tmp_path / "nowhere")
    if there == "folder":
        (place / "spec.yaml").write_text("mine")
    before = sorted(path.relative_to(tmp_path) for path in tmp_path.rglob("*"))
    assert main(["new", "crm-acme", "--yes", "--dir", str(tmp_path)]) == 2
    assert "is there already; nothing was written" in capsys.readouterr().err
    assert sorted(path.relative_to(tmp_path) for path in tmp_path.rglob("*")) == before


def test_an_integration_of_the_project_is_not_begun_again_elsewhere(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["new", "shipping-ghn", "--yes", "--dir", str(tmp_path)]) == 2
    assert "shipping-ghn is there already" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["Acme"], "ID: an integration id is kebab-case"),
        (["shipping-" + "a" * 64], "ID: at most 64 characters"),
        (
            ["shipping-acme", "--category", "shiping"],
            '--category: unknown category "shiping" (did you mean "shipping"?',
        ),
        (["acme"], "--category: a category is needed (known: shipping, payment, ecommerce, crm"),
        (["shipping-acme", "--auth", "basik"], 'did you mean "basic"?'),
        (["shipping-acme", "--auth", "bearer", "--header", "X-Key"], "--header goes with --auth api_key"),
        (["shipping-acme", "--header", "X Key"], "--header: write the name"),
        (["shipping-acme", "--header", 'Authorization: "Key'], "--header: what stands before the key is plain text"),
        (["shipping-acme", "--header", "Content-Type"], "--header: write the name"),
        (["shipping-acme", "--base-url", "http://api.acme.example"], "--base-url: write where the API is"),
        (["shipping-acme", "--base-url", "https://api.acme.example/a?b"], "without query"),
        (["shipping-acme", "--base-url", "https://u:p@api.acme.example"], "--base-url"),
        (["shipping-acme", "--action", "getItem"], "--action: an action id is snake_case"),
        (["shipping-acme", "--method", "GETT"], 'did you mean "GET"?'),
        (["shipping-acme", "--path", "items"], "--path: write it from / on"),
        (["shipping-acme", "--path", "//evil.example"], "--path"),
        (["shipping-acme", "--path", "/a/../b"], "--path"),
        (["shipping-acme", "--path", "/a/{{ input.x }}"], "--path"),
        (["shipping-acme", "--name", "a\nb"], "--name: a name has 1 to 100 characters"),
    ],
)
def test_a_wrong_answer_is_told_with_its_option_and_nothing_is_written(
    arguments: list[str], says: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["new", *arguments, "--yes", "--dir", str(tmp_path / "specs")]) == 2
    assert says in capsys.readouterr().err
    assert not (tmp_path / "specs").exists()


def test_the_category_comes_from_the_id_or_from_what_it_is_near_to(tmp_path: Path) -> None:
    for id_ in ("crm-acme", "ship-acme"):
        assert main(["new", id_, "--yes", "--dir", str(tmp_path)]) == 0
    assert "category: crm\n" in (tmp_path / "crm-acme" / "spec.yaml").read_text()
    assert "category: shipping\n" in (tmp_path / "ship-acme" / "spec.yaml").read_text()


def schema_of(file: Path) -> Path:
    line = file.read_text().splitlines()[0]
    mark = "# yaml-language-server: $schema="
    assert line.startswith(mark)
    return (file.parent / line.removeprefix(mark)).resolve()


def test_the_first_line_leads_to_the_schema_from_wherever_it_is_written(tmp_path: Path) -> None:
    inside = tempfile.mkdtemp(prefix=".new-", dir=ROOT / "tests" / "cli")
    try:
        for folder in (tmp_path / "deep" / "specs", Path(inside)):
            assert main(["new", "crm-acme", "--yes", "--dir", str(folder)]) == 0
            place = folder / "crm-acme"
            assert schema_of(place / "spec.yaml") == ROOT / "schemas" / "integration.schema.json"
            assert schema_of(place / "cases" / "get_item.yaml") == ROOT / "schemas" / "case.schema.json"
        assert "$schema=../" in (Path(inside) / "crm-acme" / "spec.yaml").read_text().splitlines()[0]
    finally:
        subprocess.run(["rm", "-r", inside], check=True)


def typed(arguments: list[str], answers: str, cwd: Path) -> tuple[int, str]:
    """Runs the program on a terminal where somebody types this; exit code and what the terminal showed."""
    terminal, other = pty.openpty()
    environment = {**clean_environment(), "TERM": "dumb"}
    process = subprocess.Popen(
        [PROGRAM, *arguments], stdin=other, stdout=other, stderr=other, cwd=cwd, env=environment, start_new_session=True
    )
    os.close(other)
    os.write(terminal, answers.encode())
    shown = b""
    try:
        while chunk := os.read(terminal, 4096):
            shown += chunk
    except OSError:
        pass  # the program has ended
    finally:
        os.close(terminal)
    return process.wait(60), shown.decode()


@pytest.mark.skipif(sys.platform == "win32", reason="needs a terminal of Unix")
def test_a_terminal_is_asked_for_what_was_not_given_and_again_after_a_wrong_answer(tmp_path: Path) -> None:
    answers = "Acme Post\nshoping\npayment\n\n\nX-Acme-Key\nlist_parcels\n\n\n"
    code, shown = typed(["new", "shipping-acme", "--auth", "api_key"], answers.replace("\n\n\nX-", "\n\nX-"), tmp_path)
    assert code == 0, shown
    spec = (tmp_path / "specs" / "shipping-acme" / "spec.yaml").read_text()
    assert "name: Acme Post\n" in spec
    assert "category: payment\n" in spec
    assert 'X-Acme-Key: "{{ credentials.apiKey }}"' in spec
    assert "path: /v1/parcels\n" in spec
    assert 'unknown category "shoping"' in shown
    assert "Category [shipping]: " in shown
    assert "Auth" not in shown.partition("Next:")[0]


@pytest.mark.skipif(sys.platform == "win32", reason="needs a terminal of Unix")
def test_yes_asks_nothing_on_a_terminal_and_the_end_of_the_input_writes_nothing(tmp_path: Path) -> None:
    code, shown = typed(["new", "shipping-acme", "--yes"], "", tmp_path)
    assert code == 0, shown
    code, shown = typed(["new", "shipping-other"], "\x04", tmp_path)
    assert code == 2, shown
    assert "nothing was written" in shown
    assert not (tmp_path / "specs" / "shipping-other").exists()
