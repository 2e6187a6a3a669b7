"""What the engine asks of a store: six small ports, no adapter's word in them.

    Connections   a tenant's configured accounts (no secrets)
    Secrets       their credentials and tokens, encrypted at rest, by name
    Executions    the log of calls
    Events        what messages from providers became
    State         small versioned records with an expiry: limits, breaker, idempotency, leases
    Vault         seals bytes for a tenant (stored answers, cursors)

Every method may raise `StorageUnavailable` (nothing written) or `StorageCorrupt`. All are coroutines because
some adapters wait; one that does not need to wait returns without suspending.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from engine.model import Connection, Event, Execution


@dataclass(frozen=True, slots=True)
class Secret:
    """A named secret of a connection: `value` maps field names to JSON values; `version` grows by one per change."""

    value: Mapping[str, Any]
    version: int

    def __repr__(self) -> str:
        return f"Secret({sorted(self.value)}, version={self.version})"


@dataclass(frozen=True, slots=True)
class Record:
    """A state record: opaque bytes, its version, and when it falls away (epoch seconds)."""

    value: bytes
    version: int
    expires_at: float


@dataclass(frozen=True, slots=True)
class ExecutionQuery:
    """Filters of the log; times are epoch seconds, `start` inclusive and `end` exclusive."""

    tenant_id: str
    connection_id: str | None = None
    integration_id: str | None = None
    status: str | None = None
    start: float | None = None
    end: float | None = None
    limit: int = 50
    after: tuple[float, str] | None = None
    """Position of the last row of the page before: (`created_at`, `execution_id`)."""


@dataclass(frozen=True, slots=True)
class EventQuery:
    """Filters of the events of a tenant."""

    tenant_id: str
    connection_id: str | None = None
    type: str | None = None
    limit: int = 50
    after: tuple[float, str] | None = None
    """Position of the last event of the page before: (`received_at`, `event_id`)."""


class Connections(Protocol):
    async def create(self, connection: Connection) -> None:
        """Raises `VersionConflict` when the tenant has a connection with this id."""
        ...

    async def get(self, tenant_id: str, connection_id: str) -> Connection | None: ...

    async def locate(self, connection_id: str) -> Connection | None:
        """The connection with this id, whosever it is: only for those who know no tenant, as providers do.

        None when several tenants have one.
        """
        ...

    async def find(
        self, tenant_id: str, integration_id: str | None = None, status: str | None = None
    ) -> list[Connection]:
        """Newest first."""
        ...

    async def update(self, connection: Connection) -> Connection:
        """Store it if the stored `version` still equals `connection.version`; returns it with the next version.

        `integration_id` and `created_at` never change.
        Raises `VersionConflict` when it changed or is gone.
        """
        ...

    async def delete(self, tenant_id: str, connection_id: str) -> bool: ...


class Secrets(Protocol):
    async def get(self, tenant_id: str, connection_id: str, name: str) -> Secret | None: ...

    async def put(
        self, tenant_id: str, connection_id: str, name: str, value: Mapping[str, Any], expected: int | None = None
    ) -> int:
        """Store durably (survives power loss) and return the new version.

        `expected`: the version that must be stored now (0 = none yet), else `VersionConflict`; None = do not care.
        """
        ...

    async def delete(self, tenant_id: str, connection_id: str) -> None:
        """All names of the connection."""
        ...


class Executions(Protocol):
    async def append(self, execution: Execution) -> None:
        """Returns when the row would survive kill -9 of this process. Of two rows with one id the first is kept."""
        ...

    async def get(self, tenant_id: str, execution_id: str) -> Execution | None: ...

    async def find(self, query: ExecutionQuery) -> list[Execution]:
        """Newest first, at most `limit` rows after `after`; the order is total: (`created_at`, `execution_id`)."""
        ...

    async def expire(self, before: float, batch: int = 1000) -> int:
        """Remove at most `batch` rows created before that time (all tenants); returns how many."""
        ...


class Events(Protocol):
    async def append(self, events: Sequence[Event]) -> frozenset[str]:
        """Store all or none, durably (survives power loss); returns the ids that are new.

        Of two events of a tenant with one id the first is kept.
        """
        ...

    async def get(self, tenant_id: str, event_id: str) -> Event | None: ...

    async def find(self, query: EventQuery) -> list[Event]:
        """Newest first, at most `limit` events after `after`; the order is total: (`received_at`, `event_id`)."""
        ...

    async def expire(self, before: float, batch: int = 1000) -> int:
        """Remove at most `batch` events received before that time (all tenants); returns how many."""
        ...


class State(Protocol):
    """Compare-and-set records. Keys are text of at most 512 characters; expired records are as if absent.

    Versions are positive and say nothing but "the same as before": no record of a key ever gets a version that an
    earlier record of that key had, so a stale `expected` never fits, also after an expiry or a delete.
    """

    async def get(self, key: str) -> Record | None: ...

    async def put(
        self, key: str, value: bytes, *, expected: int | None, ttl_seconds: float, durable: bool = False
    ) -> int | None:
        """Write if the stored version equals `expected` (0 = no live record; None = do not care).

        Returns the new version, or None when somebody else was first. `durable` = survives power loss.
        """
        ...

    async def delete(self, key: str, expected: int | None = None) -> bool: ...

    async def find(self, prefix: str, limit: int = 1000) -> list[tuple[str, Record]]:
        """At most `limit` live records whose keys begin so, by key. For operators, of kinds that are few."""
        ...

    async def expire(self, batch: int = 1000) -> int: ...


class Vault(Protocol):
    """Authenticated encryption under a tenant's key. `context` is bound to the bytes: another one can't open them.

    `seal` and `open` only compute once the tenant's key is at hand. The first `seal` for a tenant stores a new key and
    may wait for the disk: `await prepare(tenant_id)` before, and it does not.
    """

    async def prepare(self, tenant_id: str) -> None: ...

    def seal(self, tenant_id: str, context: str, data: bytes) -> bytes: ...

    def open(self, tenant_id: str, context: str, sealed: bytes) -> bytes:
        """Raises `StorageCorrupt` when the bytes, the key or the context differ."""
        ...


@dataclass(frozen=True, slots=True)
class Store:
    """The ports of one deployment, opened together and closed together."""

    connections: Connections
    secrets: Secrets
    executions: Executions
    events: Events
    state: State
    vault: Vault
    lifetime: Lifetime


class Lifetime(Protocol):
    async def check(self) -> None:
        """Can the store be read and written now? Raises `StorageUnavailable` (for `/readyz`)."""
        ...

    async def close(self) -> None: ...
