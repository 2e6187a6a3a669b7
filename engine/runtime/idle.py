"""Grants that nobody uses are renewed before their provider forgets them: the entries `GRANT` of the agenda."""

from __future__ import annotations

from typing import Protocol

from engine.catalog import Catalog
from engine.runtime.account import Accounts
from engine.runtime.agenda import Handler
from engine.runtime.token import Tokens
from engine.storage.ports import Store


class Runner(Protocol):
    """The part of the engine that it needs."""

    @property
    def catalog(self) -> Catalog: ...

    @property
    def store(self) -> Store: ...

    @property
    def accounts(self) -> Accounts: ...

    @property
    def tokens(self) -> Tokens: ...


def grant_keeper(runner: Runner) -> Handler:
    async def keep(tenant_id: str, connection_id: str) -> float | None:
        connection = await runner.store.connections.get(tenant_id, connection_id)
        if connection is None:
            return None
        return await runner.tokens.refresh_idle(await runner.accounts.open(connection))

    return keep
