"""The commands as an operator runs them: exit codes, messages on stderr, JSON on stdout, nothing secret anywhere."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.conftest import ROOT, free_port, serve_command, start, stop
from tests.support.environment import clean_environment

PROGRAM = str(Path(sys.executable).parent / "integrations")
KEY = "fake-ghn-token-0000"
CONNECT = ["--config", '{"shopId": "5000001"}', "--credentials", json.dumps({"apiKey": KEY})]
FEE = ["shipping-ghn", "calculate_fee"]
INPUT = '{"fromDistrictId": 1454, "toDistrictId": 1442, "toWardCode": "20107", "weight": 200}'


def run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [PROGRAM, *arguments], cwd=ROOT, text=True, capture_output=True, timeout=60, check=False,
        env={**clean_environment(), **environment},
    )  # fmt: skip


def test_call_prints_the_answer_and_exits_with_0():
    done = run("call", *FEE, "--sandbox", *CONNECT, "--input", INPUT)
    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout)
    assert answer["success"] is True
    assert answer["data"]["fee"] == 36300


def test_a_failed_call_exits_with_1_and_names_the_field():
    done = run("call", *FEE, "--sandbox", *CONNECT, "--input", '{"toDistrict": 1}')
    assert done.returncode == 1
    error = json.loads(done.stdout)["error"]
    assert error["code"] == "INVALID_INPUT"
    assert "did you mean toDistrictId?" in error["message"]


def test_explain_freezes_time_and_hides_credentials():
    done = run("explain", *FEE, *CONNECT, "--input", INPUT, "--json", "--now", "2026-05-01T03:04:05Z")
    assert done.returncode == 0, done.stderr
    shown = json.loads(done.stdout)
    assert shown["method"] == "POST"
    assert shown["url"] == "https://dev-online-gateway.ghn.vn/shiip/public-api/v2/shipping-order/fee"
    assert json.loads(shown["body"])["weight"] == 200
    assert shown["headers"]["Token"] == "***"
    assert KEY not in done.stdout + done.stderr


def test_explain_shows_secrets_on_a_terminal_only():
    done = run("explain", *FEE, *CONNECT, "--input", INPUT, "--show-secrets")
    assert done.returncode == 2
    assert "terminal" in done.stderr
    assert KEY not in done.stdout + done.stderr


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["call", "shipping-ghm", "calculate_fee", *CONNECT], 'did you mean "shipping-ghn"'),
        (["call", *FEE, "--input", "{weight: 1}", *CONNECT], "--input"),
        (["call", *FEE, "--input", "[1]", *CONNECT], "a JSON object is needed"),
        (["call", *FEE, "--input", "@/nowhere.json", *CONNECT], "can't read the file"),
        (["call", *FEE, "--config", "{}", "--credentials", "{}"], "shopId"),
        (["explain", *FEE, *CONNECT, "--now", "yesterday"], "--now needs a time"),
        (["serve", "--port", "http"], "INTEGRATIONS_PORT"),
        (["serve", "--upstream", "shipping-ghn=ftp://x"], "INTEGRATIONS_UPSTREAMS"),
        (["serve", "--specs", "/nowhere"], "/nowhere"),
    ],
)
def test_a_wrong_command_says_what_is_wrong_and_exits_with_2(arguments: list[str], says: str, tmp_path: Path):
    done = run(*arguments, "--data-dir", str(tmp_path / "data"))
    assert done.returncode == 2, done.stdout + done.stderr
    assert says in done.stderr
    assert "Traceback" not in done.stderr
    assert KEY not in done.stderr


def test_a_wrong_spec_is_shown_with_its_line_and_a_caret(tmp_path: Path):
    folder = tmp_path / "specs" / "acme"
    folder.mkdir(parents=True)
    (folder / "spec.yaml").write_text("specVersion: 1\nintegrationID: acme\n")
    done = run("serve", "--specs", str(tmp_path / "specs"), "--data-dir", str(tmp_path / "data"), "--port", "1")
    assert done.returncode == 2
    assert "spec.yaml:2:1" in done.stderr
    assert "^" in done.stderr
    assert 'did you mean "integrationId"' in done.stderr


def test_a_wrong_master_key_is_refused_at_the_start_and_the_database_stays_as_it_is(tmp_path: Path):
    data, port = tmp_path / "data", free_port()
    stop(start(serve_command(port, data), port, data))
    before = (data / "integrations.db").read_bytes()
    other = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="
    done = run("serve", "--data-dir", str(data), "--port", str(port), INTEGRATIONS_MASTER_KEY=other)
    assert done.returncode == 2
    assert "key" in done.stderr
    assert other not in done.stderr
    assert (data / "integrations.db").read_bytes() == before


def test_a_port_in_use_is_said_plainly(tmp_path: Path):
    data, port = tmp_path / "one", free_port()
    first = start(serve_command(port, data), port, data)
    try:
        done = run("serve", "--data-dir", str(tmp_path / "two"), "--port", str(port))
    finally:
        stop(first)
    assert done.returncode == 2
    assert f"127.0.0.1:{port}" in done.stderr


def test_keys_rotate_while_the_service_runs_and_calls_go_on(tmp_path: Path):
    data, port = tmp_path / "data", free_port()
    service = start(serve_command(port, data, "--sandbox"), port, data)
    try:
        import httpx

        head = {"Authorization": f"Bearer {service.token}", "X-Tenant-Id": "acme"}
        body = {
            "integrationId": "shipping-ghn", "name": "shop", "config": {"shopId": "5000001"},
            "credentials": {"apiKey": KEY},
        }  # fmt: skip
        call = {"integrationId": "shipping-ghn", "actionId": "calculate_fee", "input": json.loads(INPUT)}
        with httpx.Client(base_url=service.url, headers=head) as client:
            assert client.post("/connections", json=body).status_code == 200
            assert client.post("/execute", json=call).json()["success"] is True
            before = (data / "master.key").read_bytes()
            rotated = run("keys", "rotate", "--data-dir", str(data))
            assert rotated.returncode == 0, rotated.stderr
            assert (data / "master.key").read_bytes() != before
            assert client.post("/execute", json=call).json()["success"] is True
    finally:
        assert stop(service) == 0


def test_the_service_stops_in_order_on_sigterm(tmp_path: Path):
    data, port = tmp_path / "data", free_port()
    assert stop(start(serve_command(port, data), port, data)) == 0


def resident_kilobytes(pid: int) -> int:
    status = Path(f"/proc/{pid}/status").read_text()
    return int(next(line for line in status.splitlines() if line.startswith("VmRSS")).split()[1])


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="needs /proc to read the memory of a process")
def test_the_service_holds_under_120_mb_after_a_call_with_all_specs_loaded(tmp_path: Path):
    import httpx

    data, port = tmp_path / "data", free_port()
    fixtures = ROOT / "tests" / "fixtures" / "specs"
    service = start(serve_command(port, data, "--sandbox", "--specs", str(fixtures)), port, data)
    try:
        head = {"Authorization": f"Bearer {service.token}", "X-Tenant-Id": "acme"}
        with httpx.Client(base_url=service.url, headers=head) as client:
            client.post(
                "/connections",
                json={
                    "integrationId": "shipping-ghn", "name": "shop", "config": {"shopId": "5000001"},
                    "credentials": {"apiKey": KEY},
                },
            )  # fmt: skip
            call = {"integrationId": "shipping-ghn", "actionId": "calculate_fee", "input": json.loads(INPUT)}
            assert client.post("/execute", json=call).json()["success"] is True
        assert resident_kilobytes(service.process.pid) < 120_000
    finally:
        stop(service)
