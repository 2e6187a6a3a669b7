from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from engine.bootstrap import open_storage
from engine.settings import Settings, Storage
from tests.api.conformance import Checked
from tests.api.consenting import Town, town
from tests.api.support import HEADERS, SmallEngine, app_over

ON_AWS_TOO = frozenset(
    {
        "test_connections",
        "test_execute",
        "test_executions",
        "test_oauth",
        "test_oauth_apps",
        "test_subscriptions",
        "test_webhooks",
    }
)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """The main part of the suite is run over both storages; what has many rows of its own, over one."""
    if "storage" not in metafunc.fixturenames or next(metafunc.definition.iter_markers("parametrize"), None):
        return
    if metafunc.module.__name__.rpartition(".")[2] in ON_AWS_TOO:
        metafunc.parametrize("storage", ["sqlite", "aws"], indirect=True)


@pytest.fixture
def storage(request: pytest.FixtureRequest) -> Storage:
    """What `INTEGRATIONS_STORAGE` says."""
    name: Storage = getattr(request, "param", "sqlite")
    if name == "aws":
        request.getfixturevalue("aws_place")
    return name


@pytest.fixture
async def engine(tmp_path: Path, storage: Storage) -> AsyncIterator[SmallEngine]:
    store = open_storage(Settings(data_dir=tmp_path, storage=storage))
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


@pytest.fixture
async def there(tmp_path: Path, storage: Storage) -> AsyncIterator[Town]:
    """A service and a provider with consent pages."""
    async with town(tmp_path, storage) as one:
        yield one
