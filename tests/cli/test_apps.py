"""The operator's apps: stored encrypted, shown never, asked for without echo, and refused with a line that helps."""

from __future__ import annotations

import asyncio
import json
import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest

from engine.runtime.apps import AppBook, operators_app
from engine.storage.sqlite import DATABASE_FILE, open_store
from tests.support.environment import clean_environment
from tests.support.specs import action, catalog, consent_spec, fields, secret, setting, spec

PROGRAM = str(Path(sys.executable).parent / "integrations")
ID = "acme-shipping"
APP = {"clientId": "fake-client-0000", "clientSecret": "fake-client-secret-0000"}


@pytest.fixture(scope="module")
def specs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("specs")
    form = fields(("clientId",), clientId=setting(title="Client ID"), clientSecret=secret(), old=secret())
    plain = spec(action(), integration_id="acme-plain")
    catalog(folder, {**consent_spec(), "app": form | {"required": ["clientId", "clientSecret"]}}, plain)
    return folder


def line(data_dir: Path, specs: Path, *words: str) -> list[str]:
    return [PROGRAM, "apps", *words, "--data-dir", str(data_dir), "--specs", str(specs)]


def apps(data_dir: Path, specs: Path, *words: str, given: str = "") -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        line(data_dir, specs, *words), env=clean_environment(), input=given, text=True, capture_output=True, timeout=60,
        check=False,
    )  # fmt: skip


def stored(data_dir: Path, integration_id: str = ID) -> dict[str, str]:
    async def read() -> dict[str, str]:
        store = open_store(data_dir=data_dir)
        found = dict(await operators_app(store, integration_id))
        await store.lifetime.close()
        return found

    return asyncio.run(read())


def test_an_app_is_stored_listed_by_the_names_of_its_fields_replaced_and_removed(tmp_path: Path, specs: Path) -> None:
    done = apps(tmp_path, specs, "set", ID, "--from", "-", given=json.dumps(APP))
    assert (done.returncode, done.stdout) == (0, "")
    assert "http://127.0.0.1:8400/oauth/callback" in done.stderr
    assert APP["clientSecret"] not in done.stderr
    assert stored(tmp_path) == APP

    file = tmp_path / "app.json"
    file.write_text(json.dumps({**APP, "old": "fake-old-secret-0000"}))
    assert apps(tmp_path, specs, "set", ID, "--from", str(file)).returncode == 0
    listed = apps(tmp_path, specs, "list")
    assert listed.stdout == f"{ID}  clientId clientSecret old\n"
    assert "fake-" not in listed.stdout + listed.stderr

    assert apps(tmp_path, specs, "remove", ID).returncode == 0
    assert apps(tmp_path, specs, "list").stdout == ""
    assert stored(tmp_path) == {}
    assert b"fake-client-secret" not in (tmp_path / DATABASE_FILE).read_bytes()


@pytest.mark.parametrize(
    ("words", "given", "said"),
    [
        (("set", "acme-shiping"), "{}", 'did you mean "acme-shipping"'),
        (("set", "acme-plain"), "{}", "acme-plain knows no app (with one: acme-shipping"),
        (("set", ID), "", "--from -"),
        (("set", ID, "--from", "-"), "not json", "stdin is not JSON"),
        (("set", ID, "--from", "-"), "[1]", "must hold a JSON object"),
        (("set", ID, "--from", "nowhere.json"), "", "nowhere.json can't be read"),
        (("set", ID, "--from", "-"), '{"clientId": "a"}', "app.clientSecret: "),
        (("set", ID, "--from", "-"), '{"clientID": "a"}', 'app.clientID: unknown field; did you mean "clientId"?'),
        (("set", ID, "--from", "-"), '{"clientId": "a", "clientSecret": 7}', "app.clientSecret: "),
        (("remove", ID), "", f'unknown app "{ID}"'),
    ],
)
def test_what_is_wrong_is_said_and_nothing_is_stored(
    tmp_path: Path, specs: Path, words: tuple[str, ...], given: str, said: str
) -> None:
    done = apps(tmp_path, specs, *words, given=given)
    assert (done.returncode, done.stdout) == (2, "")
    assert said in done.stderr
    assert apps(tmp_path, specs, "list").stdout == ""


def test_on_a_terminal_it_asks_and_does_not_show_what_is_secret(tmp_path: Path, specs: Path) -> None:
    process, terminal = pty.fork()
    if process == 0:
        os.execve(PROGRAM, line(tmp_path, specs, "set", ID), clean_environment())
    shown = b""
    for prompt, typed in ((b"Client ID: ", "clientId"), (b"Secret: ", "clientSecret"), (b"(optional): ", "")):
        while not shown.endswith(prompt):
            shown += os.read(terminal, 1024)
        os.write(terminal, (APP.get(typed, "") + "\n").encode())
    try:
        while more := os.read(terminal, 1024):
            shown += more
    except OSError:
        pass  # the terminal of a process that is gone
    assert os.waitstatus_to_exitcode(os.waitpid(process, 0)[1]) == 0
    assert APP["clientId"].encode() in shown
    assert APP["clientSecret"].encode() not in shown
    assert stored(tmp_path) == APP


def test_apps_outlive_a_new_master_key(tmp_path: Path, specs: Path) -> None:
    assert apps(tmp_path, specs, "set", ID, "--from", "-", given=json.dumps(APP)).returncode == 0
    before = (tmp_path / "master.key").read_text()
    rotated = subprocess.run(
        [PROGRAM, "keys", "rotate", "--data-dir", str(tmp_path)], env=clean_environment(), capture_output=True,
        timeout=60, check=False,
    )  # fmt: skip
    assert rotated.returncode == 0
    assert (tmp_path / "master.key").read_text() != before
    assert stored(tmp_path) == APP


def test_apps_that_are_stored_at_the_same_time_are_all_listed(tmp_path: Path) -> None:
    async def run() -> list[str]:
        stores = [open_store(data_dir=tmp_path) for _ in range(4)]
        names = [f"crm-acme-{number}" for number in range(12)]
        jobs = (AppBook(stores[i % 4]).put(name, APP) for i, name in enumerate(names))
        await asyncio.gather(*jobs)
        found = await AppBook(stores[0]).apps()
        for store in stores:
            await store.lifetime.close()
        return sorted(set(names) ^ set(found))

    assert asyncio.run(run()) == []
