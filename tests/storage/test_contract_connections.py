"""What every adapter promises about connections and their secrets."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from decimal import Decimal

import pytest

from engine.errors import VersionConflict
from engine.storage.ports import Secret, Store
from tests.storage.samples import connection, secret_of


async def test_a_connection_comes_back_as_it_was_stored(store: Store):
    given = connection(config={"rate": Decimal("0.10"), "big": 10**30, "list": [None, "ố"]}, last_error="said no")
    await store.connections.create(given)
    assert await store.connections.get("tenant-a", "c1") == given


async def test_another_tenants_connection_is_not_there(store: Store):
    await store.connections.create(connection())
    assert await store.connections.get("tenant-b", "c1") is None
    assert await store.connections.find("tenant-b") == []
    assert not await store.connections.delete("tenant-b", "c1")
    with pytest.raises(VersionConflict):
        await store.connections.update(connection(tenant_id="tenant-b"))
    assert await store.connections.get("tenant-a", "c1") == connection()


async def test_the_same_id_can_not_be_created_twice_but_two_tenants_may_share_it(store: Store):
    await store.connections.create(connection())
    await store.connections.create(connection(tenant_id="tenant-b"))
    with pytest.raises(VersionConflict):
        await store.connections.create(connection(name="other"))
    assert await store.connections.get("tenant-a", "c1") == connection()


async def test_a_route_finds_the_connections_of_all_tenants_that_have_it_now_and_no_other(store: Store):
    await store.connections.create(connection(1, route="r1"))
    await store.connections.create(connection(2, tenant_id="tenant-b", route="r1"))
    await store.connections.create(connection(3, route="r2"))
    await store.connections.create(connection(4))

    async def found(route: str, limit: int = 10) -> set[tuple[str, str]]:
        return {(one.tenant_id, one.connection_id) for one in await store.connections.routed(route, limit)}

    assert await found("r1") == {("tenant-a", "c1"), ("tenant-b", "c2")}
    assert len(await found("r1", 1)) == 1
    assert [await found(route) for route in ("r", "R1", "r1 ", "r3", "c1")] == [set()] * 5
    await store.connections.update(connection(1, route="r2"))
    await store.connections.update(connection(3))
    assert await store.connections.delete("tenant-b", "c2")
    assert (await found("r1"), await found("r2")) == (set(), {("tenant-a", "c1")})
    (moved,) = await store.connections.routed("r2", 10)
    assert moved == connection(1, route="r2", version=2)


async def test_lists_are_newest_first_and_filtered(store: Store):
    await store.connections.create(connection(1, integration_id="i1"))
    await store.connections.create(connection(3, integration_id="i2", status="error"))
    await store.connections.create(connection(2, integration_id="i2"))
    await store.connections.create(connection(4, tenant_id="tenant-b"))

    async def ids(*filters: str | None) -> list[str]:
        return [found.connection_id for found in await store.connections.find("tenant-a", *filters)]

    assert await ids() == ["c3", "c2", "c1"]
    assert await ids("i2") == ["c3", "c2"]
    assert await ids("i2", "active") == ["c2"]
    assert await ids(None, "error") == ["c3"]
    assert await ids("i3") == []


async def test_an_update_counts_the_version_and_a_stale_one_is_refused(store: Store):
    await store.connections.create(connection())
    first = await store.connections.update(replace(connection(), name="renamed", config={}, status="error"))
    assert first == replace(connection(), name="renamed", config={}, status="error", version=2)
    assert await store.connections.get("tenant-a", "c1") == first
    with pytest.raises(VersionConflict):
        await store.connections.update(connection(name="too late"))
    assert await store.connections.get("tenant-a", "c1") == first


async def test_of_many_updates_of_one_version_exactly_one_wins(store: Store):
    await store.connections.create(connection())
    names = [f"name {number}" for number in range(20)]
    results = await asyncio.gather(
        *(store.connections.update(connection(name=name)) for name in names), return_exceptions=True
    )
    assert sum(isinstance(result, VersionConflict) for result in results) == 19
    (winner,) = [result for result in results if not isinstance(result, BaseException)]
    assert await store.connections.get("tenant-a", "c1") == winner


async def test_a_deleted_connection_is_gone_and_can_not_be_updated(store: Store):
    await store.connections.create(connection())
    assert await store.connections.delete("tenant-a", "c1")
    assert not await store.connections.delete("tenant-a", "c1")
    assert await store.connections.get("tenant-a", "c1") is None
    with pytest.raises(VersionConflict):
        await store.connections.update(connection())


async def test_a_secret_comes_back_with_its_version(store: Store):
    value = {"apiKey": "k-1", "expiresAt": Decimal("1.5"), "scopes": ["a"]}
    assert await store.secrets.put("tenant-a", "c1", "credentials", value) == 1
    assert await store.secrets.put("tenant-a", "c1", "credentials", {"apiKey": "k-2"}, expected=1) == 2
    assert await store.secrets.put("tenant-a", "c1", "token", value, expected=0) == 1
    assert await secret_of(store, "tenant-a") == Secret({"apiKey": "k-2"}, 2)
    assert await secret_of(store, "tenant-a", name="token") == Secret(value, 1)


async def test_a_secret_belongs_to_one_tenant_and_connection(store: Store):
    await store.secrets.put("tenant-a", "c1", "credentials", {"apiKey": "k-1"})
    assert await store.secrets.get("tenant-b", "c1", "credentials") is None
    assert await store.secrets.get("tenant-a", "c2", "credentials") is None
    await store.secrets.delete("tenant-b", "c1")
    assert (await secret_of(store, "tenant-a")).value == {"apiKey": "k-1"}


async def test_of_many_puts_on_one_version_exactly_one_wins(store: Store):
    await store.secrets.put("tenant-a", "c1", "token", {"n": -1})
    puts = (store.secrets.put("tenant-a", "c1", "token", {"n": n}, expected=1) for n in range(20))
    results = await asyncio.gather(*puts, return_exceptions=True)
    winners = [number for number, result in enumerate(results) if result == 2]
    assert len(winners) == 1
    assert sum(isinstance(result, VersionConflict) for result in results) == 19
    assert await secret_of(store, "tenant-a", name="token") == Secret({"n": winners[0]}, 2)


async def test_deleting_removes_all_names_of_the_connection_only(store: Store):
    for connection_id, name in (("c1", "credentials"), ("c1", "token"), ("c2", "credentials")):
        await store.secrets.put("tenant-a", connection_id, name, {"key": "k"})
    await store.secrets.delete("tenant-a", "c1")
    assert await store.secrets.get("tenant-a", "c1", "credentials") is None
    assert await store.secrets.get("tenant-a", "c1", "token") is None
    assert (await secret_of(store, "tenant-a", "c2")).version == 1
    with pytest.raises(VersionConflict):
        await store.secrets.put("tenant-a", "c1", "token", {}, expected=1)


async def test_a_printed_secret_shows_names_only(store: Store):
    await store.secrets.put("tenant-a", "c1", "credentials", {"apiKey": "canary-value"})
    shown = repr(await secret_of(store, "tenant-a"))
    assert "apiKey" in shown
    assert "canary" not in shown
