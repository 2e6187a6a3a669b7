"""The subscriptions that we hold at providers: made when a webhook is opened, renewed before they end, taken back.

What is known of them stands in the secret of the connection's webhook:

    token, secret        what its messages are proved with
    watches              by topic ("" where there are none): channelId, captured, since, expiresAt (epoch seconds)
    asked                token and secret of what is being asked for just now; its first messages may come before the
                         answer does, so they are believed from before the request until `until`

Nothing stays half open: what was made before a failure is taken back, and the webhook is then as it was before. A
process that dies between the provider's answer and its record leaves a subscription that nobody knows. Where token or
secret prove its messages, they are refused once `until` has passed; elsewhere they are the account's true events. It
ends by itself where subscriptions end, and asking again is safe.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import field, replace
from typing import Any, Final, Protocol

from engine.catalog import Catalog, Subscribe
from engine.errors import CallError, RequestError, StorageCorrupt, StorageError, VersionConflict
from engine.frozen import slotted
from engine.model import Connection
from engine.runtime.account import Account, Accounts
from engine.runtime.address import WEBHOOK, app_url, url_of
from engine.runtime.agenda import Agenda
from engine.runtime.errand import SECONDS, Runner
from engine.runtime.watch import unwatch, watch
from engine.storage.ports import Store

logger = logging.getLogger("integrations")

KIND: Final = "webhook"
"""Of the entries in the agenda."""
PART_OF_LIFE: Final = 0.8
"""After which a subscription is renewed."""
ASKED_SECONDS: Final = 120.0
BEST_EFFORT_SECONDS: Final = 5.0
KEPT_ON_SECONDS: Final = 7 * 86_400.0
"""How long after its end it is still tried to have a subscription again."""
_SOONEST, _LATEST = 60.0, 3600.0
_TRIES = 10
_MADE_ANEW = frozenset({"NOT_FOUND", "REJECTED", "CONFLICT", "INVALID_INPUT"})
"""Refusals of a renewal after which a new subscription may still be had."""
_Watch = dict[str, Any]
Ended = Callable[[Connection, CallError, float], Awaitable[None]]
"""Told, perhaps more than once, of a subscription that could not be renewed before it ended (epoch seconds)."""


class Engine(Runner, Protocol):
    """What is needed of the engine."""

    @property
    def accounts(self) -> Accounts: ...

    @property
    def catalog(self) -> Catalog: ...

    @property
    def store(self) -> Store: ...


@slotted
class _Held:
    """What is held for a connection: its secret as it was read, and how to ask for more."""

    connection: Connection
    plan: Subscribe
    account: Account
    value: dict[str, Any] = field(repr=False)
    version: int

    @property
    def watches(self) -> dict[str, _Watch]:
        found: dict[str, _Watch] = self.value.get("watches", {})
        return found


class Watches:
    """Of all tenants. `ended` is told of what could not be kept."""

    def __init__(self, engine: Engine, ended: Ended | None = None) -> None:
        self._engine = engine
        self._store = engine.store
        self._agenda = Agenda(engine.store.state, engine.clock.now)
        self._ended = ended

    async def open(self, connection: Connection, plan: Subscribe, made: Mapping[str, str]) -> float | None:
        """Subscribe with this token and secret, in place of what there was.

        When the first subscription ends, were it not renewed (epoch seconds). Raises `CallError`: nothing has changed
        then; `RequestError` (409, 404).
        """
        held = await self._read(connection, plan)
        before = held.value
        until = self._engine.clock.now() + ASKED_SECONDS
        await self._keep(held, {**before, "asked": {**made, "until": until}}, is_told=True)
        try:
            watches = await self._all_made(held, made)
        except CallError:
            await self._keep(held, before, is_told=True)
            raise
        try:
            await self._remember(connection, watches)
            await self._keep(held, {**made, "watches": watches}, is_told=True)
        except (StorageError, RequestError):
            await self._take_back(held, made, watches)
            raise
        await self._take_back(held, before, before.get("watches", {}))
        return min((one["expiresAt"] for one in watches.values() if one["expiresAt"] is not None), default=None)

    async def close(self, connection: Connection, plan: Subscribe) -> None:
        """Take everything back. Raises `CallError` where the provider may do it later: then it is still open."""
        held = await self._read(connection, plan)
        for topic, one in held.watches.items():
            try:
                await self._unwatch(held, held.value, topic, one, SECONDS)
            except CallError as error:
                if error.retryable:
                    raise
        await self._agenda.forget(KIND, connection.tenant_id, connection.connection_id)

    async def forget(self, connection: Connection) -> None:
        """Before the connection is deleted, for seconds: no provider that fails keeps anybody from it."""
        plan = self._plan_of(connection)
        if plan is None:
            return
        with suppress(CallError, StorageCorrupt, TimeoutError):
            async with asyncio.timeout(BEST_EFFORT_SECONDS):
                held = await self._read(connection, plan)
                await self._take_back(held, held.value, held.watches)
        await self._agenda.forget(KIND, connection.tenant_id, connection.connection_id)

    async def renew(self, tenant_id: str, connection_id: str) -> float | None:
        """Handler of the agenda: renews what is due. When to look again (epoch seconds), or None."""
        connection = await self._store.connections.get(tenant_id, connection_id)
        plan = self._plan_of(connection) if connection is not None else None
        if connection is None or plan is None:
            return None
        held = await self._read(connection, plan)
        now = self._engine.clock.now()
        looks = [await self._look_at(held, topic, one, now) for topic, one in held.watches.items()]
        return min((look for look in looks if look is not None), default=None)

    async def _look_at(self, held: _Held, topic: str, one: _Watch, now: float) -> float | None:
        """When to look at this one again; None: never."""
        due = _due(one)
        if due is None or due > now:
            return due
        try:
            new = await self._renewed(held, topic, one, now)
        except CallError as error:
            return await self._failed(held, topic, one, error)
        try:
            await self._keep(held, {**held.value, "watches": {**held.watches, topic: new}})
        except VersionConflict:  # opened or closed meanwhile: theirs stands
            if new["channelId"] != one["channelId"]:
                await self._take_back(held, held.value, {topic: new})
            return now + _SOONEST
        if new["channelId"] != one["channelId"]:
            await self._take_back(held, held.value, {topic: one})
        return _due(new)

    async def _renewed(self, held: _Held, topic: str, one: _Watch, now: float) -> _Watch:
        plan = held.plan.renew
        if plan is None:
            return await self._made(held, held.value, topic)
        try:
            said = await watch(self._engine, held.account, plan, self._root(held, held.value, topic, one))
        except CallError as error:
            if error.code not in _MADE_ANEW:
                raise
            return await self._made(held, held.value, topic)
        life = one["expiresAt"] - one["since"]
        end = said.expires_at if said.expires_at is not None else now + life
        return {**one, "captured": {**one["captured"], **said.captured}, "since": now, "expiresAt": end}

    async def _failed(self, held: _Held, topic: str, one: _Watch, error: CallError) -> float | None:
        """Tried again until it ends; then whoever waits for its events is told, and it is tried for some days more."""
        now, end = self._engine.clock.now(), float(one["expiresAt"])
        ids = held.connection.connection_id
        logger.warning("the subscription of connection %s was not renewed: %s", ids, error.code)
        if now < end:
            wait = max(min((end - now) / 4, _LATEST), _SOONEST, (error.retry_after_ms or 0) / 1000)
            return min(now + wait, max(end, now + _SOONEST))
        if self._ended is not None:
            await self._ended(held.connection, error, end)
        return now + _LATEST if now < end + KEPT_ON_SECONDS else None

    async def _all_made(self, held: _Held, made: Mapping[str, Any]) -> dict[str, _Watch]:
        """One for each topic, or none. Raises `CallError`."""
        watches: dict[str, _Watch] = {}
        try:
            for topic in held.plan.topics or ("",):
                watches[topic] = await self._made(held, made, topic)
        except CallError:
            await self._take_back(held, made, watches)
            raise
        return watches

    async def _made(self, held: _Held, made: Mapping[str, Any], topic: str) -> _Watch:
        channel = str(int(self._engine.clock.hex()[:13], 16))  # decimal digits that every JSON number holds exactly
        one = {"channelId": channel, "captured": {}, "since": self._engine.clock.now(), "expiresAt": None}
        said = await watch(self._engine, held.account, held.plan.create, self._root(held, made, topic, one))
        return {**one, "captured": dict(said.captured), "expiresAt": said.expires_at}

    async def _take_back(self, held: _Held, made: Mapping[str, Any], watches: Mapping[str, _Watch]) -> None:
        """Best effort: what stays ends by itself, or its messages are refused."""
        for topic, one in watches.items():
            with suppress(CallError):
                await self._unwatch(held, made, topic, one, BEST_EFFORT_SECONDS)

    async def _unwatch(self, held: _Held, made: Mapping[str, Any], topic: str, one: _Watch, seconds: float) -> None:
        if held.plan.delete is not None:
            root = self._root(held, made, topic, one)
            await unwatch(self._engine, held.account, held.plan.delete, root, seconds)

    def _root(self, held: _Held, made: Mapping[str, Any], topic: str, one: _Watch) -> dict[str, Any]:
        """`webhook` of the requests."""
        integration, public_url = held.account.integration, self._engine.accounts.public_url
        is_app = integration.webhook is not None and integration.webhook.route is not None
        if integration.webhook is None or is_app:
            url = app_url(public_url, integration.integration_id)
        else:
            url = url_of(public_url, integration.webhook, held.connection.connection_id, made)
        told = {"channelId": one["channelId"], "captured": one["captured"], "topic": topic}
        return {"url": url, "token": made.get("token"), "secret": made.get("secret"), **told}

    def _plan_of(self, connection: Connection) -> Subscribe | None:
        integration = self._engine.catalog.integrations.get(connection.integration_id)
        return integration.webhook.subscribe if integration is not None and integration.webhook is not None else None

    async def _read(self, connection: Connection, plan: Subscribe) -> _Held:
        """Raises `CallError` where the integration is gone."""
        stored = await self._store.secrets.get(connection.tenant_id, connection.connection_id, WEBHOOK)
        account = await self._engine.accounts.read(connection)
        value, version = ({}, 0) if stored is None else (dict(stored.value), stored.version)
        value.pop("asked", None)
        return _Held(connection, plan, account, value, version)

    async def _remember(self, connection: Connection, watches: Mapping[str, _Watch]) -> None:
        """Before the record: an entry that nothing needs does no harm, one that is missing lets a subscription end."""
        dues = [due for one in watches.values() if (due := _due(one)) is not None]
        if dues:
            await self._agenda.put(KIND, connection.tenant_id, connection.connection_id, min(dues))

    async def _keep(self, held: _Held, value: dict[str, Any], *, is_told: bool = False) -> None:
        """Raises `VersionConflict`, or where that `is_told` `RequestError` (409): somebody else was faster.

        Who receives messages reads the secret again when the connection's version has changed.
        """
        ids = (held.connection.tenant_id, held.connection.connection_id)
        try:
            held.version = await self._store.secrets.put(*ids, WEBHOOK, value, expected=held.version)
        except VersionConflict:
            if is_told:
                raise RequestError("CONFLICT", "the webhook is being opened or closed by others: try again") from None
            raise
        held.value = value
        if is_told:
            await touch(self._store, held.connection)


async def touch(store: Store, connection: Connection) -> None:
    """Let every process that has the account in memory read it again. Raises `RequestError` (404, 409)."""
    for _ in range(_TRIES):
        current = await store.connections.get(connection.tenant_id, connection.connection_id)
        if current is None:
            raise RequestError("NOT_FOUND", "no such connection")
        with suppress(VersionConflict):
            await store.connections.update(replace(current))
            return
    raise RequestError("CONFLICT", "the connection is being changed by others: try again")


def _due(one: _Watch) -> float | None:
    """When it is to be renewed; None: it does not end."""
    end, since = one["expiresAt"], one["since"]
    return None if end is None else float(since) + PART_OF_LIFE * (float(end) - float(since))
