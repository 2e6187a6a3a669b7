"""The sandbox runs beside the service, in a process of its own: it ends with it, and its complaints are told once."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from engine.locations import plugins_dir, schemas_dir
from engine.spec.kept import compiler
from tests.cli.conftest import ROOT, free_port, serve_command, start
from tests.support.environment import clean_environment

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


def test_the_first_start_in_a_new_folder_keeps_what_it_finds_out(tmp_path: Path):
    if compiler(schemas_dir(), plugins_dir(), time.time()) is None:
        pytest.skip("somebody edits the engine: nothing is kept")
    command = [sys.executable, "-m", "engine.cli.sandbox_process", "http://127.0.0.1:8400/callback"]
    command += [str(tmp_path / "data"), "", str(PROVIDER)]
    kept = []
    for _ in range(2):
        played = subprocess.run(command, cwd=ROOT, input=b"", capture_output=True, check=True, env=clean_environment())
        assert b'"origin"' in played.stdout
        kept.append({file.name: file.stat().st_ino for file in (tmp_path / "data" / "cache").iterdir()})
    assert kept[0] == kept[1]  # the next start finds out nothing
    assert len(kept[0]) > 1 + len(list(PROVIDER.glob("cases/*.yaml")))
