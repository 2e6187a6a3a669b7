"""A tenant's subscriptions: made, listed, changed, given new secrets, deleted; and deliveries put in again.

A secret is shown when it is made and never again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import field, replace

from ulid import ULID

from engine.catalog import Catalog
from engine.connections.ports import Clock
from engine.errors import Issue, RequestError, VersionConflict
from engine.events import sign, target
from engine.events.deliver import DISABLED
from engine.events.target import SigningSecret, Target
from engine.events.wanted import known_types, unheard_of
from engine.frozen import frozen
from engine.model import Delivery, Subscription, SubscriptionStatus
from engine.runtime.url import UnsafeUrl
from engine.storage.ports import Lane, Store

MOST = 50
"""Subscriptions of a tenant."""
DISABLED_BY_TENANT = "it was switched off"
_ATTEMPTS = 5


@frozen
class Told:
    """A subscription as its tenant sees it. `secret` only where it was just made; `failing_since`: epoch seconds."""

    subscription: Subscription
    url: str = field(repr=False)
    failing_since: float | None = None
    secret: str | None = field(default=None, repr=False)


@frozen
class SubscriptionChange:
    """What is None stays."""

    url: str | None = field(default=None, repr=False)
    event_types: tuple[str, ...] | None = None
    status: SubscriptionStatus | None = None


class SubscriptionService:
    """Every method is scoped by tenant: another tenant's subscription is as if it did not exist (404).

    `private_ok`: the operator allows subscribers at private addresses. `wake` tells who delivers.
    """

    def __init__(
        self, catalog: Catalog, store: Store, clock: Clock, *, private_ok: bool, wake: Callable[[], None]
    ) -> None:
        self._store = store
        self._clock = clock
        self._private_ok = private_ok
        self._wake = wake
        self._catalog = catalog
        self._types: frozenset[str] | None = None

    async def create(self, tenant: str, url: str, event_types: tuple[str, ...]) -> Told:
        """Raises `RequestError`: 400 for a URL or a type that can't be used, 409 where the tenant has too many."""
        await self._check(url, event_types)
        now = self._clock.now()
        identity = str(ULID.from_timestamp(now))
        secret = sign.new_secret()
        where = Target(self._encoded(url), (SigningSecret(secret),))
        made = Subscription(
            subscription_id=identity,
            tenant_id=tenant,
            event_types=event_types,
            sealed=await target.sealed(self._store, tenant, identity, where),
            status="active",
            created_at=now,
            updated_at=now,
        )
        if not await self._store.subscriptions.create(made, MOST):
            raise RequestError("CONFLICT", f"a tenant has at most {MOST} subscriptions: delete one that is not needed")
        return Told(made, where.url, secret=secret)

    async def find(self, tenant: str) -> list[Told]:
        """Newest first."""
        lanes = {lane.subscription_id: lane for lane in await self._store.deliveries.lanes(tenant)}
        found = await self._store.subscriptions.find(tenant)
        return [self._told(one, lanes.get(one.subscription_id)) for one in found]

    async def get(self, tenant: str, subscription_id: str) -> Told:
        subscription = await self._stored(tenant, subscription_id)
        lanes = await self._store.deliveries.lanes(tenant)
        return self._told(subscription, next((one for one in lanes if one.subscription_id == subscription_id), None))

    async def update(self, tenant: str, subscription_id: str, change: SubscriptionChange) -> Told:
        """What was disabled gives up what is pending; a change of any kind ends a pause.

        Raises `RequestError`: 404, 400, 409 when others keep changing it.
        """
        await self._check(change.url, change.event_types)

        async def changed(one: Subscription) -> Subscription:
            return await self._changed(one, change)

        stored = await self._change(tenant, subscription_id, changed)
        if stored.status == "disabled":
            await self._store.deliveries.bury(tenant, subscription_id, DISABLED)
        await self._store.deliveries.resume(tenant, subscription_id)
        self._wake()
        return await self.get(tenant, subscription_id)

    async def rotate(self, tenant: str, subscription_id: str, overlap_seconds: float) -> Told:
        """A new secret; the one before signs along for that long. Raises `RequestError`: 404, 409."""

        async def renewed(one: Subscription) -> Subscription:
            where = target.opened(self._store.vault, one).rotated(self._clock.now(), overlap_seconds)
            return replace(one, sealed=await target.sealed(self._store, tenant, subscription_id, where))

        stored = await self._change(tenant, subscription_id, renewed)
        where = target.opened(self._store.vault, stored)
        return replace(await self.get(tenant, subscription_id), secret=where.secrets[0].text)

    async def delete(self, tenant: str, subscription_id: str) -> None:
        """With all its deliveries. Raises `RequestError` (404)."""
        if not await self._store.subscriptions.delete(tenant, subscription_id):
            raise RequestError("NOT_FOUND", "no such subscription")
        await self._store.deliveries.forget_subscription(tenant, subscription_id)

    async def redeliver(self, tenant: str, delivery_id: str) -> Delivery:
        """Deliver again, now, whatever became of it. Raises `RequestError`: 404, 409 where it is switched off."""
        delivery = await self._store.deliveries.get(tenant, delivery_id)
        if delivery is None:
            raise RequestError("NOT_FOUND", "no such delivery")
        subscription = await self._stored(tenant, delivery.subscription_id)
        if subscription.status == "disabled":
            raise RequestError("CONFLICT", "its subscription is disabled: make it active first")
        if await self._store.events.get(tenant, delivery.event_id) is None:
            raise RequestError("CONFLICT", "its event is kept no longer")
        queued = await self._store.deliveries.requeue(tenant, delivery_id, self._clock.now())
        if queued is None:
            raise RequestError("NOT_FOUND", "no such delivery")
        self._wake()
        return queued

    async def _stored(self, tenant: str, subscription_id: str) -> Subscription:
        found = await self._store.subscriptions.get(tenant, subscription_id)
        if found is None:
            raise RequestError("NOT_FOUND", "no such subscription")
        return found

    async def _change(
        self, tenant: str, subscription_id: str, change: Callable[[Subscription], Awaitable[Subscription]]
    ) -> Subscription:
        for _ in range(_ATTEMPTS):
            changed = await change(await self._stored(tenant, subscription_id))
            try:
                return await self._store.subscriptions.update(replace(changed, updated_at=self._clock.now()))
            except VersionConflict:
                continue  # somebody was faster: change what is stored now
        raise RequestError("CONFLICT", "the subscription is being changed by others; try again")

    async def _changed(self, one: Subscription, change: SubscriptionChange) -> Subscription:
        if change.url is not None:
            where = replace(target.opened(self._store.vault, one), url=self._encoded(change.url))
            sealed = await target.sealed(self._store, one.tenant_id, one.subscription_id, where)
            one = replace(one, sealed=sealed)
        if change.event_types is not None:
            one = replace(one, event_types=change.event_types)
        if change.status is not None and change.status != one.status:
            reason = None if change.status == "active" else DISABLED_BY_TENANT
            one = replace(one, status=change.status, reason=reason)
        return one

    async def _check(self, url: str | None, event_types: tuple[str, ...] | None) -> None:
        if self._types is None:  # beside the loop: integrations that nobody has asked for yet are compiled now
            self._types = await asyncio.to_thread(known_types, self._catalog)
        issues = list(unheard_of(event_types or (), self._types))
        if url is not None:
            try:
                self._encoded(url)
            except UnsafeUrl as refusal:
                issues.append(Issue(str(refusal), ("url",)))
        if issues:
            raise RequestError("BAD_REQUEST", "the subscription can't be used", tuple(issues))

    def _encoded(self, url: str) -> str:
        return target.checked_url(url, private_ok=self._private_ok)

    def _told(self, one: Subscription, lane: Lane | None) -> Told:
        where = target.opened(self._store.vault, one)
        return Told(one, where.url, lane.failing_since if lane is not None else None)
