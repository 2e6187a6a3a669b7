from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from engine.storage.sqlite import open_store
from tests.api.conformance import Checked
from tests.api.support import HEADERS, SmallEngine, app_over


@pytest.fixture
async def engine(tmp_path: Path) -> AsyncIterator[SmallEngine]:
    store = open_store(data_dir=tmp_path)
    yield SmallEngine(store)
    await store.lifetime.close()


@pytest.fixture
async def api(engine: SmallEngine) -> AsyncIterator[httpx.AsyncClient]:
    """A client of tenant `acme` with a good token; each answer is held against the OpenAPI document."""
    transport = Checked(httpx.ASGITransport(app_over(engine), raise_app_exceptions=True))
    async with httpx.AsyncClient(transport=transport, base_url="http://api", headers=HEADERS) as client:
        yield client


@pytest.fixture
async def connection(api: httpx.AsyncClient) -> str:
    """Id of a connection of `acme` that works."""
    made = await api.post(
        "/connections",
        json={
            "integrationId": "acme-parcels",
            "name": "Main",
            "config": {"shopId": "885"},
            "credentials": {"apiKey": "good-key"},
        },
    )
    return str(made.json()["connectionId"])
