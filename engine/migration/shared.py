"""What stands under no tenant of its own: answers under idempotency keys, messages known again, service tokens, the
operator's apps, events to be filled in, and what is due.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace

from engine.errors import RequestError
from engine.events import unfetched
from engine.migration.rows import Log, Pair, Row, Side, row
from engine.runtime import agenda, idempotency
from engine.runtime.agenda import Agenda
from engine.runtime.apps import AppBook


class Answers(Log):
    """Records under idempotency keys, for the rest of their 24 hours: without them a retry would be a second order."""

    name, descending = "answers", False

    async def rows(self, side: Side, tenant: str) -> AsyncIterator[Row]:
        async for key, record in side.store.census.records(idempotency.PREFIX):
            opened = idempotency.opened(side.store.vault, key, record.value)
            yield row((key,), key, (opened, record.expires_at), said=opened)

    async def mend(self, target: Side, pairs: Sequence[Pair]) -> list[str]:
        for tenant in {idempotency.tenant_of(one.name) for one, _ in pairs}:
            await target.store.vault.prepare(tenant)
        await asyncio.gather(
            *(_keep(target, one, idempotency.sealed(target.store.vault, one.name, one.value[0])) for one, _ in pairs)
        )
        return []


class Known(Log):
    """Which messages of providers are known, by what they say of themselves: a repeated one is no second event."""

    name, descending = "messages known", False

    async def rows(self, side: Side, tenant: str) -> AsyncIterator[Row]:
        async for key, record in side.store.census.records("webhook:"):
            yield row((key,), key, (record.value, record.expires_at), said=record.value)

    async def mend(self, target: Side, pairs: Sequence[Pair]) -> list[str]:
        await asyncio.gather(*(_keep(target, one, one.value[0]) for one, _ in pairs))
        return []


async def _keep(target: Side, one: Row, value: bytes) -> None:
    ttl = one.value[1] - target.now()
    if ttl > 0:
        await target.store.state.put(one.name, value, expected=None, ttl_seconds=ttl, durable=True)


class Tokens:
    """Service tokens and access keys that were made by `tokens create`.

    The value of a row is the token without its seals, and the secrets of a key by their ids.
    """

    name, is_log, descending = "tokens", False, False

    async def rows(self, side: Side, tenant: str) -> AsyncIterator[Row]:
        for one in sorted(await side.tokens.tokens(), key=lambda token: token.name):
            keys = {key.key_id: side.tokens.secret_of(key) for key in one.secrets} if one.kind == "key" else {}
            bare = replace(one, secrets=tuple(replace(secret, sealed=b"") for secret in one.secrets))
            yield row((one.name,), one.name, (bare, keys))

    async def mend(self, target: Side, pairs: Sequence[Pair]) -> list[str]:
        for one, _ in pairs:
            await target.tokens.adopt(*one.value)
        return []

    async def drop(self, target: Side, gone: Sequence[Row]) -> None:
        for one in gone:
            await target.tokens.revoke(one.name)


class Apps:
    """The operator's apps. The value of a row is (integration, what was given)."""

    name, is_log, descending = "apps", False, False

    async def rows(self, side: Side, tenant: str) -> AsyncIterator[Row]:
        for name, app in sorted((await AppBook(side.store).apps()).items()):
            yield row((name,), name, (name, app))

    async def mend(self, target: Side, pairs: Sequence[Pair]) -> list[str]:
        refused = []
        for one, _ in pairs:
            try:
                await AppBook(target.store).put(*one.value)
            except RequestError as error:
                refused.append(f"the app of {one.name}: {error}")
        return refused

    async def drop(self, target: Side, gone: Sequence[Row]) -> None:
        for one in gone:
            await AppBook(target.store).remove(one.name)


class Waiting:
    """Events that wait to be filled in. The value of a row is what is kept of it, and until when."""

    name, is_log, descending = "events to fill in", False, False

    async def rows(self, side: Side, tenant: str) -> AsyncIterator[Row]:
        async for key, record in side.store.census.records(f"{unfetched.KIND}:"):
            plain = side.store.vault.open(unfetched.tenant_of(key), key, record.value)
            yield row((key,), key, (plain, record.expires_at), said=plain)

    async def mend(self, target: Side, pairs: Sequence[Pair]) -> list[str]:
        for one, _ in pairs:
            tenant = unfetched.tenant_of(one.name)
            await target.store.vault.prepare(tenant)
            await _keep(target, one, target.store.vault.seal(tenant, one.name, one.value[0]))
        return []

    async def drop(self, target: Side, gone: Sequence[Row]) -> None:
        for one in gone:
            await target.store.state.delete(one.name)


class Due:
    """What is due for connections, which may be a little later in the target: whoever takes it looks what is true."""

    name, is_log, descending = "due", False, False

    async def rows(self, side: Side, tenant: str) -> AsyncIterator[Row]:
        async for key, record in side.store.census.records(agenda.PREFIX):
            name = key.removeprefix(agenda.PREFIX)
            yield row((name,), name, agenda.due_of(record), said=name)

    async def mend(self, target: Side, pairs: Sequence[Pair]) -> list[str]:
        for one, _ in pairs:
            await self._agenda(target).put(*agenda.names_of(one.name), one.value)
        return []

    async def drop(self, target: Side, gone: Sequence[Row]) -> None:
        for one in gone:
            await self._agenda(target).forget(*agenda.names_of(one.name))

    def _agenda(self, target: Side) -> Agenda:
        return Agenda(target.store.state, target.now)
