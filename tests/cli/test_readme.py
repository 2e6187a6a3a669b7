"""Every command of the README is run, and what it prints is what the README says."""

from __future__ import annotations

import json
import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.cli.conftest import ROOT, Service, free_port, start, stop

README = (ROOT / "README.md").read_text("utf-8")
BLOCKS = re.findall(r"```(\w+)\n(.*?)```", README, re.DOTALL)
SHELL = [text.strip() for kind, text in BLOCKS if kind == "sh"]
MAKE, *COMMANDS = SHELL


@pytest.fixture(scope="module")
def newcomer(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """`make run`, as a newcomer types it, on a free port."""
    data_dir, port = tmp_path_factory.mktemp("readme") / ".data", free_port()
    running = start(["make", "run", f"PORT={port}", f"DATA_DIR={data_dir}"], port, data_dir)
    try:
        yield running
    finally:
        stop(running)


def run(command: str, service: Service) -> subprocess.CompletedProcess[str]:
    mine = command.replace("127.0.0.1:8400", f"127.0.0.1:{service.port}").replace(".data/", f"{service.data_dir}/")
    where = {"INTEGRATIONS_PUBLIC_URL": service.url, "INTEGRATIONS_DATA_DIR": str(service.data_dir)}
    return subprocess.run(
        ["bash", "-c", mine],
        cwd=ROOT,
        env={**os.environ, **where},
        text=True,
        capture_output=True,
        timeout=60,
        check=False,
    )


def test_the_two_commands_are_targets_of_the_makefile_and_ci_runs_the_second():
    named = re.findall(r"^make (\w+)", MAKE, re.MULTILINE)
    targets = re.findall(r"^(\w[\w-]*):", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE)
    assert named == ["run", "test"]
    assert set(named) <= set(targets)
    assert "make test" in (ROOT / ".ci/run").read_text("utf-8")


def test_every_command_of_the_readme_works_in_the_order_it_is_printed(newcomer: Service):
    for command in COMMANDS:
        done = run(command, newcomer)
        assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
        assert '"defined":false' not in done.stdout, f"{command}\n{done.stdout}"


def test_the_example_answers_as_printed(newcomer: Service):
    [printed] = [json.loads(text) for kind, text in BLOCKS if kind == "json"]
    execute = next(command for command in COMMANDS if "/execute" in command)
    run(next(command for command in COMMANDS if "/connections" in command), newcomer)
    # Two connections may stand there by now: the example names the integration, so the first is removed.
    _keep_one_connection(newcomer)
    answered = json.loads(run(execute, newcomer).stdout)
    assert _timeless(answered) == _timeless(printed)
    logged = json.loads(run(next(c for c in COMMANDS if "/executions" in c), newcomer).stdout)
    assert logged["executions"][0]["executionId"] == answered["executionId"]
    assert logged["executions"][0]["output"] == printed["data"]


def _timeless(answer: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in answer.items() if key not in ("executionId", "latencyMs")}


def _keep_one_connection(service: Service) -> None:
    head = f'-H "Authorization: Bearer {service.token}" -H "X-Tenant-Id: acme"'
    listed = json.loads(run(f"curl -s {service.url}/connections {head}", service).stdout)["connections"]
    for connection in listed[1:]:
        run(f"curl -s -X DELETE {service.url}/connections/{connection['connectionId']} {head}", service)


def test_the_paths_that_the_readme_names_exist():
    for name in re.findall(r"`((?:specs|schemas|client|plugins)/[\w./-]+)`", README):
        assert (ROOT / name).exists(), name


def test_every_error_code_is_explained_in_the_readme():
    from engine.errors import CODES

    assert [code for code in CODES if f"`{code}`" not in README] == []


def test_the_readme_is_no_longer_than_a_person_reads():
    assert len(README.splitlines()) < 250
    assert Path(ROOT / "CHANGELOG.md").read_text("utf-8").startswith("# Changelog")
