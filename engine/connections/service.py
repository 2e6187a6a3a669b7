"""A tenant's connections: create, list, change, delete, test.

The credentials go to the secret store under the name `CREDENTIALS`, an app of its own under `APP`, everything else into
the connection's record; none holds a copy of the other. Whatever changes is checked as a whole before it is stored, and
again when somebody else was faster.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import field, replace
from typing import Any, Literal

from ulid import ULID

from engine.catalog import Integration
from engine.connections import apps, form
from engine.connections.ports import Engine, Proof
from engine.connections.waiting import needs_consent, waits
from engine.diagnostics import nearest
from engine.errors import Issue, RequestError, StorageCorrupt, StorageError, VersionConflict
from engine.frozen import frozen
from engine.model import Connection
from engine.runtime import routes
from engine.runtime.account import CREDENTIALS, Accounts
from engine.runtime.agenda import Agenda
from engine.runtime.apps import APP
from engine.runtime.grant import GRANT
from engine.runtime.watches import Watches
from engine.storage.ports import Secret

_ATTEMPTS = 5


@frozen
class Draft:
    """A connection to be made."""

    integration_id: str
    name: str
    config: Mapping[str, Any] = field(default_factory=dict, repr=False)
    credentials: Mapping[str, Any] = field(default_factory=dict, repr=False)
    app: Mapping[str, Any] = field(default_factory=dict, repr=False)
    """Its own, in place of the operator's."""


@frozen
class Change:
    """What is None stays. `config` and `app` replace, an empty app is none; `credentials` merge, a null removes one."""

    name: str | None = None
    config: Mapping[str, Any] | None = field(default=None, repr=False)
    credentials: Mapping[str, Any] | None = field(default=None, repr=False)
    status: Literal["active", "inactive"] | None = None
    app: Mapping[str, Any] | None = field(default=None, repr=False)


@frozen
class _Kept:
    """The secrets that people gave."""

    credentials: Secret | None
    app: Secret | None


@frozen
class _Write:
    """A secret as it was, and as it shall be."""

    name: str
    before: Secret | None
    value: Mapping[str, Any] = field(repr=False)


