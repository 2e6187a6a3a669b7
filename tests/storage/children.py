"""Scenes that run in a process of their own: `python -m tests.storage.children SCENE DIR ...`."""

from __future__ import annotations

import asyncio
import random
import resource
import sys
from pathlib import Path

from engine.errors import StorageUnavailable
from engine.storage.ports import Store
from engine.storage.sqlite import open_store
from tests.storage.samples import execution, secret_of


def say(*words: object) -> None:
    print(*words, flush=True)  # noqa: T201 - read by the test


async def open_only(folder: Path) -> None:
    store = open_store(data_dir=folder)
    await store.state.put("opened", b"", expected=None, ttl_seconds=3600)
    await store.lifetime.close()
    say("opened")


async def increment(folder: Path, times: str) -> None:
    """Adds one to a counter by compare-and-set, as often as asked."""
    store = open_store(data_dir=folder)
    done = 0
    for _ in range(200_000):
        record = await store.state.get("counter")
        value, version = (int(record.value), record.version) if record else (0, 0)
        stored = await store.state.put("counter", b"%d" % (value + 1), expected=version, ttl_seconds=3600)
        done += stored is not None
        if done == int(times):
            break
    await store.lifetime.close()
    say(done)


async def append(folder: Path, first: str) -> None:
    """Appends until killed; says each id once `append` has returned."""
    store = open_store(data_dir=folder)

    async def one(number: int) -> None:
        row = execution(number)
        await store.executions.append(row)
        say(row.execution_id)

    for start in range(int(first), int(first) + 1_000_000, 10):
        await asyncio.gather(*(one(start + offset) for offset in range(10)))


async def fill(folder: Path) -> None:
    """No file may grow beyond 400 kB: writes fail and leave nothing; with the limit gone they work again."""
    store = open_store(data_dir=folder)
    _, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (400_000, hard))
    failed = await _until_full(store)
    resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
    await store.lifetime.check()
    await store.executions.append(execution(failed))
    say("again", execution(failed).execution_id)
    await store.lifetime.close()


async def _until_full(store: Store) -> int:
    for number in range(2_000):
        row = execution(number, output=b"x" * 3000)
        try:
            await store.executions.append(row)
        except StorageUnavailable as error:
            say("full", error)
            await _refused(store, number)
            return number
        say("kept", row.execution_id)
    raise AssertionError("the limit was never reached")


async def _refused(store: Store, number: int) -> None:
    """While the disk is full, each kind of write says so and reads go on."""
    large = b"x" * 300_000
    rows = (execution(number + offset, output=large) for offset in range(1, 4))
    results = await asyncio.gather(
        store.state.put("large", large, expected=None, ttl_seconds=60),
        store.state.put("large", large, expected=None, ttl_seconds=60, durable=True),
        store.secrets.put("tenant-a", "c1", "credentials", {"key": "x" * 300_000}),
        *(store.executions.append(row) for row in rows),
        return_exceptions=True,
    )
    say("refused", sum(isinstance(result, StorageUnavailable) for result in results), "of", len(results))
    assert await store.executions.get("tenant-a", execution(0).execution_id)


async def read_secrets(folder: Path, tenants: str) -> None:
    """Reads tenants' secrets, and writes those of new tenants, until its input ends."""
    store = open_store(data_dir=folder)
    say("ready")
    ended = asyncio.create_task(asyncio.to_thread(sys.stdin.read))
    order = list(range(int(tenants)))
    random.shuffle(order)
    created = 0
    while not ended.done() and created < 100_000:
        number = order[created % len(order)]
        assert (await secret_of(store, f"tenant-{number}")).value == {"key": f"value-{number}"}
        await store.secrets.put(f"fresh-{created}", "c1", "credentials", {"key": f"fresh-{created}"})
        created += 1
    await store.lifetime.close()
    say(created)


if __name__ == "__main__":
    scene, directory, *rest = sys.argv[1:]
    asyncio.run(globals()[scene](Path(directory), *rest))
