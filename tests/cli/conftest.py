"""A service as `make run` starts it: its own process, a real port, a data dir of its own."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support.environment import clean_environment
from tests.support.ports import free_port

__all__ = ["ROOT", "Service", "free_port", "serve_command", "start", "stop"]

ROOT = Path(__file__).resolve().parents[2]


@dataclass
class Service:
    """A running `integrations serve`."""

    process: subprocess.Popen[str]
    port: int
    data_dir: Path

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def token(self) -> str:
        return (self.data_dir / "token").read_text().strip()


def start(command: list[str], port: int, data_dir: Path) -> Service:
    process = subprocess.Popen(
        command, cwd=ROOT, env=clean_environment(), text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        start_new_session=True,
    )  # fmt: skip
    service = Service(process, port, data_dir)
    for _ in range(300):
        try:
            with urllib.request.urlopen(f"{service.url}/readyz", timeout=2) as answer:
                if answer.status == 200:
                    return service
        except OSError:
            pass
        if process.poll() is not None:
            break
        time.sleep(0.1)
    os.killpg(process.pid, signal.SIGKILL)
    raise AssertionError(f"the service did not start:\n{process.communicate()[0]}")


def stop(service: Service) -> int:
    """SIGTERM to the process that was started; its exit code."""
    service.process.terminate()
    try:
        code = service.process.wait(30)
    finally:
        if service.process.poll() is None:
            os.killpg(service.process.pid, signal.SIGKILL)
        if service.process.stdout:
            service.process.stdout.close()
    return code


def serve_command(port: int, data_dir: Path, *more: str) -> list[str]:
    program = str(Path(sys.executable).parent / "integrations")
    return [program, "serve", "--port", str(port), "--data-dir", str(data_dir), *more]


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """Serving with the sandbox."""
    data_dir, port = tmp_path_factory.mktemp("service") / "data", free_port()
    running = start(serve_command(port, data_dir, "--sandbox"), port, data_dir)
    try:
        yield running
    finally:
        stop(running)
