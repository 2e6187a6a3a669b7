"""Values and parts that the storage tests share."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections.abc import Coroutine
from pathlib import Path
from typing import Any, TypeVar

from ulid import ULID

from engine.model import Connection, Execution
from engine.storage.ports import Secret, Store

ROOT = Path(__file__).resolve().parents[2]
T = TypeVar("T")


class Clock:
    """A wall clock that the test turns."""

    def __init__(self) -> None:
        self.time = 1_800_000_000.0

    def __call__(self) -> float:
        return self.time


def execution(number: int, **fields: Any) -> Execution:
    at = fields.get("created_at", 1_800_000_000.0 + number / 8)
    drawn = str(ULID.from_timestamp(at))[:10]  # an id is drawn when its call begins
    values: dict[str, Any] = {
        "execution_id": f"{drawn}{number:016d}",
        "tenant_id": "tenant-a",
        "connection_id": "c1",
        "integration_id": "i1",
        "action_id": "calculate_fee",
        "input": b'{"weight":1200}',
        "output": b'{"fee":36300}',
        "status": "success",
        "error_code": None,
        "error_message": None,
        "latency_ms": 41,
        "caller_service": "agent",
        "caller_ref": None,
        "created_at": at,
    }
    return Execution(**values | fields)


def connection(number: int = 1, **fields: Any) -> Connection:
    values: dict[str, Any] = {
        "tenant_id": "tenant-a",
        "connection_id": f"c{number}",
        "integration_id": "i1",
        "name": f"Connection {number}",
        "config": {"shopId": "885", "nested": [1, True, None, "ố"]},
        "status": "active",
        "created_at": 1_800_000_000.0 + number,
        "updated_at": 1_800_000_000.5 + number,
    }
    return Connection(**values | fields)


def run(job: Coroutine[Any, Any, T]) -> T:
    """For tests that open and close stores themselves, each on an event loop of its own."""
    return asyncio.run(job)


async def secret_of(store: Store, tenant_id: str, connection_id: str = "c1", name: str = "credentials") -> Secret:
    secret = await store.secrets.get(tenant_id, connection_id, name)
    assert secret is not None
    return secret


def child(*words: str | Path) -> subprocess.Popen[str]:
    """A process of its own that runs one scene of `children.py`."""
    return subprocess.Popen(
        [sys.executable, "-m", "tests.storage.children", *map(str, words)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stdin=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
