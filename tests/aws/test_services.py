"""Two processes of the service over one AWS: whatever one has begun, the other can end."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.support.aws import ROOT, Servers
from tests.support.environment import clean_environment
from tests.support.ports import free_port

TOKEN = "service-token-of-the-tests"
HEAD = {"Authorization": f"Bearer {TOKEN}", "X-Tenant-Id": "acme"}
CONNECTION = {
    "integrationId": "shipping-ghn",
    "name": "shop",
    "config": {"shopId": "5000001"},
    "credentials": {"apiKey": "fake-ghn-token-0000"},
}
FEE = {"fromDistrictId": 1454, "toDistrictId": 1442, "toWardCode": "20107", "weight": 200}
CALL = {"integrationId": "shipping-ghn", "actionId": "calculate_fee", "input": FEE}


def environment(data_dir: Path) -> dict[str, str]:
    """This process's own leads boto3 to the stand-ins."""
    ours = {"INTEGRATIONS_STORAGE": "aws", "INTEGRATIONS_TOKEN": TOKEN, "INTEGRATIONS_DATA_DIR": str(data_dir)}
    return {**clean_environment(), **ours}


def program(*words: str) -> list[str]:
    return [str(Path(sys.executable).parent / "integrations"), *words]


@contextmanager
def serving(data_dir: Path) -> Iterator[httpx.Client]:
    port = free_port()
    with (
        data_dir.with_suffix(".log").open("wb") as log,
        subprocess.Popen(
            program("serve", "--port", str(port), "--sandbox"),
            cwd=ROOT,
            env=environment(data_dir),
            stdout=log,
            stderr=log,
        ) as process,
        httpx.Client(base_url=f"http://127.0.0.1:{port}", headers=HEAD, timeout=30) as client,
    ):
        try:
            _await_ready(client, process)
            yield client
        finally:
            process.terminate()
            process.wait(30)


def _await_ready(client: httpx.Client, process: subprocess.Popen[bytes]) -> None:
    for _ in range(400):
        try:
            if client.get("/readyz").status_code == 200:
                return
        except httpx.TransportError:
            assert process.poll() is None, "the service did not start"
        time.sleep(0.1)
    pytest.fail("the service does not come up")


def done(client: httpx.Client, key: str | None = None) -> Any:
    answer = client.post("/execute", json=CALL, headers={"Idempotency-Key": key} if key else {})
    assert answer.status_code == 200, answer.text
    return answer.json()


@pytest.mark.slow
def test_services_share_everything_also_a_new_master_key(tmp_path: Path, aws_place: Servers) -> None:
    with ExitStack() as stack:
        first, second = (stack.enter_context(serving(tmp_path / name)) for name in ("a", "b"))
        assert first.post("/connections", json=CONNECTION).status_code == 200
        before = done(first, "key-1")
        assert before["success"] is True
        assert done(second, "key-1")["executionId"] == before["executionId"], "the other one's answer, opened"
        rotated = subprocess.run(
            program("keys", "rotate"), cwd=ROOT, env=environment(tmp_path / "c"), capture_output=True, check=False
        )
        assert rotated.returncode == 0, rotated.stderr
        third = stack.enter_context(serving(tmp_path / "c"))
        assert done(third, "key-1")["executionId"] == before["executionId"], "sealed under the key before"
        after = done(third, "key-2")
        assert after["executionId"] != before["executionId"]
        assert done(first, "key-2")["executionId"] == after["executionId"], "sealed under the new key"
        listed = second.get("/executions", params={"limit": 1}).json()
        assert listed["executions"][0]["executionId"] == after["executionId"]
        rest = first.get("/executions", params={"cursor": listed["nextCursor"]}).json()
        assert [one["executionId"] for one in rest["executions"]] == [before["executionId"]]
    kept = [path.name for name in "abc" for path in (tmp_path / name).glob("*") if path.is_file()]
    assert kept == [], "nothing is on the disk of a service that keeps everything on AWS"
