"""`integrations serve` as operators see it: lines on stderr, figures, and what is out of order."""

from __future__ import annotations

import json
import subprocess
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from tests.cli.conftest import Service, free_port, serve_command, start

_INTEGRATION, _ACTION = "acme-shipping", "quote"


@pytest.fixture
def specs(tmp_path: Path) -> Path:
    from tests.support.specs import spec

    folder = tmp_path / "specs" / _INTEGRATION
    folder.mkdir(parents=True)
    (folder / "spec.yaml").write_text(json.dumps(spec()))
    return tmp_path / "specs"


def _ask(service: Service, path: str, body: Any = None, **headers: str) -> bytes:
    request = urllib.request.Request(f"{service.url}{path}", None if body is None else json.dumps(body).encode())
    for name, value in {"Authorization": f"Bearer {service.token}", "Content-Type": "application/json"}.items():
        request.add_header(name, value)
    for name, value in headers.items():
        request.add_header(name.replace("_", "-"), value)
    with urllib.request.urlopen(request, timeout=30) as answer:
        return bytes(answer.read())


def _fail_once(service: Service) -> Any:
    """One call of a provider that nobody is at."""
    connection = {"integrationId": _INTEGRATION, "name": "Main", "credentials": {"apiKey": "key-of-the-tests-4711"}}
    made = json.loads(_ask(service, "/connections", connection, X_Tenant_Id="acme"))
    given = {"connectionId": made["connectionId"], "actionId": _ACTION, "input": {}}
    parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    return json.loads(_ask(service, "/execute", given, X_Tenant_Id="acme", Traceparent=parent))


def _output(service: Service) -> list[str]:
    service.process.terminate()
    try:
        return service.process.communicate(timeout=60)[0].splitlines()
    except subprocess.TimeoutExpired:
        service.process.kill()
        raise


def test_a_call_is_in_the_lines_the_figures_and_the_log_under_its_id(tmp_path: Path, specs: Path) -> None:
    port, closed = free_port(), free_port()
    more = ("--specs", str(specs), "--upstream", f"{_INTEGRATION}=http://127.0.0.1:{closed}")
    service = start(serve_command(port, tmp_path / "data", *more), port, tmp_path / "data")
    failed = _fail_once(service)
    figures = _ask(service, "/metrics").decode()
    status = json.loads(_ask(service, "/status"))
    row = json.loads(_ask(service, f"/executions/{failed['executionId']}", X_Tenant_Id="acme"))
    lines = [json.loads(line) for line in _output(service) if line.startswith("{")]
    code = "PROVIDER_UNAVAILABLE"
    assert failed["error"]["code"] == code
    assert [line["event"] for line in lines] == ["attempt"] * 3 + ["call"]
    assert {line["executionId"] for line in lines} == {failed["executionId"]}
    assert (lines[3]["errorCode"], lines[3]["traceId"]) == (code, "0af7651916cd43dd8448eb211c80319c")
    assert f'integrations_calls_total{{integration="{_INTEGRATION}",action="{_ACTION}",code="{code}"}} 1' in figures
    assert f'integrations_attempts_total{{integration="{_INTEGRATION}",http_class="none"}} 3' in figures
    assert (row["errorCode"], row["attempts"], "httpStatus" in row) == (code, 3, False)
    assert (status["store"], status["openCircuits"]) == ("ok", [])


def test_quiet_means_no_lines(tmp_path: Path, specs: Path) -> None:
    port, closed = free_port(), free_port()
    more = ("--quiet", "--specs", str(specs), "--upstream", f"{_INTEGRATION}=http://127.0.0.1:{closed}")
    service = start(serve_command(port, tmp_path / "data", *more), port, tmp_path / "data")
    assert _fail_once(service)["error"]["code"] == "PROVIDER_UNAVAILABLE"
    assert [line for line in _output(service) if line.startswith("{")] == []
