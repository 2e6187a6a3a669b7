"""What managing connections, and the API above it, need of the engine."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from engine.catalog import Catalog, Method
from engine.model import Answer, Command, Connection
from engine.runtime.account import Account, Accounts
from engine.runtime.errand import Runner
from engine.storage.ports import Store


class Clock(Protocol):
    def now(self) -> float:
        """Epoch seconds."""
        ...

    def hex(self) -> str:
        """32 random lower-case hex characters, unguessable."""
        ...

    def secret(self) -> str:
        """43 characters of A-Z a-z 0-9 - _ that hold 32 random bytes."""
        ...

    def ulid(self) -> str:
        """A new id of this moment."""
        ...


class Proof(Protocol):
    """What a test of a connection found."""

    @property
    def success(self) -> bool: ...

    @property
    def message(self) -> str:
        """What was proved or what to repair; holds no secret."""
        ...

    @property
    def tested_at(self) -> float:
        """Epoch seconds."""
        ...


class Tokens(Protocol):
    """What a provider granted to accounts."""

    async def has_grant(self, account: Account, method: Method) -> bool:
        """Is there one of this method, for this config and these credentials, that was not refused?"""
        ...

    async def exchange(self, account: Account, callback: Mapping[str, Any], method: Method) -> None:
        """Swap the code of a consent for a token, and store it. Raises `CallError`, `VersionConflict`."""
        ...

    async def refresh_idle(self, account: Account) -> float | None:
        """Renew what would be forgotten if nobody used it; when it is due next (epoch seconds)."""
        ...

    async def revoke(self, account: Account) -> None:
        """Give it back to the provider, where the spec says how. Best effort, for seconds."""
        ...


class Engine(Runner, Protocol):
    """The one that runs actions: compiled specs, a store, a clock, and two verbs."""

    @property
    def catalog(self) -> Catalog: ...

    @property
    def store(self) -> Store: ...

    @property
    def accounts(self) -> Accounts: ...

    @property
    def tokens(self) -> Tokens: ...

    async def execute(self, command: Command) -> Answer:
        """Raises `RequestError` for what never becomes a call."""
        ...

    async def test(self, connection: Connection) -> Proof:
        """Prove the credentials and set the connection's status by the outcome."""
        ...
