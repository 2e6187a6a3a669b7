"""Cursors say where a list goes on, to one tenant, for one set of filters, and nothing else."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from engine.errors import RequestError
from engine.storage.cursor import open_cursor, seal_cursor
from engine.storage.ports import Store
from engine.storage.sqlite import open_store
from tests.storage.samples import run

FILTERS = {"connectionId": "c1", "status": None, "limit": 50}
POSITION = (1_800_000_000.125, "01JEXEC")


def test_any_position_comes_back_exactly(tmp_path: Path):
    store = open_store(data_dir=tmp_path)

    @given(st.floats(0, 1e11), st.text("0123456789ABCDEFGHJKMNPQRSTVWXYZ", min_size=26, max_size=26))
    @settings(deadline=None)
    def check(instant: float, identity: str) -> None:
        cursor = seal_cursor(store.vault, "tenant-a", FILTERS, (instant, identity))
        assert cursor.replace("-", "").replace("_", "").isalnum()
        assert open_cursor(store.vault, "tenant-a", FILTERS, cursor) == (instant, identity)

    check()
    run(store.lifetime.close())


async def refused(store: Store, tenant_id: str, filters: Mapping[str, object], cursor: str) -> bool:
    with pytest.raises(RequestError) as caught:
        open_cursor(store.vault, tenant_id, filters, cursor)
    assert caught.value.code == "BAD_REQUEST"
    assert [issue.path for issue in caught.value.issues] == [("cursor",)]
    return cursor not in f"{caught.value}{caught.value.issues}" or not cursor


async def test_a_foreign_or_otherwise_filtered_cursor_is_a_bad_request(store: Store):
    cursor = seal_cursor(store.vault, "tenant-a", FILTERS, POSITION)
    store.vault.seal("tenant-b", "x", b"")
    assert open_cursor(store.vault, "tenant-a", {"limit": 50, "connectionId": "c1"}, cursor) == POSITION
    assert await refused(store, "tenant-b", FILTERS, cursor)
    assert await refused(store, "tenant-without-key", FILTERS, cursor)
    assert await refused(store, "tenant-a", {**FILTERS, "connectionId": "c2"}, cursor)
    assert await refused(store, "tenant-a", {**FILTERS, "status": "error"}, cursor)
    assert await refused(store, "tenant-a", {}, cursor)


async def test_a_changed_cursor_is_a_bad_request(store: Store):
    cursor = seal_cursor(store.vault, "tenant-a", FILTERS, POSITION)

    @given(st.integers(0, len(cursor) - 2), st.sampled_from("AZaz09-_=%é\ud800 "))
    @settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
    def check(place: int, letter: str) -> None:
        changed = cursor[:place] + letter + cursor[place + 1 :]
        if changed != cursor:
            with pytest.raises(RequestError):
                open_cursor(store.vault, "tenant-a", FILTERS, changed)

    check()


@pytest.mark.parametrize("text", ["", "x", "!!!!", "AAAA", "A" * 5000, "null", "ố"])
async def test_nonsense_is_a_bad_request(store: Store, text: str):
    seal_cursor(store.vault, "tenant-a", FILTERS, POSITION)
    assert await refused(store, "tenant-a", FILTERS, text)
