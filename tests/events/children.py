"""Processes that deliver or receive, to be killed: `python -m tests.events.children SCENE DIR …`."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from engine.events.book import EventBook
from engine.events.deliver import Deliverer, Pace
from engine.runtime.clock import SystemClock
from engine.runtime.transport import HttpTransport
from engine.storage.sqlite import open_store
from tests.events.delivering import event

ROOT = Path(__file__).resolve().parents[2]
PACE = Pace(timeout=0.5, turn=0.5, lease=1.2, idle=0.02)


def say(*words: object) -> None:
    print(*words, flush=True)  # noqa: T201 - read by the test


async def receive(folder: Path, count: str) -> None:
    """Dies at the moment at which the last event is stored: nobody has looked who wants it."""
    store = open_store(data_dir=folder)
    for _ in range(int(count)):
        one = event()
        await EventBook(store).append([one])
        say(one.event_id)
    os.kill(os.getpid(), signal.SIGKILL)


async def deliver(folder: Path) -> None:
    """Until killed."""
    store = open_store(data_dir=folder)
    deliverer = Deliverer(store, HttpTransport(allow_private=True), SystemClock(), None, PACE)
    say("ready")
    await deliverer.run()


@contextmanager
def child(*words: object) -> Iterator[subprocess.Popen[str]]:
    """A scene in a process of its own; killed at the end if it still runs."""
    command = [sys.executable, "-m", "tests.events.children", *map(str, words)]
    process = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True)
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


if __name__ == "__main__":
    scene, directory, *rest = sys.argv[1:]
    asyncio.run(globals()[scene](Path(directory), *rest))
