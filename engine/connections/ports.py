"""What managing connections, and the API above it, need of the engine."""

from __future__ import annotations

from typing import Protocol

from engine.catalog import Catalog
from engine.model import Answer, Command, Connection
from engine.storage.ports import Store


class Clock(Protocol):
    def now(self) -> float:
        """Epoch seconds."""
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


class Engine(Protocol):
    """The one that runs actions: compiled specs, a store, a clock, and two verbs."""

    @property
    def catalog(self) -> Catalog: ...

    @property
    def store(self) -> Store: ...

    @property
    def clock(self) -> Clock: ...

    async def execute(self, command: Command) -> Answer:
        """Raises `RequestError` for what never becomes a call."""
        ...

    async def test(self, connection: Connection) -> Proof:
        """Prove the credentials and set the connection's status by the outcome."""
        ...
