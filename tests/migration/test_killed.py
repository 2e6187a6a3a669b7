"""A move that is killed at any moment is begun again: nothing is there twice, and nothing is lost."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.migration.filled import CALLS, fill, on_sqlite, seen
from tests.storage.samples import ROOT, run

ROWS = 2 * CALLS + 3 + 6 + 10 + 4 + 24 + 4 + 2 + 2


def moved(folder: Path, target: str, *, until: int) -> str:
    """A move that is killed once it has written so many rows; what it said last."""
    command = [sys.executable, "-m", "tests.migration.children", str(folder), target, str(until)]
    said = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, timeout=60, check=False).stdout
    return said.splitlines()[-1]


async def filled(folder: Path) -> None:
    async with on_sqlite(folder) as (source,):
        await fill(source)


@pytest.mark.parametrize("steps", [(1, 20, 110, 200), (40, 300), (450,)])
def test_a_move_killed_again_and_again_ends_with_the_same(tmp_path: Path, steps: tuple[int, ...]) -> None:
    source, target = tmp_path / "source", tmp_path / "target"
    run(filled(source))
    for step in steps:
        assert moved(source, str(target), until=step).startswith("moving")
    assert moved(source, str(target), until=10 * ROWS) == "equal"

    async def check() -> None:
        async with on_sqlite(source, target) as (before, after):
            assert await seen(after) == await seen(before)

    run(check())
