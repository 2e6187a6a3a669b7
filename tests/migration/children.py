"""A move in a process of its own: `python -m tests.migration.children FOLDER TARGET UNTIL`. TARGET: a folder, or `aws`.

It says how many rows it has written, and is killed once they are UNTIL: by itself, so that it gets no further.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from pathlib import Path

from engine.migration.move import Move
from engine.migration.report import Progress
from engine.settings import Settings
from engine.storage.aws import open_store as open_aws
from engine.storage.ports import Store
from engine.storage.sqlite import open_store
from tests.migration.filled import SINCE, clock


def open_target(name: str) -> Store:
    return open_aws(Settings(storage="aws"), clock) if name == "aws" else open_store(data_dir=Path(name), now=clock)


async def main(folder: str, name: str, until: int) -> None:
    def say(now: Progress) -> None:
        print(now.step, now.moved, flush=True)  # noqa: T201 - read by the test
        if now.step == "moving" and now.moved >= until:
            os.kill(os.getpid(), signal.SIGKILL)

    source, target = open_store(data_dir=Path(folder), now=clock), open_target(name)
    report = await Move(source, target, since=SINCE, now=clock, progress=Progress(on_change=say)).run()
    print("equal" if report.is_equal else "different", flush=True)  # noqa: T201
    await source.lifetime.close()
    await target.lifetime.close()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], sys.argv[2], int(sys.argv[3])))
