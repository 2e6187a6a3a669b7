from __future__ import annotations

import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from engine.identity.tokens import TokenBook
from engine.storage.ports import Store
from engine.storage.sqlite import open_store


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    opened = open_store(data_dir=tmp_path / "data")
    yield opened
    await opened.lifetime.close()


@pytest.fixture
def book(store: Store) -> TokenBook:
    return TokenBook(store, time.time)
