"""What goes on beside the calls, from settings to something that runs: deliveries of events, and what falls due for
connections. A process that only calls loads none of it."""

from __future__ import annotations

from collections.abc import Callable

from engine.events.deliver import Deliverer, Pace
from engine.events.ended import teller
from engine.events.fetch import Fetcher
from engine.events.unfetched import KIND as FETCH
from engine.runtime.agenda import Agenda, Handler, Rounds
from engine.runtime.clock import Clock, SystemClock
from engine.runtime.execute import Engine
from engine.runtime.grant import GRANT
from engine.runtime.idle import grant_keeper
from engine.runtime.transport import HttpTransport
from engine.runtime.watches import KIND as WATCH
from engine.runtime.watches import Watches
from engine.settings import Settings
from engine.storage.ports import Store
from engine.telemetry.events import Observer


def open_deliverer(engine: Engine, settings: Settings, observer: Observer | None = None) -> Deliverer:
    """Delivers the events of this engine's store, over connections and threads that no call of a provider shares."""
    return _deliverer(engine.store, engine.clock, settings, observer)


def open_worker(store: Store, settings: Settings, observer: Observer | None = None) -> Deliverer:
    """The same for a process that has no engine: it needs no specs."""
    return _deliverer(store, SystemClock(), settings, observer)


def open_rounds(engine: Engine, wake: Callable[[], None] | None = None) -> Rounds:
    """Does what is due for the connections of this engine's store. `wake` tells who delivers of new events."""
    handlers: dict[str, Handler] = {
        GRANT: grant_keeper(engine),
        WATCH: Watches(engine, teller(engine.store, engine.clock, wake)).renew,
        FETCH: Fetcher(engine, wake).fetch,
    }
    return Rounds(Agenda(engine.store.state, engine.clock.now), handlers)


async def is_anything_due(store: Store) -> bool:
    """Worth an engine, for a process that has none?"""
    return await Agenda(store.state, SystemClock.now).is_due()


def _deliverer(store: Store, clock: Clock, settings: Settings, observer: Observer | None) -> Deliverer:
    pace = Pace()
    is_private_ok = settings.allow_private or settings.sandbox
    transport = HttpTransport(allow_private=is_private_ok, lookup_threads=2 * pace.lanes)
    return Deliverer(store, transport, clock, observer, pace)
