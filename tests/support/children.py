"""Engines in processes of their own: `python -m tests.support.children SCENE DIR ORIGIN TENANT CONNECTION …`.

DIR holds `specs` and `data`; every integration is sent to ORIGIN.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from engine.bootstrap import open_engine
from engine.locations import schemas_dir
from engine.model import Answer, Command
from engine.plugins import Registry
from engine.runtime.execute import Engine
from engine.settings import Settings
from engine.spec.load import load_catalog

ROOT = Path(__file__).resolve().parents[2]


def say(*words: object) -> None:
    print(*words, flush=True)  # noqa: T201 - read by the test


async def open_here(folder: Path, origin: str) -> Engine:
    found = load_catalog([folder / "specs"], Registry(), schemas_dir())
    return await open_engine(
        Settings(data_dir=folder / "data"), catalog=found, upstreams=dict.fromkeys(found.integrations, origin)
    )


def shown(answer: Answer) -> str:
    code = answer.error.code if answer.error else None
    return json.dumps({"id": answer.execution_id, "code": code, "replayed": answer.replayed})


async def once(engine: Engine, command: Command, times: str) -> None:
    """Says the answers of that many calls at once."""
    for answer in await asyncio.gather(*(engine.execute(command) for _ in range(int(times)))):
        say(shown(answer))


async def at_once(engine: Engine, command: Command, times: str) -> None:
    """The same, where some may be refused as conflicts."""
    told = await asyncio.gather(*(engine.execute(command) for _ in range(int(times))), return_exceptions=True)
    for one in told:
        say(shown(one) if isinstance(one, Answer) else json.dumps({"conflict": getattr(one, "code", repr(one))}))


async def forever(engine: Engine, command: Command, _: str) -> None:
    """Calls until killed; says each execution's id once its answer is there."""

    async def one() -> None:
        for _ in range(100_000):
            say((await engine.execute(command)).execution_id)

    await asyncio.gather(*(one() for _ in range(5)))


async def main() -> None:
    scene, folder, origin, tenant, connection, action, key, times = sys.argv[1:]
    engine = await open_here(Path(folder), origin)
    command = Command(tenant, action, {}, connection_id=connection, idempotency_key=key or None)
    say("ready")
    await asyncio.to_thread(sys.stdin.readline)
    await {"once": once, "at_once": at_once, "forever": forever}[scene](engine, command, times)
    await engine.close()


@contextmanager
def child(*words: object) -> Iterator[subprocess.Popen[str]]:
    """A scene that is ready and waits for a line; it is killed at the end if it still runs."""
    command = [sys.executable, "-m", "tests.support.children", *map(str, words)]
    process = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


async def ready(process: subprocess.Popen[str]) -> None:
    assert process.stdout is not None
    assert (await asyncio.to_thread(process.stdout.readline)).strip() == "ready"


async def go(process: subprocess.Popen[str]) -> None:
    assert process.stdin is not None
    process.stdin.write("go\n")
    await asyncio.to_thread(process.stdin.flush)


async def lines(process: subprocess.Popen[str]) -> list[str]:
    """What it says until its end."""
    assert process.stdout is not None
    rest = await asyncio.to_thread(process.stdout.read)
    return rest.split("\n")[:-1]


if __name__ == "__main__":
    asyncio.run(main())
