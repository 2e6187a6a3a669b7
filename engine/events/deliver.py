"""The story of a delivery, from the event that arrived to the subscriber's 2xx.

1 spread     each arrival becomes a delivery for each subscription that wants it
2 take       lanes (the deliveries of one subscription) whose turn it is; no other process has them meanwhile
3 round      a few deliveries of a lane at the same time; only one where the rounds before brought nothing through
4 attempt    the event opened, its body signed and sent
5 record     delivered, to be tried again, or dead
6 release    the lane goes back, paused where nothing gets through

A subscriber that hangs has its own lane and a small part of the requests that may be on their way, and a lane that
brings nothing through is paused: nobody waits for it. A process that dies keeps its lanes until the lease is over; what
it had sent without a record is sent again, under the same `webhook-id`.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace

from engine.errors import StorageCorrupt, StorageError, TransportError, VersionConflict
from engine.events import backoff, shape, sign
from engine.events.backoff import Outcome
from engine.events.book import EventBook
from engine.events.spread import spread
from engine.events.target import Target, opened
from engine.frozen import frozen
from engine.model import Delivery, Event, Request, Response, Subscription
from engine.runtime import waits
from engine.runtime.clock import Clock
from engine.runtime.transport import Transport
from engine.runtime.url import split
from engine.storage.ports import Lane, Store
from engine.telemetry.events import DeliveryEvent, Observer

logger = logging.getLogger("integrations")

LARGEST_ANSWER = 256 * 1024
"""Bytes; a subscriber has nothing to tell us but its status."""
DISABLED = "the subscription is disabled"
SAID_GONE = "the subscriber answered 410 Gone"
_AGENT = ("User-Agent", "integrations-events/1")
_JSON = ("Content-Type", "application/json")


@frozen
class Pace:
    """How much at a time, and how long, in seconds. A lane's turn and one attempt are over before its lease is."""

    lanes: int = 40
    width: int = 10
    timeout: float = 10.0
    turn: float = 8.0
    lease: float = 20.0
    idle: float = 1.0
    grace: float = 5.0


@frozen
class _Tried:
    """An attempt that was made, and for whom."""

    delivery: Delivery
    event: Event
    outcome: Outcome
    began: float


