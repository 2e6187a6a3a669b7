"""Subscriptions and deliveries of the store in memory."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from engine.errors import VersionConflict
from engine.model import Delivery, Event, Subscription
from engine.storage.ports import Arrival, DeliveryQuery, Lane

_Key = tuple[str, str]


class MemorySubscriptions:
    def __init__(self) -> None:
        self._kept: dict[_Key, Subscription] = {}

    def tenants(self) -> set[str]:
        return {tenant_id for tenant_id, _ in self._kept}

    async def create(self, subscription: Subscription, most: int) -> bool:
        if len(await self.find(subscription.tenant_id)) >= most:
            return False
        self._kept[subscription.tenant_id, subscription.subscription_id] = subscription
        return True

    async def get(self, tenant_id: str, subscription_id: str) -> Subscription | None:
        return self._kept.get((tenant_id, subscription_id))

    async def find(self, tenant_id: str) -> list[Subscription]:
        found = [one for one in self._kept.values() if one.tenant_id == tenant_id]
        return sorted(found, key=lambda one: (one.created_at, one.subscription_id), reverse=True)

    async def update(self, subscription: Subscription) -> Subscription:
        key = (subscription.tenant_id, subscription.subscription_id)
        stored = self._kept.get(key)
        if stored is None or stored.version != subscription.version:
            raise VersionConflict("the subscription was changed or deleted meanwhile")
        self._kept[key] = replace(subscription, version=stored.version + 1)
        return self._kept[key]

    async def delete(self, tenant_id: str, subscription_id: str) -> bool:
        return self._kept.pop((tenant_id, subscription_id), None) is not None


@dataclass
class _Turn:
    lane: Lane
    held_until: float = 0.0


class MemoryDeliveries:
    def __init__(self) -> None:
        self._arrivals: dict[_Key, Arrival] = {}
        self._kept: dict[_Key, Delivery] = {}
        self._turns: dict[_Key, _Turn] = {}

    def arrived(self, event: Event) -> None:
        key = (event.tenant_id, event.event_id)
        self._arrivals[key] = Arrival(*key, event.connection_id, event.type, event.received_at)

    async def arrivals(self, limit: int) -> list[Arrival]:
        return list(self._arrivals.values())[:limit]

    async def spread(self, plans: Sequence[tuple[Arrival, Sequence[Delivery]]]) -> None:
        for arrival, deliveries in plans:
            if self._arrivals.pop((arrival.tenant_id, arrival.event_id), None) is not None:
                for one in deliveries:
                    self._kept.setdefault((one.tenant_id, one.delivery_id), one)
                    key = (one.tenant_id, one.subscription_id)
                    self._turns.setdefault(key, _Turn(Lane(*key)))

    async def take(self, now: float, until: float, limit: int) -> list[Lane]:
        waits = {key: wait for key in self._turns if (wait := self._ready_at(key)) <= now}
        taken = sorted(waits, key=waits.__getitem__)[:limit]
        for key in taken:
            turn = self._turns[key]
            turn.held_until, turn.lane = until, replace(turn.lane, claim=turn.lane.claim + 1)
        return [self._turns[key].lane for key in taken]

    def _ready_at(self, key: _Key) -> float:
        turn = self._turns[key]
        wanted = min((one.due_at for one in self._pending(lambda one: _lane_of(one) == key)), default=float("inf"))
        return max(wanted, turn.held_until, turn.lane.paused_until)

    async def release(self, lane: Lane) -> None:
        turn = self._turns.get((lane.tenant_id, lane.subscription_id))
        if turn is not None and turn.lane.claim == lane.claim:
            turn.lane, turn.held_until = lane, 0.0

    async def resume(self, tenant_id: str, subscription_id: str) -> None:
        turn = self._turns.get((tenant_id, subscription_id))
        if turn is not None:
            turn.lane = replace(turn.lane, strikes=0, failing_since=None, paused_until=0.0)

    async def lanes(self, tenant_id: str) -> list[Lane]:
        return [turn.lane for turn in self._turns.values() if turn.lane.tenant_id == tenant_id]

    async def due(self, lane: Lane, now: float, limit: int) -> list[Delivery]:
        key = (lane.tenant_id, lane.subscription_id)
        found = self._pending(lambda one: _lane_of(one) == key and one.due_at <= now)
        return sorted(found, key=lambda one: one.due_at)[:limit]

    async def record(self, delivery: Delivery) -> bool:
        key = (delivery.tenant_id, delivery.delivery_id)
        stored = self._kept.get(key)
        if stored is None or stored.version != delivery.version:
            return False
        self._kept[key] = replace(delivery, version=delivery.version + 1)
        return True

    async def requeue(self, tenant_id: str, delivery_id: str, now: float) -> Delivery | None:
        stored = self._kept.get((tenant_id, delivery_id))
        if stored is None:
            return None
        fresh = replace(stored, queued_at=now, due_at=now, status="pending", attempts=0, http_status=None, error=None)
        self._kept[tenant_id, delivery_id] = changed = replace(fresh, version=stored.version + 1)
        turn = self._turns.setdefault(_lane_of(changed), _Turn(Lane(*_lane_of(changed))))
        turn.lane = replace(turn.lane, paused_until=0.0)
        return changed

    async def bury(self, tenant_id: str, subscription_id: str, error: str, queued_before: float = float("inf")) -> int:
        key = (tenant_id, subscription_id)
        gone = self._pending(lambda one: _lane_of(one) == key and one.queued_at < queued_before)
        for one in gone:
            dead = replace(one, status="dead", error=error, version=one.version + 1)
            self._kept[one.tenant_id, one.delivery_id] = dead
        return len(gone)

    async def get(self, tenant_id: str, delivery_id: str) -> Delivery | None:
        return self._kept.get((tenant_id, delivery_id))

    async def find(self, query: DeliveryQuery) -> list[Delivery]:
        fit = [
            one
            for one in self._kept.values()
            if one.tenant_id == query.tenant_id
            and query.subscription_id in (None, one.subscription_id)
            and query.status in (None, one.status)
            and query.event_id in (None, one.event_id)
            and (query.after is None or (one.created_at, one.delivery_id) < query.after)
        ]
        return sorted(fit, key=lambda one: (one.created_at, one.delivery_id), reverse=True)[: query.limit]

    async def forget_connection(self, tenant_id: str, connection_id: str) -> None:
        of = (tenant_id, connection_id)
        for one in self._pending(lambda one: (one.tenant_id, one.connection_id) == of):
            del self._kept[one.tenant_id, one.delivery_id]
        for key in [key for key, one in self._arrivals.items() if (one.tenant_id, one.connection_id) == of]:
            del self._arrivals[key]

    async def forget_subscription(self, tenant_id: str, subscription_id: str) -> None:
        lane = (tenant_id, subscription_id)
        self._turns.pop(lane, None)
        for key in [key for key, one in self._kept.items() if _lane_of(one) == lane]:
            del self._kept[key]

    async def expire(self, before: float, batch: int = 1000) -> int:
        for key in [key for key, one in self._arrivals.items() if one.received_at < before][:batch]:
            del self._arrivals[key]
        gone = [key for key, one in self._kept.items() if one.created_at < before][:batch]
        for key in gone:
            del self._kept[key]
        return len(gone)

    def _pending(self, fits: Callable[[Delivery], bool]) -> list[Delivery]:
        return [one for one in self._kept.values() if one.status == "pending" and fits(one)]


def _lane_of(delivery: Delivery) -> _Key:
    return delivery.tenant_id, delivery.subscription_id
