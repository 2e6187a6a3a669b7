"""The event of ours: a subscription at a provider ended, and could not be had again, so no more events come of it."""

from __future__ import annotations

from collections.abc import Callable

from engine.errors import CallError
from engine.events.intake import Intake, Now
from engine.events.interpret import Happening
from engine.events.shape import moment
from engine.events.wanted import ENDED
from engine.library import exact
from engine.model import Connection
from engine.runtime.watches import Ended
from engine.storage.ports import Store


def teller(store: Store, clock: Now, wake: Callable[[], None] | None = None) -> Ended:
    """Tells it once, to those who wait for the connection's events. `wake` is called when there is a new one."""
    intake = Intake(store, clock)

    async def tell(connection: Connection, error: CallError, end: float) -> None:
        code = error.details.get("cause", error.code)
        data = exact.dumps({"endedAt": moment(end), "code": code, "message": error.message})
        new = await intake.keep(connection, [Happening(ENDED, data, f"{ENDED}:{end}", None)], clock.now())
        if new and wake is not None:
            wake()

    return tell