class Deliverer:
    """Runs beside the API; several processes over one store share the work."""

    def __init__(
        self,
        store: Store,
        transport: Transport,
        clock: Clock,
        observer: Observer | None = None,
        pace: Pace | None = None,
    ) -> None:
        self._store = store
        self._transport = transport
        self._clock = clock
        self._observer = observer
        self._pace = pace or Pace()
        self._book = EventBook(store)
        self._turns: set[asyncio.Task[None]] = set()
        self._woken = asyncio.Event()
        self._is_ending = False

    def wake(self) -> None:
        """There is something new: look now, not in a moment."""
        self._woken.set()

    def end(self) -> None:
        """Take nothing new: `run` returns a few seconds later at most."""
        self._is_ending = True
        self.wake()

    async def run(self) -> None:
        """Delivers until `end`. A store that is locked or full is asked again a moment later."""
        try:
            while not self._is_ending:
                self._woken.clear()
                try:
                    has_more = await self._look()
                except StorageError:
                    has_more = False
                if not has_more:
                    await self._rest()
        finally:
            await self._finish()

    async def drain(self, seconds: float) -> bool:
        """Delivers what is due now, and has nothing on its way when it returns; may be called again.

        Nothing is taken any more after so many seconds. True: nothing was left. Raises `StorageError`.
        """
        end = self._clock.monotonic() + seconds
        try:
            while True:
                has_more = await self._look()
                if not (has_more or self._turns):
                    return True
                if self._turns:
                    await asyncio.wait(self._turns, timeout=self._pace.idle, return_when=asyncio.FIRST_COMPLETED)
                if self._clock.monotonic() >= end:
                    return False
        finally:
            if self._turns:
                await asyncio.wait(self._turns)

    async def _rest(self) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(self._pace.idle):
                await self._woken.wait()

    async def _finish(self) -> None:
        """What is on its way gets a moment more; then its lanes are let go, and it is sent again by the next one."""
        if self._turns:
            _, late = await asyncio.wait(self._turns, timeout=self._pace.grace)
            for turn in late:
                turn.cancel()
            await asyncio.gather(*late, return_exceptions=True)
        await self._transport.close()

    async def _look(self) -> bool:
        """True where there may be more to spread."""
        has_more = await spread(self._store, self._clock.now())
        free = self._pace.lanes - len(self._turns)
        now = self._clock.now()
        for lane in await self._store.deliveries.take(now, now + self._pace.lease, free) if free else ():
            turn = asyncio.create_task(self._turn(lane))
            self._turns.add(turn)
            turn.add_done_callback(self._ended)
        return has_more

    def _ended(self, turn: asyncio.Task[None]) -> None:
        self._turns.discard(turn)
        self.wake()
        error = None if turn.cancelled() else turn.exception()
        if error is not None:  # the lane is taken again when its lease is over; a message may quote a value
            logger.error("the turn of a subscription failed: %s", type(error).__name__)

    async def _turn(self, lane: Lane) -> None:
        deliveries = self._store.deliveries
        subscription = await self._store.subscriptions.get(lane.tenant_id, lane.subscription_id)
        if subscription is None:  # deleted while an event was being spread
            await deliveries.forget_subscription(lane.tenant_id, lane.subscription_id)
            return
        try:
            if subscription.status == "disabled":
                await deliveries.bury(lane.tenant_id, lane.subscription_id, DISABLED)
            else:
                lane = await self._rounds(lane, subscription)
        finally:
            await deliveries.release(lane)

    async def _rounds(self, lane: Lane, subscription: Subscription) -> Lane:
        """The lane as it stands when nothing of it is due any more, nothing gets through, or its time is over."""
        target = opened(self._store.vault, subscription)
        end = self._clock.now() + self._pace.turn
        if lane.strikes:
            oldest = self._clock.now() - backoff.LIFETIME_SECONDS
            await self._store.deliveries.bury(lane.tenant_id, lane.subscription_id, backoff.TOO_OLD, oldest)
        while not self._is_ending and self._clock.now() < end:
            width = 1 if lane.strikes else self._pace.width
            batch = await self._store.deliveries.due(lane, self._clock.now(), width)
            if not batch:
                break
            outcomes = await self._round(target, batch)
            lane = backoff.judge(lane, outcomes, self._clock.now(), self._clock.fraction())
            if any(one.status == backoff.GONE for one in outcomes):
                await self._disable(subscription)
                break
            if lane.strikes or lane.paused_until:
                break
        return lane

    async def _round(self, target: Target, batch: Sequence[Delivery]) -> list[Outcome]:
        """Raises what an attempt raised, once all of them have ended."""
        ended = await asyncio.gather(*(self._attempt(target, one) for one in batch), return_exceptions=True)
        for one in ended:
            if isinstance(one, BaseException):
                raise one
        return [one for one in ended if isinstance(one, Outcome)]

    async def _attempt(self, target: Target, delivery: Delivery) -> Outcome | None:
        """None: there was nothing to send."""
        event, lack = await self._event(delivery)
        if event is None:
            await self._store.deliveries.record(replace(delivery, status="dead", error=lack))
            return None
        began = self._clock.now()
        outcome = await self._send(target, event, began)
        now = self._clock.now()
        after = backoff.decide(delivery, outcome, now, self._clock.fraction())
        await self._store.deliveries.record(after)
        if self._observer is not None:
            self._observer.delivery(_noted(_Tried(after, event, outcome, began), target, now))
        return outcome

    async def _event(self, delivery: Delivery) -> tuple[Event | None, str]:
        try:
            return await self._book.get(delivery.tenant_id, delivery.event_id), "the event is kept no longer"
        except StorageCorrupt:
            return None, "the event can't be read"

    async def _send(self, target: Target, event: Event, now: float) -> Outcome:
        body = shape.message(event)
        headers = sign.signed(target.in_force(now), event.event_id, int(now), body)
        request = Request("POST", target.url, (_JSON, _AGENT, *headers), body)
        try:
            response = await self._transport.send(request, timeout=self._pace.timeout, max_bytes=LARGEST_ANSWER)
        except TransportError as error:
            return Outcome(None, str(error))
        return _read(response, now)

    async def _disable(self, subscription: Subscription) -> None:
        """The subscriber said that it wants no more. Who changed it meanwhile meant it to go on."""
        with suppress(VersionConflict):
            now = self._clock.now()
            ended = replace(subscription, status="disabled", reason=SAID_GONE, updated_at=now)
            await self._store.subscriptions.update(ended)
            await self._store.deliveries.bury(subscription.tenant_id, subscription.subscription_id, SAID_GONE)


def _read(response: Response, now: float) -> Outcome:
    if 200 <= response.status < 300:
        return Outcome(response.status)
    if response.status == backoff.GONE:
        return Outcome(response.status, SAID_GONE)
    error = f"the subscriber answered {response.status}"
    if 300 <= response.status < 400:
        error += ", and redirects are not followed"
    return Outcome(response.status, error, waits.asked(response.headers, lambda: now))


def _noted(tried: _Tried, target: Target, now: float) -> DeliveryEvent:
    after, event = tried.delivery, tried.event
    return DeliveryEvent(
        tenant_id=after.tenant_id,
        integration_id=event.integration_id,
        connection_id=event.connection_id,
        subscription_id=after.subscription_id,
        delivery_id=after.delivery_id,
        event_id=event.event_id,
        at=tried.began,
        latency_ms=(now - tried.began) * 1000,
        lag_ms=(now - after.queued_at) * 1000,
        number=after.attempts,
        host=split(target.url).host,
        outcome="retry" if after.status == "pending" else after.status,
        http_status=tried.outcome.status,
        reason=after.error or "",
    )