class ConnectionService:
    """Every method is scoped by tenant: another tenant's connection is as if it did not exist (404)."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._accounts = Accounts(engine.catalog, engine.store)
        self._watches = Watches(engine)

    async def create(self, tenant: str, draft: Draft) -> Connection:
        """Raises `RequestError`: 404 for an unknown integration, 400 for a form that is not filled in right."""
        integration = self._offered(draft.integration_id)
        form.check(integration, draft.config, draft.credentials)
        app = apps.checked(integration, draft.app) if draft.app else {}
        given = integration.form.schema.fill({**draft.config, **draft.credentials})
        now = self._engine.clock.now()
        connection = Connection(
            tenant_id=tenant,
            connection_id=str(ULID.from_timestamp(now)),
            integration_id=integration.integration_id,
            name=draft.name,
            config=draft.config,
            status="inactive" if needs_consent(integration, given) else "active",
            created_at=now,
            updated_at=now,
        )
        await self._store(routes.proved(connection, integration) if app else connection, draft.credentials, app)
        return connection

    async def _store(self, connection: Connection, credentials: Mapping[str, Any], app: Mapping[str, Any]) -> None:
        store, ids = self._engine.store, (connection.tenant_id, connection.connection_id)
        await store.secrets.put(*ids, CREDENTIALS, credentials, expected=0)
        try:
            if app:
                await store.secrets.put(*ids, APP, app, expected=0)
            await store.connections.create(connection)
        except StorageError:
            await store.secrets.delete(*ids)  # no record would ever point at them
            raise

    async def get(self, tenant: str, connection_id: str) -> Connection:
        connection = await self._engine.store.connections.get(tenant, connection_id)
        if connection is None:
            raise RequestError("NOT_FOUND", "no such connection")
        return connection

    async def find(self, tenant: str, integration_id: str | None = None, status: str | None = None) -> list[Connection]:
        """Newest first."""
        return await self._engine.store.connections.find(tenant, integration_id, status)

    async def update(self, tenant: str, connection_id: str, change: Change) -> Connection:
        """Raises `RequestError`: 404, 400 when the whole does not fit the form, 409 when others keep changing it."""
        for _ in range(_ATTEMPTS):
            connection = await self.get(tenant, connection_id)
            kept = await self._kept(connection)
            changed, credentials = self._apply(change, connection, kept)
            changed = await self._settled(connection, changed, credentials, change)
            writes = [] if change.credentials is None else [_Write(CREDENTIALS, kept.credentials, credentials)]
            writes += [] if change.app is None else [_Write(APP, kept.app, self._app(connection, change.app))]
            try:
                return await self._write(changed, writes)
            except VersionConflict:
                continue  # somebody was faster: check again against what is stored now
        raise RequestError("CONFLICT", "the connection is being changed by others; try again")

    async def _kept(self, connection: Connection) -> _Kept:
        get, ids = self._engine.store.secrets.get, (connection.tenant_id, connection.connection_id)
        integration = self._engine.catalog.integrations.get(connection.integration_id)
        has_app = integration is not None and integration.app is not None
        return _Kept(await get(*ids, CREDENTIALS), await get(*ids, APP) if has_app else None)

    def _app(self, connection: Connection, given: Mapping[str, Any]) -> Mapping[str, Any]:
        integration = self._integration(connection.integration_id)
        return apps.checked(integration, given) if given or integration.app is None else {}

    def _apply(self, change: Change, connection: Connection, kept: _Kept) -> tuple[Connection, dict[str, Any]]:
        """The connection and its credentials as they would be, checked as a whole."""
        credentials = _merged(kept.credentials.value if kept.credentials else {}, change.credentials or {})
        changed = replace(connection, updated_at=self._engine.clock.now())
        if change.name is not None:
            changed = replace(changed, name=change.name)
        if change.status is not None:
            cleared = None if change.status == "active" else changed.last_error
            changed = replace(changed, status=change.status, last_error=cleared)
        if change.config is None and change.credentials is None and change.app is None:
            return changed, credentials
        integration = self._integration(connection.integration_id)
        fields = integration.form
        config = form.without_captured(fields, connection.config) if change.config is None else change.config
        form.check(integration, config, credentials)
        changed = replace(changed, config={**form.captured_only(fields, connection.config), **config})
        return _routed(changed, integration, change, kept), credentials

    async def _settled(
        self, before: Connection, after: Connection, credentials: Mapping[str, Any], change: Change
    ) -> Connection:
        """What waits for a consent can't be used; what does not wait any more can."""
        integration = self._engine.catalog.integrations.get(before.integration_id)
        may_consent = integration is not None and any(one.consent is not None for one in integration.methods)
        if not may_consent or all(part is None for part in (change.config, change.credentials, change.status)):
            return after
        account = await self._accounts.read(before)
        waited = await waits(account, self._engine.tokens)
        waiting = await waits(account.changed(after, credentials), self._engine.tokens)
        if waiting and change.status == "active":
            what = f"waits for a consent: POST /connections/{after.connection_id}/authorize"
            raise RequestError("BAD_REQUEST", f"the connection {what}", (Issue(what, ("status",)),))
        if waiting and after.status == "active":
            return replace(after, status="inactive")
        if waited and not waiting and after.status == "inactive" and change.status is None:
            return replace(after, status="active")
        return after

    async def _write(self, changed: Connection, writes: Sequence[_Write]) -> Connection:
        """Secrets first; they are put back when the record can't follow, so that all of it always fits."""
        store, ids = self._engine.store, (changed.tenant_id, changed.connection_id)
        done: list[tuple[_Write, int]] = []
        try:
            for one in writes:
                expected = one.before.version if one.before else 0
                done.append((one, await store.secrets.put(*ids, one.name, one.value, expected=expected)))
            return await store.connections.update(changed)
        except StorageError:
            for one, version in reversed(done):
                await store.secrets.put(*ids, one.name, one.before.value if one.before else {}, expected=version)
            raise

    async def delete(self, tenant: str, connection_id: str) -> None:
        """Removes the record, its secrets and pending deliveries; the log stays. Raises `RequestError` (404)."""
        await self._give_back(await self.get(tenant, connection_id))
        # Secrets first: a crash in between leaves a record that can be deleted again, never an orphaned secret.
        await self._engine.store.secrets.delete(tenant, connection_id)
        await self._engine.store.deliveries.forget_connection(tenant, connection_id)
        await self._engine.store.connections.delete(tenant, connection_id)
        await Agenda(self._engine.store.state, self._engine.clock.now).forget(GRANT, tenant, connection_id)

    async def _give_back(self, connection: Connection) -> None:
        """What the provider granted, and what it was asked to tell; no failure there keeps a connection."""
        await self._watches.forget(connection)
        integration = self._engine.catalog.integrations.get(connection.integration_id)
        if integration is not None and any(one.revoke is not None for one in integration.methods):
            with suppress(StorageCorrupt):
                await self._engine.tokens.revoke(await self._accounts.read(connection))

    async def test(self, tenant: str, connection_id: str) -> Proof:
        """Raises `RequestError` (404); what the provider says is in the proof."""
        return await self._engine.test(await self.get(tenant, connection_id))

    def _integration(self, integration_id: str) -> Integration:
        known = self._engine.catalog.integrations
        found = known.get(integration_id)
        if found is None:
            near = nearest(integration_id, known)
            raise RequestError("NOT_FOUND", "no such integration" + (f'; did you mean "{near}"?' if near else ""))
        return found

    def _offered(self, integration_id: str) -> Integration:
        integration = self._integration(integration_id)
        if integration.status == "deprecated":
            what = "is deprecated: its connections still run, but new ones can't be made"
            raise RequestError("BAD_REQUEST", f"the integration {what}", (Issue(what, ("integrationId",)),))
        return integration


def _merged(stored: Mapping[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in {**stored, **given}.items() if value is not None}


def _routed(changed: Connection, integration: Integration, change: Change, kept: _Kept) -> Connection:
    """By what messages to an app find it. What an app of its own proved, the operator's proves not."""
    owned = kept.app is not None and bool(kept.app.value)
    owns = owned if change.app is None else bool(change.app)
    if owns:
        return routes.proved(changed, integration)
    return replace(changed, route=None) if owned else routes.changed(changed, integration)
