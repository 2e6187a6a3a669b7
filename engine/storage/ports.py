"""What the engine asks of a store: nine small ports, no adapter's word in them.

    Connections   a tenant's configured accounts (no secrets)
    Secrets       their credentials and tokens, encrypted at rest, by name
    Executions    the log of calls
    Events        what messages from providers became
    Subscriptions where tenants want them
    Deliveries    what of them is on its way where
    State         small versioned records with an expiry: limits, breaker, idempotency, leases
    Vault         seals bytes for a tenant (stored answers, cursors)
    Census        what there is of all tenants, for who moves it to another store

Every method may raise `StorageUnavailable` (nothing written) or `StorageCorrupt`. All are coroutines because
some adapters wait; one that does not need to wait returns without suspending.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any, Protocol

from engine.frozen import frozen
from engine.model import Connection, Delivery, Event, Execution, Subscription


@frozen
class Secret:
    """A named secret of a connection: `value` maps field names to JSON values; `version` grows by one per change."""

    value: Mapping[str, Any]
    version: int

    def __repr__(self) -> str:
        return f"Secret({sorted(self.value)}, version={self.version})"


@frozen
class Record:
    """A state record: opaque bytes, its version, and when it falls away (epoch seconds)."""

    value: bytes
    version: int
    expires_at: float


@frozen
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


@frozen
class EventQuery:
    """Filters of the events of a tenant."""

    tenant_id: str
    connection_id: str | None = None
    type: str | None = None
    limit: int = 50
    after: tuple[float, str] | None = None
    """Position of the last event of the page before: (`received_at`, `event_id`)."""


@frozen
class Arrival:
    """An event that nobody has looked at yet to see who wants it."""

    tenant_id: str
    event_id: str
    connection_id: str
    type: str
    received_at: float


@frozen
class Lane:
    """The deliveries of one subscription, in the hands of one process at a time. Times are epoch seconds.

    `strikes`: how many rounds in a row brought nothing through, since `failing_since`. `claim` says whose it is.
    """

    tenant_id: str
    subscription_id: str
    strikes: int = 0
    failing_since: float | None = None
    paused_until: float = 0.0
    claim: int = 0


@frozen
class DeliveryQuery:
    """Filters of the deliveries of a tenant."""

    tenant_id: str
    subscription_id: str | None = None
    status: str | None = None
    event_id: str | None = None
    limit: int = 50
    after: tuple[float, str] | None = None
    """Position of the last delivery of the page before: (`created_at`, `delivery_id`)."""


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

    async def routed(self, route: str, limit: int) -> list[Connection]:
        """Those with this `route`, whosever they are: for messages to an app, which name no connection.

        At most `limit`; one that changed a moment ago may be missing, and none is there that changed.
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

    async def find(self, tenant_id: str, connection_id: str) -> Mapping[str, Secret]:
        """All names of the connection."""
        ...

    async def delete(self, tenant_id: str, connection_id: str) -> None:
        """All names of the connection."""
        ...


