"""What docs/connecting.md tells to type works against `make run`'s sandbox, and what it says of messages is so."""

from __future__ import annotations

import json
import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from engine.api.app import OPERATIONS
from engine.spec.source import read
from tests.cli.conftest import ROOT, Service, free_port, serve_command, start, stop
from tests.spec.compiling import compiled
from tests.support.specs import action, spec

PAGE = (ROOT / "docs" / "connecting.md").read_text("utf-8")
APP, CONNECT, AUTHORIZE = re.findall(r"```sh\n(.*?)```", PAGE, re.DOTALL)


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    data_dir, port = tmp_path_factory.mktemp("connecting") / ".data", free_port()
    running = start(serve_command(port, data_dir, "--sandbox"), port, data_dir)
    try:
        yield running
    finally:
        stop(running)


def typed(command: str, service: Service, data_dir: Path | None = None) -> str:
    mine = command.replace("127.0.0.1:8400", f"127.0.0.1:{service.port}").replace(".data/", f"{service.data_dir}/")
    where = {"INTEGRATIONS_DATA_DIR": str(data_dir or service.data_dir)}
    done = subprocess.run(
        ["bash", "-c", mine],
        cwd=ROOT, env={**os.environ, **where}, text=True, capture_output=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
    return done.stdout + done.stderr


def test_the_three_steps_connect_an_account_in_the_sandbox(service: Service):
    made = json.loads(typed(CONNECT, service))
    assert made["status"] == "inactive"
    invited = json.loads(typed(AUTHORIZE, service))
    assert set(invited) == {"authorizationUrl", "expiresAt"}

    with httpx.Client(trust_env=False, timeout=30) as browser:
        assert "connect?" in browser.get(invited["authorizationUrl"]).text
        back = browser.post(invited["authorizationUrl"], data={"decision": "approve"}).headers["location"]
        page = browser.get(back)
        used = browser.get(back)

    assert (page.status_code, "Connected" in page.text) == (200, True)
    assert (used.status_code, "Not connected" in used.text) == (400, True), "as the page's table says"
    head = {"Authorization": f"Bearer {service.token}", "X-Tenant-Id": "acme"}
    shown = httpx.get(f"{service.url}/connections/{made['connectionId']}", headers=head, trust_env=False).json()
    assert shown["status"] == "active"


def test_the_app_is_stored_and_its_redirect_url_is_told(service: Service, tmp_path: Path):
    told = typed(APP, service, tmp_path / "data")
    assert "/oauth/callback" in told
    assert "fake-client-secret-0000" not in told


def test_the_spec_of_the_page_is_one_that_connects_by_consent():
    (block,) = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)
    source, found = read("page.yaml", block)
    assert source is not None, found
    servers: dict[str, Any] = {"servers": {"default": "https://api.heron.example"}, "authType": "oauth2"}
    made, wrong = compiled(spec(action("who"), **servers, **source.value))
    assert made is not None, wrong
    (method,) = made.methods
    assert method.consent is not None
    assert method.consent.pkce
    assert (method.refresh is not None, method.revoke is not None, method.scopes is not None) == (True, True, True)


def test_every_path_that_the_page_names_is_an_operation():
    known = {(one.method, one.path) for one in OPERATIONS}
    named = re.findall(r"`(GET|POST|DELETE) (/[\w/{}]+)", PAGE)
    assert len(named) > 5
    assert [one for one in named if one not in known] == []


def test_the_fields_that_the_page_names_are_there(service: Service):
    head = {"Authorization": f"Bearer {service.token}", "X-Tenant-Id": "acme"}
    shown = httpx.get(f"{service.url}/catalog/crm-hubspot", headers=head, trust_env=False).json()
    assert shown["webhookUrl"].endswith("/webhooks/apps/crm-hubspot")
