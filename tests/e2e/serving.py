"""`integrations serve` as a process of its own, callers over HTTP, and a provider over a real socket."""

from __future__ import annotations

import asyncio
import base64
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self
from urllib.parse import quote, quote_plus

import httpx

from tests.support.environment import clean_environment
from tests.support.ports import free_port
from tests.support.upstream import Handler, Seen, Upstream, answer

ROOT = Path(__file__).resolve().parents[2]
PROGRAM = str(Path(sys.executable).parent / "integrations")
FIVE = {"defined", "code", "status", "message", "data"}
_START_SECONDS = 60


@dataclass
class Service:
    """A process that serves; everything it wrote to stdout and stderr is in `output`."""

    process: subprocess.Popen[str]
    port: int
    data_dir: Path
    lines: list[str] = field(default_factory=list)
    token: str = ""

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def output(self) -> str:
        return "".join(self.lines)

    def headers(self, tenant: str | None = "acme") -> dict[str, str]:
        named = {"X-Tenant-Id": tenant} if tenant is not None else {}
        return {"Authorization": f"Bearer {self.token}", **named}

    def client(self, tenant: str | None = "acme") -> httpx.Client:
        return httpx.Client(base_url=self.url, headers=self.headers(tenant), trust_env=False, verify=False, timeout=60)

    def async_client(self, tenant: str = "acme") -> httpx.AsyncClient:
        limits = httpx.Limits(max_connections=400, max_keepalive_connections=400)
        return httpx.AsyncClient(
            base_url=self.url, headers=self.headers(tenant), trust_env=False, verify=False, timeout=60, limits=limits
        )

    def kill(self) -> None:
        """SIGKILL, as a machine without memory does it."""
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def stop(self) -> int:
        """SIGTERM; the exit code."""
        self.process.terminate()
        try:
            return self.process.wait(40)
        finally:
            if self.process.poll() is None:
                self.kill()

    def _listen(self) -> None:
        assert self.process.stdout is not None
        with self.process.stdout as stream:
            for line in stream:
                self.lines.append(line)


def start(
    data_dir: Path, *arguments: str, port: int | None = None, environment: Mapping[str, str] | None = None
) -> Service:
    """Returns when the store can be written and the port answers."""
    port = port or free_port()
    process = subprocess.Popen(
        [PROGRAM, "serve", "--port", str(port), "--data-dir", str(data_dir), *arguments],
        cwd=ROOT, env={**clean_environment(), **(environment or {})}, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        start_new_session=True,
    )  # fmt: skip
    service = Service(process, port, data_dir)
    listener = threading.Thread(target=service._listen, daemon=True)
    listener.start()
    deadline = time.monotonic() + _START_SECONDS
    while process.poll() is None and time.monotonic() < deadline:
        if _is_ready(service):
            service.token = (data_dir / "token").read_text().strip()
            return service
        time.sleep(0.05)
    if process.poll() is None:
        service.kill()
    listener.join(5)
    raise AssertionError(f"the service did not start:\n{service.output}")


def _is_ready(service: Service) -> bool:
    try:
        return httpx.get(f"{service.url}/readyz", trust_env=False, verify=False, timeout=5).status_code == 200
    except httpx.TransportError:
        return False


@contextmanager
def serving(data_dir: Path, *arguments: str, **environment: str) -> Iterator[Service]:
    service = start(data_dir, *arguments, environment=environment)
    try:
        yield service
    finally:
        if service.process.poll() is None:
            service.stop()


