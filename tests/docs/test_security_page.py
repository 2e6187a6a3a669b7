"""What docs/security-and-identity.md shows is what happens: its commands run, its policy and its program work."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.api.app import OPERATIONS
from engine.errors import RequestError
from engine.identity.arn import principal_of
from engine.identity.caller import EVERYTHING, RIGHTS, Caller
from engine.identity.gate import FRESH_SECONDS
from engine.identity.policy import read_policy
from engine.identity.sigv4 import SKEW_SECONDS
from engine.settings import Settings
from tests.cli.conftest import Service, serve_command, start, stop
from tests.house.source import ROOT
from tests.support.ports import free_port

PAGE = (ROOT / "docs" / "security-and-identity.md").read_text("utf-8")
PROGRAMS = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    data_dir, port = tmp_path_factory.mktemp("security") / "data", free_port()
    command = ["env", "INTEGRATIONS_AUTH=both", *serve_command(port, data_dir, "--sandbox")]
    running = start(command, port, data_dir)
    try:
        yield running
    finally:
        stop(running)


def run(service: Service, *command: str, **more: str) -> str:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("INTEGRATIONS_", "AWS_"))}
    here = {"PATH": PROGRAMS, "INTEGRATIONS_DATA_DIR": str(service.data_dir), "INTEGRATIONS_PUBLIC_URL": service.url}
    done = subprocess.run(
        command, env={**kept, **here, **more}, text=True, capture_output=True, timeout=60, check=False
    )  # fmt: skip
    assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"
    return done.stdout


def test_the_commands_work_in_the_order_they_are_printed_and_the_program_is_let_in(service: Service) -> None:
    *of_tokens, of_keys = blocks("sh")
    shown = run(service, "bash", "-ec", "".join(of_tokens))
    assert len(re.findall(r"(?m)^itk_", shown)) == 3
    listed = run(service, "integrations", "tokens", "list")
    assert [line.split()[0] for line in listed.splitlines()] == ["agents"]
    keys = dict(line.split("=", 1) for line in run(service, "bash", "-ec", of_keys).splitlines())
    (program,) = blocks("python")
    wait = f"import time\ntime.sleep({FRESH_SECONDS})\n"
    assert run(service, sys.executable, "-c", wait + program, **keys) == "True\n"


def test_the_policy_of_the_page_gives_what_the_page_says(tmp_path: Path) -> None:
    (text,) = blocks("yaml")
    path = tmp_path / "policy.yaml"
    path.write_text(text)
    policy = read_policy(path)

    def may(arn: str, tenant: str) -> set[str]:
        return _rights(Caller(arn, policy.of(principal_of(arn) or "")), tenant)

    session = "arn:aws:sts::111122223333:assumed-role/{}/session"
    assert may(session.format("agents"), "acme") == may(session.format("flows-a"), "shop-1") == {"execute"}
    assert may(session.format("agents"), "other") == may(session.format("others"), "acme") == set()
    assert may("arn:aws:iam::111122223333:user/ops/lan", "other") == set(RIGHTS)
    assert _rights(Caller("token:default", EVERYTHING, policy.bounds("default")), "acme") == {"administer"}


def _rights(caller: Caller, tenant: str) -> set[str]:
    found: set[str] = set()
    for right in RIGHTS:
        try:
            caller.check((right,), tenant)
        except RequestError:
            continue
        found.add(right)
    return found


def test_the_table_of_rights_names_every_right_and_paths_that_are_there() -> None:
    assert re.findall(r"(?m)^\| `(\w+)` \|", PAGE) == list(RIGHTS)
    known = {f"{one.method} {one.path}": one.rights for one in OPERATIONS}
    for method, path in re.findall(r"`(GET|POST) (/\w+)`", PAGE):
        assert f"{method} {path}" in known
    assert known["POST /execute"] == ("execute",)
    assert known["GET /metrics"] == known["GET /status"] == ("administer",)


def test_the_figures_and_settings_of_the_page_are_those_of_the_engine() -> None:
    flat = re.sub(r"\s+", " ", PAGE)
    assert (FRESH_SECONDS, SKEW_SECONDS) == (2, 300)
    assert "after two seconds" in flat
    assert "more than five minutes" in flat
    assert f"`INTEGRATIONS_SIGV4_REGION` (`{Settings().sigv4_region}`)" in flat
    assert f"`{Settings().auth}` (default)" in flat
