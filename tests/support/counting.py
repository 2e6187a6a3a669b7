"""Processes that count in one limit at the same time: `python -m tests.support.counting DIR PROCESSES FIGURE MODE`.

Each asks again and again until it is refused, or 100 times where the limit only observes, and says how many calls it
was granted. They are forks of one, each with a store of its own. Their clock stands still, so that nothing depends on
how fast the machine is. MODE is `enforce` or `observe`.
"""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path

from engine.errors import CallError
from engine.runtime.limits import Bucket, Permits
from engine.storage.sqlite import open_store

NOW = 1_777_600_000.0
PER = 60.0
KEY = "limit:of the test"
_AT_ONCE = 5
_ROUNDS = 20
_MOST_ROUNDS = 1_000


async def granted(permits: Permits, bucket: Bucket, now: float) -> bool:
    try:
        await permits.take_all([bucket], now)
    except CallError:
        return False
    return True


async def _count(folder: Path, bucket: Bucket) -> int:
    store = open_store(data_dir=folder)
    permits = Permits(store.state)
    total = 0
    for _ in range(_ROUNDS if bucket.observe else _MOST_ROUNDS):
        got = sum(await asyncio.gather(*(granted(permits, bucket, NOW) for _ in range(_AT_ONCE))))
        total += got
        if not got:
            break
    await store.lifetime.close()
    return total


def main() -> None:
    folder, processes, figure, mode = sys.argv[1:]
    bucket = Bucket(KEY, "of the test", int(figure), PER, mode == "observe")
    asyncio.run(open_store(data_dir=Path(folder)).lifetime.close())
    gate, open_gate = os.pipe()
    children = []
    for _ in range(int(processes)):
        if (child := os.fork()) == 0:
            os.close(open_gate)
            os.read(gate, 1)  # all begin when the last was made
            os.write(1, b"%d\n" % asyncio.run(_count(Path(folder), bucket)))
            os._exit(0)
        children.append(child)
    os.close(open_gate)
    for child in children:
        os.waitpid(child, 0)


if __name__ == "__main__":
    main()
