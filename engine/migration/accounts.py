"""What tenants have set up: connections, their secrets, and where they want events."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any

from engine.errors import RequestError, VersionConflict
from engine.events import target as targets
from engine.events.subscriptions import MOST
from engine.events.target import Target
from engine.migration.rows import Pair, Row, Side, row
from engine.model import Connection, Subscription


class Connections:
    name, is_log, descending = "connections", False, True

    async def rows(self, side: Side, tenant: str) -> AsyncIterator[Row]:
        for one in await side.store.connections.find(tenant):
            yield row((one.created_at, one.connection_id), one.connection_id, one)

    async def mend(self, target: Side, pairs: Sequence[Pair]) -> list[str]:
        await asyncio.gather(*(self._put(target, one.value, there) for one, there in pairs))
        return []

    async def _put(self, target: Side, connection: Connection, there: Row | None) -> None:
        with suppress(VersionConflict):  # stored a moment ago by a try that got no answer
            if there is None:
                await target.store.connections.create(connection)
            else:
                await target.store.connections.update(replace(connection, version=there.value.version))

    async def drop(self, target: Side, gone: Sequence[Row]) -> None:
        """In the order in which a tenant's deletion does it."""
        for one in gone:
            ids = (one.value.tenant_id, one.value.connection_id)
            await target.store.secrets.delete(*ids)
            await target.store.connections.delete(*ids)
            await target.store.deliveries.forget_connection(*ids)


class Secrets:
    """The value of a row is (connection, name, what it holds). Versions begin anew: nobody keeps them for long."""

    name, is_log, descending = "secrets", False, True

    async def rows(self, side: Side, tenant: str) -> AsyncIterator[Row]:
        for one in await side.store.connections.find(tenant):
            found = await side.store.secrets.find(tenant, one.connection_id)
            for name in sorted(found, reverse=True):
                ids = (tenant, one.connection_id, name)
                yield row((one.created_at, one.connection_id, name), f"{one.connection_id} {name}", (ids, found[name]))

    async def mend(self, target: Side, pairs: Sequence[Pair]) -> list[str]:
        of_connection: dict[str, list[Any]] = defaultdict(list)
        for one, _ in pairs:
            of_connection[one.value[0][1]].append(one.value)
        told = await asyncio.gather(*(self._put(target, values) for values in of_connection.values()))
        return [sentence for sentences in told for sentence in sentences]

    async def _put(self, target: Side, values: Sequence[Any]) -> list[str]:
        refused: list[str] = []
        for (tenant, connection_id, name), secret in values:
            try:
                await target.store.secrets.put(tenant, connection_id, name, secret.value)
            except RequestError as error:
                refused.append(f"{tenant}: {name} of connection {connection_id}: {error}")
        return refused

    async def drop(self, target: Side, gone: Sequence[Row]) -> None:
        """They go with their connection."""


class Subscriptions:
    """The value of a row is the subscription without its seal, and what was sealed."""

    name, is_log, descending = "subscriptions", False, True

    async def rows(self, side: Side, tenant: str) -> AsyncIterator[Row]:
        for one in await side.store.subscriptions.find(tenant):
            value = (replace(one, sealed=b""), targets.opened(side.store.vault, one))
            yield row((one.created_at, one.subscription_id), one.subscription_id, value)

    async def mend(self, target: Side, pairs: Sequence[Pair]) -> list[str]:
        for one, there in pairs:
            await self._put(target, one.value, there)
        return []

    async def _put(self, target: Side, value: tuple[Subscription, Target], there: Row | None) -> None:
        bare, where = value
        seal = await targets.sealed(target.store, bare.tenant_id, bare.subscription_id, where)
        if there is None:
            await target.store.subscriptions.create(replace(bare, sealed=seal), MOST)
            return
        with suppress(VersionConflict):
            await target.store.subscriptions.update(replace(bare, sealed=seal, version=there.value[0].version))

    async def drop(self, target: Side, gone: Sequence[Row]) -> None:
        for one in gone:
            bare: Subscription = one.value[0]
            await target.store.subscriptions.delete(bare.tenant_id, bare.subscription_id)
            await target.store.deliveries.forget_subscription(bare.tenant_id, bare.subscription_id)