def refused(tmp_path: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """A `serve` that must end by itself."""
    return subprocess.run(
        [PROGRAM, "serve", "--port", str(free_port()), "--data-dir", str(tmp_path / "data"), *arguments],
        cwd=ROOT, env={**clean_environment(), **environment}, text=True, capture_output=True, timeout=60, check=False,
    )  # fmt: skip


def write_spec(folder: Path, spec: Mapping[str, Any]) -> Path:
    """`<folder>/<integrationId>/spec.yaml`; JSON is YAML."""
    place = folder / str(spec["integrationId"])
    place.mkdir(parents=True, exist_ok=True)
    (place / "spec.yaml").write_text(json.dumps(spec, ensure_ascii=False), encoding="utf-8")
    return folder


class Provider:
    """An upstream on a thread of its own, so that tests may block; `handler` may be replaced at any time."""

    def __init__(self, handler: Handler | None = None) -> None:
        self.upstream = Upstream(handler or (lambda _seen: answer({"ok": True})))
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        asyncio.run_coroutine_threadsafe(self.upstream.listen(), self._loop).result(10)
        return self

    def __exit__(self, *_: object) -> None:
        asyncio.run_coroutine_threadsafe(self.upstream.hang_up(), self._loop).result(10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()

    def answers(self, handler: Handler) -> None:
        """From now on it answers so, and has seen nothing."""
        self.upstream.seen.clear()
        self.upstream.handler = handler

    @property
    def origin(self) -> str:
        return self.upstream.origin

    @property
    def seen(self) -> list[Seen]:
        return self.upstream.seen

    async def has_seen(self, enough: int) -> None:
        """Returns when that many requests have come."""
        for _ in range(1_000):
            if len(self.seen) >= enough:
                return
            await asyncio.sleep(0.01)
        raise AssertionError(f"only {len(self.seen)} of {enough} requests came")


def connect(client: httpx.Client, integration_id: str, name: str = "Main", **parts: Any) -> str:
    """A new connection; its id."""
    made = client.post("/connections", json={"integrationId": integration_id, "name": name, **parts})
    assert made.status_code == 200, made.text
    return str(made.json()["connectionId"])


def execute(client: httpx.Client, action_id: str, **parts: Any) -> httpx.Response:
    """`input` is empty unless given; `key` is the Idempotency-Key."""
    key = parts.pop("key", None)
    headers = {"Idempotency-Key": key} if key else {}
    return client.post("/execute", json={"actionId": action_id, "input": {}, **parts}, headers=headers)


def problem(reply: httpx.Response, status: int, code: str) -> dict[str, Any]:
    """The body of a failure, held to the shape that all failures have."""
    assert reply.status_code == status, reply.text
    assert reply.headers["content-type"] == "application/json"
    body: dict[str, Any] = reply.json()
    assert set(body) == FIVE
    assert (body["defined"], body["status"], body["code"]) == (False, status, code)
    assert isinstance(body["message"], str)
    assert body["message"]
    assert isinstance(body["data"], dict)
    if status == 400:
        assert all(set(issue) == {"message", "path"} for issue in body["data"]["issues"])
    return body


def traces(secret: str) -> set[str]:
    """Every spelling in which a secret might come out, each long enough to mean it."""
    raw = secret.encode()
    escaped = [json.dumps(secret)[1:-1], json.dumps(secret, ensure_ascii=False)[1:-1]]
    spellings = {secret, *escaped, *(json.dumps(text, ensure_ascii=False)[1:-1] for text in escaped)}
    spellings |= {encode(text, safe="") for text in list(spellings) for encode in (quote, quote_plus)}
    spellings |= {quote(text, safe="") for text in list(spellings)}
    for ahead in range(3):
        # Only the characters that are the secret's alone: those at the rims depend on its neighbours.
        whole = base64.b64encode(b"\0" * ahead + raw).decode()
        core = whole[-(-8 * ahead // 6) : 8 * (ahead + len(raw)) // 6]
        spellings |= {core, core.replace("+", "-").replace("/", "_")}
    return spellings


def leaks(text: str | bytes, *secrets: str) -> list[str]:
    """The spellings of these secrets that occur in the text."""
    haystack = text if isinstance(text, bytes) else text.encode()
    return sorted(spelling for secret in secrets for spelling in traces(secret) if spelling.encode() in haystack)


def files_of(folder: Path) -> bytes:
    """Everything that stands in the database's files now."""
    return b"".join(path.read_bytes() for path in sorted(folder.glob("integrations.db*")))
