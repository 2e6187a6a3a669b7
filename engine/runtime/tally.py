"""What the attempts of a call came to: for its row in the log, and for whoever observes the engine."""

from __future__ import annotations

from typing import TYPE_CHECKING

from engine.errors import CallError
from engine.frozen import slotted
from engine.model import Request, Response
from engine.telemetry import caller
from engine.telemetry.events import AttemptEvent, CallEvent, Observer, made

if TYPE_CHECKING:
    from engine.catalog import Catalog
    from engine.runtime.call import Call
    from engine.runtime.prove import Trail


@slotted
class Tally:
    """Shared by a call and its logins and looks: how many attempts, and the present or last one.

    `http_status`: of its answer. `at`: epoch seconds; `began` and `ended`: monotonic.
    """

    attempts: int = 0
    step_id: str = ""
    host: str = ""
    http_status: int | None = None
    received: int = 0
    at: float = 0.0
    began: float = 0.0
    ended: float | None = None
    events: tuple[AttemptEvent, ...] = ()
    """Kept only where somebody observes."""

    def prepare(self) -> None:
        """An attempt that ends before it is sent has no answer."""
        self.http_status, self.received = None, 0

    def begin(self, step_id: str, host: str, at: float, monotonic: float) -> None:
        self.attempts += 1
        self.step_id, self.host = step_id, host
        self.at, self.began = at, monotonic

    def heard(self, answer: Response) -> None:
        self.http_status, self.received = answer.status, len(answer.body)


def attempt_ended(
    observer: Observer | None, call: Call, request: Request, error: CallError | None, monotonic: float
) -> None:
    """`error` None = it counts as a success; `monotonic`: now."""
    tally = call.tally
    if observer is not None:
        since, began = call.started if tally.ended is None else tally.ended, tally.began
        connection, masker = call.account.connection, call.account.masker
        provider_code = error.provider_code if error is not None else None
        event = made(
            AttemptEvent,
            (
                call.execution_id,
                connection.tenant_id,
                connection.integration_id,
                call.action.action_id,
                connection.connection_id,
                tally.step_id,
                tally.attempts,
                call.signs_in,
                tally.at,
                (began - since) * 1000,
                (monotonic - began) * 1000,
                request.method,
                masker.text(tally.host),
                tally.http_status,
                error.code if error is not None else None,
                masker.text(provider_code) if provider_code else None,
                len(request.body),
                tally.received,
            ),
        )
        tally.events = (*tally.events, event)
        observer.attempt(event)
    tally.ended = monotonic


def call_ended(
    observer: Observer, catalog: Catalog, trail: Trail, action_id: str, *, at: float, latency_ms: int
) -> None:
    """`trail` is masked by now; `action_id` is what the caller asked for, and shown only where it exists."""
    connection, error = trail.connection, trail.error
    tally = trail.call.tally if trail.call is not None else _NONE
    is_known = trail.action is not None or _is_known(catalog, connection.integration_id, action_id)
    observer.call(
        made(
            CallEvent,
            (
                trail.execution_id,
                connection.tenant_id,
                connection.integration_id,
                action_id if is_known else None,
                connection.connection_id,
                at,
                latency_ms,
                "success" if error is None else "timeout" if error.code == "TIMEOUT" else "error",
                error.code if error is not None else None,
                error.provider_code if error is not None else None,
                tally.http_status,
                tally.events,
                trail.is_test,
                caller.trace_id(),
            ),
        )
    )


def _is_known(catalog: Catalog, integration_id: str, action_id: str) -> bool:
    integration = catalog.integrations.get(integration_id)
    return integration is not None and action_id in integration.actions


_NONE = Tally()
"""Of a call that never began."""
