"""A place where events are on their way, for the tests of delivery."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from engine.catalog import Catalog
from tests.events.delivering import Place, placed
from tests.events.messages import compiled, webhook_spec


@pytest.fixture(scope="module")
def known(tmp_path_factory: pytest.TempPathFactory) -> Catalog:
    lost = {"when": "body.lost", "type": "parcel.lost"}
    events = [lost, {"when": "body.paid", "type": "payment.paid"}, {"type": "parcel.moved"}]
    return compiled(tmp_path_factory.mktemp("specs"), webhook_spec(events=events))


@pytest.fixture
async def place(tmp_path: Path, known: Catalog) -> AsyncIterator[Place]:
    async with placed(tmp_path, known) as made:
        yield made
