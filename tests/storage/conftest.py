"""Each adapter under test, opened on an empty place; the contract suite runs on all of them.

The storage on AWS runs on two stand-ins for DynamoDB, each of which catches what the other lets through.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from engine.cases.memory import memory_store
from engine.storage.ports import Store
from engine.storage.sqlite import open_store
from tests.storage.samples import Clock
from tests.support.aws import open_empty

Opening = Callable[[Path, Clock], Store]

ADAPTERS: dict[str, Opening] = {
    "sqlite": lambda folder, clock: open_store(data_dir=folder, now=clock),
    "memory": lambda _folder, clock: memory_store(clock),  # that of cases
}
ON_AWS = ("ministack", "dynoxide")


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture(params=[*ADAPTERS, *ON_AWS])
async def store(request: pytest.FixtureRequest, tmp_path: Path, clock: Clock) -> AsyncIterator[Store]:
    if request.param in ON_AWS:
        request.getfixturevalue("aws_user")
        opened = open_empty(request.getfixturevalue("aws_servers"), request.param, clock)
    else:
        opened = ADAPTERS[request.param](tmp_path, clock)
    yield opened
    await opened.lifetime.close()


@pytest.fixture
def is_on_aws(request: pytest.FixtureRequest) -> bool:
    """Each call of a stand-in takes milliseconds: a test that makes thousands makes fewer there."""
    return request.node.callspec.params["store"] in ON_AWS


sweeps = pytest.mark.parametrize("store", [*ADAPTERS], indirect=True)
"""For tests of `expire`: DynamoDB removes by itself what is too old."""
