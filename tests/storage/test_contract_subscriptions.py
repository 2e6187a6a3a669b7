"""What every adapter promises about subscriptions."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from engine.errors import VersionConflict
from engine.model import Subscription
from engine.storage.ports import Store


def subscription(number: int = 1, **fields: Any) -> Subscription:
    made = Subscription(
        subscription_id=f"s{number}",
        tenant_id="tenant-a",
        event_types=("payment.*", "shipment.updated"),
        sealed=b"\x00sealed\xff",
        status="active",
        created_at=1_800_000_000.0 + number,
        updated_at=1_800_000_000.5 + number,
    )
    return replace(made, **fields)


async def test_a_subscription_comes_back_as_it_was_stored_and_only_for_its_tenant(store: Store) -> None:
    assert await store.subscriptions.create(subscription(), 50)
    assert await store.subscriptions.get("tenant-a", "s1") == subscription()
    assert await store.subscriptions.get("tenant-b", "s1") is None
    assert await store.subscriptions.find("tenant-b") == []
    assert not await store.subscriptions.delete("tenant-b", "s1")
    assert await store.subscriptions.get("tenant-a", "s2") is None


async def test_a_tenant_has_no_more_than_it_may_also_when_many_are_made_at_once(store: Store) -> None:
    made = await asyncio.gather(*(store.subscriptions.create(subscription(n), 3) for n in range(10)))
    assert sum(made) == 3
    assert len(await store.subscriptions.find("tenant-a")) == 3
    assert await store.subscriptions.create(subscription(1, tenant_id="tenant-b"), 3)
    (gone, *_) = await store.subscriptions.find("tenant-a")
    assert await store.subscriptions.delete("tenant-a", gone.subscription_id)
    assert await store.subscriptions.create(subscription(11), 3)


async def test_a_list_is_newest_first(store: Store) -> None:
    for number in (2, 1, 3):
        await store.subscriptions.create(subscription(number), 50)
    assert await store.subscriptions.find("tenant-a") == [subscription(n) for n in (3, 2, 1)]


async def test_a_change_needs_the_version_that_is_stored(store: Store) -> None:
    await store.subscriptions.create(subscription(), 50)
    changed = await store.subscriptions.update(
        subscription(event_types=("*",), sealed=b"other", status="disabled", reason="gone", updated_at=1.9e9)
    )
    assert changed.version > subscription().version
    assert await store.subscriptions.get("tenant-a", "s1") == changed
    for stale in (subscription(), subscription(2), subscription(tenant_id="tenant-b")):
        with pytest.raises(VersionConflict):
            await store.subscriptions.update(stale)
    assert await store.subscriptions.delete("tenant-a", "s1")
    assert not await store.subscriptions.delete("tenant-a", "s1")
    with pytest.raises(VersionConflict):
        await store.subscriptions.update(changed)


async def test_of_many_changes_at_once_one_wins(store: Store) -> None:
    await store.subscriptions.create(subscription(), 50)
    changes = (store.subscriptions.update(subscription(reason=f"change {n}")) for n in range(20))
    ended = await asyncio.gather(*changes, return_exceptions=True)
    assert sum(isinstance(one, Subscription) for one in ended) == 1
    assert sum(isinstance(one, VersionConflict) for one in ended) == 19
