from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from engine.storage.ports import Store
from engine.storage.sqlite import open_store


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def store(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Store]:
    """One store for all cases: each has a tenant of its own."""
    opened = open_store(data_dir=tmp_path_factory.mktemp("cases"))
    yield opened
    await opened.lifetime.close()