class Executions(Protocol):
    async def append(self, execution: Execution) -> None:
        """Returns when the row would survive kill -9 of this process. A row that is appended twice is there once.

        Its id is a ULID that was drawn at most a minute before `created_at`.
        """
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

        Of two events of a tenant with one id the first is kept. With each new one its arrival is stored.
        """
        ...

    async def get(self, tenant_id: str, event_id: str) -> Event | None: ...

    async def find(self, query: EventQuery) -> list[Event]:
        """Newest first, at most `limit` events after `after`; the order is total: (`received_at`, `event_id`)."""
        ...

    async def expire(self, before: float, batch: int = 1000) -> int:
        """Remove at most `batch` events received before that time (all tenants); returns how many."""
        ...


class Subscriptions(Protocol):
    """Changes are durable."""

    async def create(self, subscription: Subscription, most: int) -> bool:
        """False, and nothing is stored, when the tenant has `most` already."""
        ...

    async def get(self, tenant_id: str, subscription_id: str) -> Subscription | None: ...

    async def find(self, tenant_id: str) -> list[Subscription]:
        """Newest first."""
        ...

    async def update(self, subscription: Subscription) -> Subscription:
        """Store it if the stored `version` still equals `subscription.version`; returns it with the next version.

        Raises `VersionConflict` when it changed or is gone.
        """
        ...

    async def delete(self, tenant_id: str, subscription_id: str) -> bool: ...


class Deliveries(Protocol):
    """Each change survives kill -9. After a power loss some may be undone, the last first: then an event is spread or
    sent once more, and none is lost.
    """

    async def arrivals(self, limit: int) -> list[Arrival]:
        """Those of all tenants, the oldest first."""
        ...

    async def spread(self, plans: Sequence[tuple[Arrival, Sequence[Delivery]]]) -> None:
        """Store the deliveries of each arrival and remove it, both or neither; one that is gone is passed over."""
        ...

    async def take(self, now: float, until: float, limit: int) -> list[Lane]:
        """Lanes that have something due, are not paused and are nobody's: they are the caller's until then.

        Of more than `limit` those that wait longest.
        """
        ...

    async def release(self, lane: Lane) -> None:
        """Give it back, with its `strikes`, `failing_since` and `paused_until`; without effect if it was lost."""
        ...

    async def resume(self, tenant_id: str, subscription_id: str) -> None:
        """Forget the lane's strikes and its pause."""
        ...

    async def lanes(self, tenant_id: str) -> list[Lane]:
        """All lanes of a tenant, to look at: they are not taken."""
        ...

    async def due(self, lane: Lane, now: float, limit: int) -> list[Delivery]:
        """Pending deliveries of the lane, the longest due first."""
        ...

    async def record(self, delivery: Delivery) -> bool:
        """Store it if the stored `version` still equals its own; False when it was changed or is gone."""
        ...

    async def requeue(self, tenant_id: str, delivery_id: str, now: float) -> Delivery | None:
        """Make it pending and due as if it were new, and end the pause of its lane. Durable. None: there is none."""
        ...

    async def bury(self, tenant_id: str, subscription_id: str, error: str, queued_before: float = float("inf")) -> int:
        """Make pending deliveries of a lane dead; returns how many."""
        ...

    async def get(self, tenant_id: str, delivery_id: str) -> Delivery | None: ...

    async def find(self, query: DeliveryQuery) -> list[Delivery]:
        """Newest first, at most `limit` after `after`; the order is total: (`created_at`, `delivery_id`)."""
        ...

    async def forget_connection(self, tenant_id: str, connection_id: str) -> None:
        """Remove what is pending of its events, arrivals too. What was delivered or is dead stays."""
        ...

    async def forget_subscription(self, tenant_id: str, subscription_id: str) -> None:
        """Remove its lane and all deliveries in it."""
        ...

    async def expire(self, before: float, batch: int = 1000) -> int:
        """Remove at most `batch` deliveries of events that came before that time (all tenants), and arrivals too."""
        ...


class State(Protocol):
    """Compare-and-set records. Keys are text of at most 512 characters; expired records are as if absent.

    Versions are positive and say nothing but "the same as before": no record of a key ever gets a version that an
    earlier record of that key had, so a stale `expected` never fits, also after an expiry or a delete.
    """

    async def get(self, key: str) -> Record | None: ...

    def lacks(self, *keys: str) -> bool:
        """Would `get` surely find nothing under any of these, as far as this process can tell without a wait? Every
        call asks so; what it needs to know where this is False, `get` tells it."""
        ...

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


class Census(Protocol):
    """What there is of all tenants: for an operator who moves it, never for a call. On AWS it needs `dynamodb:Scan`."""

    async def tenants(self) -> list[str]:
        """Who has a connection, a subscription, an event or a row in the log; sorted."""
        ...

    def records(self, prefix: str) -> AsyncIterator[tuple[str, Record]]:
        """All live records whose keys begin so, by key. `prefix` holds the first colon of the key."""
        ...

    def arrivals(self) -> AsyncIterator[Arrival]:
        """All of them, in no order."""
        ...


@frozen
class Store:
    """The ports of one deployment, opened together and closed together."""

    connections: Connections
    secrets: Secrets
    executions: Executions
    events: Events
    subscriptions: Subscriptions
    deliveries: Deliveries
    state: State
    vault: Vault
    census: Census
    lifetime: Lifetime


class Lifetime(Protocol):
    async def check(self) -> None:
        """Can the store be read and written now? Raises `StorageUnavailable` (for `/readyz`)."""
        ...

    async def close(self) -> None: ...
