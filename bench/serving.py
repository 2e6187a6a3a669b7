"""`POST /execute` over HTTP: what serving itself takes, and the whole way, beside services written with FastAPI.

    python -m bench.serving [--rounds 9] [--scale 1.0]

Four processes: callers, service, upstream, and the service that it is held against. CPU is that of the service alone,
as the system counts it, all its threads; the two work in turns.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import uvloop

from bench.baselines import INPUT, SHOP_ID
from bench.baselines import TOKEN as API_KEY
from bench.callers import EXECUTION_ID, TOKEN, call, request
from bench.candidate import INTEGRATION, copy_spec
from bench.measure import MIN_ROUNDS, Comparison, interleaved
from bench.rows import Row, Target, told
from bench.upstream import upstream
from engine.locations import specs_dir

ROOT: Final = Path(__file__).resolve().parents[1]
PEERS: Final = ROOT / ".venv-bench" / "bin" / "python"
AREA: Final = "Serving `POST /execute` over HTTP"
_WIDTH: Final = 32
_CALLS: Final = 2_000
_ROUNDS: Final = 5
_LASTING: Final = 50_000
_CALLS_PER_MINUTE: Final = 10_000_000
_PATIENCE_SECONDS: Final = 60
_HEADERS: Final = {"host": "127.0.0.1", "authorization": f"Bearer {TOKEN}", "x-tenant-id": "bench"}
_JSON: Final = {**_HEADERS, "content-type": "application/json", "accept": "*/*", "user-agent": "bench"}
_SERVE: Final = "from engine.cli import main; raise SystemExit(main(['serve']))"


@dataclass(frozen=True, slots=True)
class Service:
    """A service that listens. `sent`: the request that callers send it."""

    process: subprocess.Popen[bytes]
    port: int
    sent: bytes

    def cost(self, calls: int) -> float:
        """CPU µs per call, with 32 callers."""
        before = self.cpu
        self.work(calls)
        return (self.cpu - before) / calls * 1e6

    def work(self, calls: int) -> None:
        for start in range(0, calls, _CALLS):
            uvloop.run(call(self.port, self.sent, min(_CALLS, calls - start), _WIDTH))

    @property
    def cpu(self) -> float:
        """Seconds of all threads, now."""
        return time.clock_gettime((~self.process.pid << 3) | 2)  # the clock of another process, as Linux numbers it

    @property
    def memory(self) -> float:
        """MB that are resident."""
        pages = int(Path(f"/proc/{self.process.pid}/statm").read_text("ascii").split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def rows(*, rounds: int = MIN_ROUNDS, scale: float = 1.0) -> Iterator[Row]:
    """Calls grow with `scale`. Raises `RuntimeError` when a service does not start or a call fails."""
    calls = max(round(_CALLS * scale), 1)
    yield from _own_share(rounds, calls)
    yield from _whole_way(rounds, calls, max(round(_LASTING * scale), 1))


def _own_share(rounds: int, calls: int) -> Iterator[Row]:
    target = Target(must=1.0, goal=0.5, moonshot=0.35)
    peers = {
        "alone": "FastAPI, `async def`, a model of the body",
        "alone_known": "the same, which asks who calls for which tenant, as ours does",
    }
    with started_alone() as ours:
        for name, against in peers.items():
            with _by_hand(name, "") as peer:
                found = interleaved(peer.cost, ours.cost, calls=calls, rounds=rounds)
            yield Row.compared(AREA, "the service's own share of a call", against, found, target)


def _whole_way(rounds: int, calls: int, lasting: int) -> Iterator[Row]:
    with ExitStack() as stack:
        origin = stack.enter_context(upstream())
        ours = stack.enter_context(_whole(origin))
        peers = {
            "FastAPI and httpx.AsyncClient, by hand": stack.enter_context(_by_hand("httpx_client", origin)),
            "FastAPI and aiohttp, by hand": stack.enter_context(_by_hand("aiohttp_client", origin)),
        }
        for against, peer in peers.items():
            turn = calls // 4 if "httpx" in against else calls  # it takes several times as long
            found = interleaved(peer.cost, ours.cost, calls=max(turn, 1), rounds=min(rounds, _ROUNDS))
            yield Row.compared(AREA, f"a call end to end, {_WIDTH} at once", against, found, note=_NOTE)
            yield _rate(against, found)
        against, peer = peers.popitem()
        yield _memory(against, peer, ours, lasting)


_NOTE: Final = "by hand: no limits, no breaker, no log, nothing hidden"


def _rate(against: str, found: Comparison) -> Row:
    ours, theirs = 1e6 / found.candidate.median, 1e6 / found.baseline.median
    return Row(AREA, "calls a second per core", against, round(ours), round(theirs), unit="calls/s", note=_NOTE)


def _memory(against: str, peer: Service, ours: Service, calls: int) -> Row:
    """After so many calls more; the note says from where it grew."""
    before = ours.memory
    for service in (ours, peer):
        service.work(calls)
    note = f"{before:.0f} MB {calls} calls earlier"
    return Row(
        AREA, "memory of the service", against, round(ours.memory, 1), round(peer.memory, 1), unit="MB", note=note
    )


@contextmanager
def started_alone() -> Iterator[Service]:
    """Our service with calls that take no time."""
    with tempfile.TemporaryDirectory() as folder:
        port = _free_port()
        command = [sys.executable, "-m", "bench.alone", str(port), folder]
        with _started(command, port) as process:
            yield Service(process, port, _execute(EXECUTION_ID))


@contextmanager
def _by_hand(name: str, origin: str) -> Iterator[Service]:
    port = _free_port()
    with _started([str(PEERS), "-m", "bench.contestants.services", name, str(port), origin], port) as process:
        yield Service(process, port, _execute(EXECUTION_ID))


@contextmanager
def _whole(origin: str) -> Iterator[Service]:
    """`integrations serve` as it comes, with limits that no run reaches, and an account."""
    with tempfile.TemporaryDirectory() as folder:
        port = _free_port()
        environment = {
            "INTEGRATIONS_DATA_DIR": f"{folder}/data",
            "INTEGRATIONS_PORT": str(port),
            "INTEGRATIONS_TOKEN": TOKEN,
            "INTEGRATIONS_TENANT_LIMIT": str(_CALLS_PER_MINUTE),
            "INTEGRATIONS_SPECS_DIRS": str(copy_spec(specs_dir(), Path(folder) / "specs")),
            "INTEGRATIONS_UPSTREAMS": f"{INTEGRATION}={origin}",
        }
        with _started([sys.executable, "-c", _SERVE], port, environment) as process:
            yield Service(process, port, _execute(_connected(port)))


def _execute(connection_id: str) -> bytes:
    body = {"connectionId": connection_id, "actionId": "calculate_fee", "input": INPUT, "callerService": "ai-agent"}
    return request("/execute", _JSON, json.dumps(body).encode())


def _connected(port: int) -> str:
    """The id of a new account."""
    account = {
        "integrationId": INTEGRATION,
        "name": "bench",
        "config": {"shopId": SHOP_ID, "environment": "sandbox"},
        "credentials": {"apiKey": API_KEY},
    }
    asked = urllib.request.Request(f"http://127.0.0.1:{port}/connections", json.dumps(account).encode(), _JSON)
    with urllib.request.urlopen(asked, timeout=_PATIENCE_SECONDS) as answer:  # noqa: S310 - our own, over loopback
        return str(json.load(answer)["connectionId"])


@contextmanager
def _started(
    command: Sequence[str], port: int, environment: Mapping[str, str] | None = None
) -> Iterator[subprocess.Popen[bytes]]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("INTEGRATIONS_")}
    with (
        tempfile.TemporaryFile() as said,
        subprocess.Popen(
            command, cwd=ROOT, env={**kept, **(environment or {})}, stdout=subprocess.DEVNULL, stderr=said
        ) as process,
    ):
        try:
            if not _listens(process, port):
                said.seek(0)
                raise RuntimeError(f"{command[1:4]} did not start: {said.read()[-2000:].decode(errors='replace')}")
            yield process
        finally:
            process.kill()


def _listens(process: subprocess.Popen[bytes], port: int) -> bool:
    until = time.monotonic() + _PATIENCE_SECONDS
    while process.poll() is None and time.monotonic() < until:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            time.sleep(0.05)
        else:
            return True
    return False


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


if __name__ == "__main__":
    sys.exit(told(rows, __doc__))
