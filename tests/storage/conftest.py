"""Each adapter under test, opened on an empty place; the contract suite runs on all of them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from engine.cases.memory import memory_store
from engine.storage.ports import Store
from engine.storage.sqlite import open_store
from tests.storage.samples import Clock

Opening = Callable[[Path, Clock], Store]

ADAPTERS: dict[str, Opening] = {
    "sqlite": lambda folder, clock: open_store(data_dir=folder, now=clock),
    "memory": lambda _folder, clock: memory_store(clock),  # that of cases
}


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture(params=ADAPTERS)
async def store(request: pytest.FixtureRequest, tmp_path: Path, clock: Clock) -> AsyncIterator[Store]:
    opened = ADAPTERS[request.param](tmp_path, clock)
    yield opened
    await opened.lifetime.close()
