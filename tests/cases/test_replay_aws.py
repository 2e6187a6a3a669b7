"""GHN's cases over the storage on AWS: a sample always, all of them in the slow suite."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from engine.bootstrap import open_storage
from engine.cases.replay import replay
from engine.settings import Settings
from engine.storage.ports import Store
from tests.cases.recorded import cases, catalog
from tests.support.aws import Servers

GHN = "shipping-ghn"
EACH = 12


@pytest_asyncio.fixture
async def on_aws(aws_place: Servers) -> AsyncIterator[Store]:
    opened = open_storage(Settings(storage="aws"))
    yield opened
    await opened.lifetime.close()


async def differences(store: Store, each: int) -> dict[str, list[str]]:
    """What the engine did differently, by case. Cases share a store but not what one leaves of a circuit."""
    found: dict[str, list[str]] = {}
    chosen = [case for case in cases() if case.integration_id == GHN][::each]
    assert len(chosen) > 10
    for case in chosen:
        for key, _ in await store.state.find("breaker:"):
            await store.state.delete(key)
        if problems := await replay(case, catalog(), store):
            found[case.name] = problems
    return found


async def test_a_sample_of_the_cases_of_ghn_is_what_the_engine_does_on_aws(on_aws: Store) -> None:
    assert await differences(on_aws, EACH) == {}


@pytest.mark.slow
async def test_every_case_of_ghn_is_what_the_engine_does_on_aws(on_aws: Store) -> None:
    assert await differences(on_aws, 1) == {}
