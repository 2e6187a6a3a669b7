"""What every adapter promises about state records, the vault and its lifetime."""

from __future__ import annotations

import asyncio

import pytest

from engine.errors import StorageCorrupt
from engine.storage.ports import Record, Store
from tests.storage.conftest import sweeps
from tests.storage.samples import Clock


async def test_a_record_is_created_once_and_changed_by_whoever_knows_its_version(store: Store, clock: Clock):
    first = await store.state.put("key", b"1", expected=0, ttl_seconds=60)
    assert first is not None
    assert await store.state.get("key") == Record(b"1", first, clock.time + 60)
    assert await store.state.put("key", b"x", expected=0, ttl_seconds=60) is None
    assert await store.state.put("key", b"x", expected=first + 1, ttl_seconds=60) is None
    second = await store.state.put("key", b"2", expected=first, ttl_seconds=90)
    assert second is not None
    assert await store.state.get("key") == Record(b"2", second, clock.time + 90)
    assert await store.state.put("key", b"x", expected=first, ttl_seconds=60) is None


async def test_without_an_expectation_the_last_writer_wins(store: Store):
    for value in (b"1", b"2"):
        await store.state.put("key", value, expected=None, ttl_seconds=60)
    record = await store.state.get("key")
    assert record is not None
    assert record.value == b"2"
    assert await store.state.put("key", b"3", expected=record.version, ttl_seconds=60)


async def test_a_record_that_expired_is_as_if_absent(store: Store, clock: Clock):
    version = await store.state.put("key", b"1", expected=0, ttl_seconds=60)
    assert version is not None
    clock.time += 60
    assert await store.state.get("key") is None
    assert await store.state.put("key", b"x", expected=version, ttl_seconds=60) is None
    assert not await store.state.delete("key")
    assert await store.state.put("key", b"2", expected=0, ttl_seconds=60)


@pytest.mark.parametrize("gone_by", ["delete", "expiry", "expire"])
async def test_a_version_of_an_earlier_record_never_fits_a_later_one(store: Store, clock: Clock, gone_by: str):
    """A holder of a lease that ran out must not release the lease of the next holder."""
    old = await store.state.put("lease", b"a", expected=0, ttl_seconds=60)
    if gone_by == "delete":
        assert await store.state.delete("lease", old)
    else:
        clock.time += 61
    if gone_by == "expire":
        await store.state.expire()
    new = await store.state.put("lease", b"b", expected=0, ttl_seconds=60)
    assert new != old
    assert not await store.state.delete("lease", old)
    assert await store.state.put("lease", b"a", expected=old, ttl_seconds=60) is None
    record = await store.state.get("lease")
    assert record is not None
    assert record.value == b"b"


async def test_of_many_writers_exactly_one_creates_the_record(store: Store):
    puts = (store.state.put("key", b"%d" % n, expected=0, ttl_seconds=60, durable=n % 2 == 0) for n in range(40))
    versions = await asyncio.gather(*puts)
    assert sum(version is not None for version in versions) == 1


@sweeps
async def test_expire_removes_only_what_has_expired_and_stops_at_the_batch(store: Store, clock: Clock):
    for number in range(10):
        await store.state.put(f"key {number}", b"", expected=0, ttl_seconds=60 if number < 7 else 120)
    clock.time += 60
    assert await store.state.expire(batch=5) == 5
    assert await store.state.expire() == 2
    assert await store.state.expire() == 0
    assert await store.state.get("key 9") is not None


async def test_a_key_may_be_long_but_not_longer_than_promised(store: Store):
    assert await store.state.put("k" * 512, b"", expected=0, ttl_seconds=60)
    with pytest.raises(ValueError, match="512"):
        await store.state.put("k" * 513, b"", expected=0, ttl_seconds=60)


async def test_records_are_found_by_how_their_keys_begin(store: Store, clock: Clock):
    for key, seconds in (("a:2", 60), ("a:1", 90), ("a:old", 30), ("a", 60), ("a;", 60), ("b:1", 60), ("a:ố", 60)):
        await store.state.put(key, key.encode(), expected=0, ttl_seconds=seconds)
    clock.time += 30
    found = await store.state.find("a:")
    assert [key for key, _ in found] == ["a:1", "a:2", "a:ố"]
    assert found[0][1] == await store.state.get("a:1")
    assert [key for key, _ in await store.state.find("a:", limit=2)] == ["a:1", "a:2"]
    assert await store.state.find("c") == []


async def test_sealed_bytes_open_only_for_their_tenant_and_context(store: Store):
    await store.vault.prepare("tenant-a")
    sealed = store.vault.seal("tenant-a", "answer|1", b"plain")
    assert b"plain" not in sealed
    assert store.vault.open("tenant-a", "answer|1", sealed) == b"plain"
    store.vault.seal("tenant-b", "answer|1", b"makes the key of tenant-b")
    for tenant_id, context in (("tenant-b", "answer|1"), ("tenant-a", "answer|2"), ("tenant-c", "answer|1")):
        with pytest.raises(StorageCorrupt):
            store.vault.open(tenant_id, context, sealed)


async def test_the_same_bytes_are_sealed_differently_each_time(store: Store):
    assert store.vault.seal("tenant-a", "x", b"plain") != store.vault.seal("tenant-a", "x", b"plain")


async def test_an_open_store_says_it_can_be_written(store: Store):
    await store.lifetime.check()
