"""The sandbox runs beside the service, in a process of its own: it ends with it, and its complaints are told once."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from pathlib import Path

import pytest

from tests.cli.conftest import ROOT, free_port, serve_command, start

PROVIDER = ROOT / "tests" / "fixtures" / "specs" / "communication-twilio"


def sandboxes_of(pid: int) -> list[int]:
    """Processes of the sandbox that this process started."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [int(child) for child in children if b"sandbox_process" in Path(f"/proc/{child}/cmdline").read_bytes()]


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="needs /proc to see the children of a process")
def test_it_ends_also_when_the_service_is_killed(tmp_path: Path):
    port = free_port()
    service = start(serve_command(port, tmp_path / "data", "--sandbox"), port, tmp_path / "data")
    (played,) = sandboxes_of(service.process.pid)
    os.kill(service.process.pid, signal.SIGKILL)
    service.process.communicate()
    for _ in range(200):
        if not Path(f"/proc/{played}").exists():
            return
        time.sleep(0.05)
    os.kill(played, signal.SIGKILL)
    raise AssertionError("the sandbox outlives the service")


@pytest.mark.parametrize(
    ("file", "old", "new", "code"),
    [("cases/messages.yaml", "source:", "sauce:", "SPEC001"), ("spec.yaml", "category:", "categry:", "SPEC001")],
    ids=["cases", "spec"],
)
def test_what_is_wrong_is_told_once_and_nothing_is_served(tmp_path: Path, file: str, old: str, new: str, code: str):
    folder = tmp_path / "specs" / PROVIDER.name
    shutil.copytree(PROVIDER, folder)
    text = (folder / file).read_text("utf-8").replace(old, new, 1)
    (folder / file).write_text(text, "utf-8")
    done = subprocess.run(
        serve_command(free_port(), tmp_path / "data", "--sandbox", "--specs", str(tmp_path / "specs")),
        cwd=ROOT, text=True, capture_output=True, timeout=90, check=False,
    )  # fmt: skip
    assert done.returncode == 2
    assert done.stderr.count(code) == 1
    assert new.rstrip(":") in done.stderr
    assert "Traceback" not in done.stderr
