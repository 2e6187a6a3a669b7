"""The values that cross borders inside the engine: frozen, typed, safe to print.

Stored things: `Connection`, `Execution`, `Event`, `Subscription`, `Delivery`. A call from outside: `Command` in,
`Answer` out. On the wire: `Request`, `Response`. The compiled spec (`Catalog`, `Integration`, `Action` …) is in
`catalog`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from typing import Any, Literal, TypeVar, dataclass_transform

from engine.errors import Code
from engine.frozen import frozen, slotted

ConnectionStatus = Literal["active", "inactive", "error"]
ExecutionStatus = Literal["success", "error", "timeout"]
SubscriptionStatus = Literal["active", "disabled"]
DeliveryStatus = Literal["pending", "delivered", "dead"]
Pairs = tuple[tuple[str, str], ...]
T = TypeVar("T")


@dataclass_transform(frozen_default=True, field_specifiers=(field,))
def of_a_call(cls: type[T]) -> type[T]:
    """Frozen for the type checker, which is who guards it: one that is frozen while it runs takes four times as long
    to make, and every call makes some.
    """
    return slotted(cls)


@frozen
class Connection:
    """A tenant's configured account at one integration. Times are epoch seconds. Holds no secret."""

    tenant_id: str
    connection_id: str
    integration_id: str
    name: str
    config: Mapping[str, Any] = field(repr=False)
    status: ConnectionStatus
    created_at: float
    updated_at: float
    last_tested_at: float | None = None
    last_error_at: float | None = None
    last_error: str | None = None
    version: int = 1
    route: str | None = None
    """By what messages to the app of its integration find it (`engine.runtime.routes`); None: none of them does."""

    @property
    def credentials_ref(self) -> str:
        return f"/integrations/{self.tenant_id}/{self.connection_id}"


@of_a_call
class Execution:
    """One row of the log; `input` and `output` are redacted JSON text, times epoch seconds."""

    execution_id: str
    tenant_id: str
    connection_id: str | None
    integration_id: str | None
    action_id: str
    input: bytes = field(repr=False)
    output: bytes | None = field(repr=False)
    status: ExecutionStatus
    error_code: str | None
    error_message: str | None
    latency_ms: int
    caller_service: str | None
    caller_ref: str | None
    created_at: float
    provider_code: str | None = None
    http_status: int | None = None
    """Of the last request's answer."""
    attempts: int = 0
    """Requests that were tried, those of a login too; 0 = nothing was sent."""
    error_details: bytes | None = field(default=None, repr=False)
    """Redacted JSON text."""


@frozen
class Event:
    """What a message from a provider became. `data` is sealed JSON; `received_at` epoch seconds."""

    event_id: str
    tenant_id: str
    connection_id: str
    integration_id: str
    type: str
    data: bytes = field(repr=False)
    received_at: float


@frozen
class Subscription:
    """Where a tenant wants its events. `sealed` holds the URL and the secrets; `reason`: why it is disabled."""

    subscription_id: str
    tenant_id: str
    event_types: tuple[str, ...]
    sealed: bytes = field(repr=False)
    status: SubscriptionStatus
    created_at: float
    updated_at: float
    reason: str | None = None
    version: int = 1


@frozen
class Delivery:
    """One event on its way to one subscription. Times are epoch seconds; `error` holds nothing that was sent.

    `created_at`: when the event came; `queued_at`: since when it is tried (anew); `due_at`: when it is tried next,
    where it is pending; `attempts`, `http_status` and `error` are of the tries since `queued_at`.
    """

    delivery_id: str
    tenant_id: str
    subscription_id: str
    event_id: str
    connection_id: str
    event_type: str
    created_at: float
    queued_at: float
    due_at: float
    status: DeliveryStatus = "pending"
    attempts: int = 0
    last_attempt_at: float | None = None
    http_status: int | None = None
    error: str | None = None
    version: int = 1


@of_a_call
class Command:
    """What a caller asks for: one action on one connection (or on the tenant's only one of an integration)."""

    tenant_id: str
    action_id: str
    input: Mapping[str, Any] = field(repr=False)
    connection_id: str | None = None
    integration_id: str | None = None
    caller_service: str | None = None
    caller_ref: str | None = None
    idempotency_key: str | None = field(default=None, repr=False)


@frozen
class Problem:
    """`error` of an answer."""

    code: Code
    message: str
    retryable: bool
    retry_after_ms: int | None = None
    provider_code: str | None = None
    details: Mapping[str, Any] = field(default_factory=dict)


@of_a_call
class Answer:
    """What the caller of an action gets: `data` on success, `error` otherwise."""

    success: bool
    execution_id: str
    latency_ms: int
    data: Any = field(default=None, repr=False)
    error: Problem | None = None
    replayed: bool = False


@of_a_call
class Request:
    """A request as it goes onto the wire. `url` is absolute and encoded; header names keep the spec's spelling."""

    method: str
    url: str
    headers: Pairs = field(repr=False)
    body: bytes = field(repr=False)

    def __repr__(self) -> str:
        return f"Request({self.method} {self.url.partition('?')[0]}, {len(self.body)} bytes)"


@of_a_call
class Response:
    """An answer from the wire; header names are lower-case, repeated ones joined with ', '."""

    status: int
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)
