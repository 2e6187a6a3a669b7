"""GHN's cases over the storage on AWS."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest_asyncio

from engine.bootstrap import open_storage
from engine.cases.replay import replay
from engine.settings import Settings
from engine.storage.ports import Store
from tests.cases.recorded import cases, catalog
from tests.support.aws import Servers

GHN = "shipping-ghn"


@pytest_asyncio.fixture
async def on_aws(aws_place: Servers) -> AsyncIterator[Store]:
    opened = open_storage(Settings(storage="aws"))
    yield opened
    await opened.lifetime.close()


async def test_every_case_of_ghn_is_what_the_engine_does_on_aws(on_aws: Store) -> None:
    """Cases share a store, but not what one leaves of a circuit."""
    chosen = [case for case in cases() if case.integration_id == GHN]
    assert len(chosen) > 250
    found: dict[str, list[str]] = {}
    for case in chosen:
        for key, _ in await on_aws.state.find("breaker:"):
            await on_aws.state.delete(key)
        if problems := await replay(case, catalog(), on_aws):
            found[case.name] = problems
    assert found == {}
