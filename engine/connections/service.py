"""A tenant's connections: create, list, change, delete, test.

The credentials go to the secret store under the name `CREDENTIALS`, everything else into the connection's record;
neither holds a copy of the other. Whatever changes is checked as a whole before it is stored, and again when
somebody else was faster.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from ulid import ULID

from engine.catalog import Integration
from engine.connections import form
from engine.connections.ports import Engine, Proof
from engine.diagnostics import nearest
from engine.errors import Issue, RequestError, StorageError, VersionConflict
from engine.model import Connection
from engine.runtime.account import CREDENTIALS
from engine.storage.ports import Secret

_ATTEMPTS = 5


@dataclass(frozen=True, slots=True)
class Draft:
    """A connection to be made."""

    integration_id: str
    name: str
    config: Mapping[str, Any] = field(default_factory=dict, repr=False)
    credentials: Mapping[str, Any] = field(default_factory=dict, repr=False)


@dataclass(frozen=True, slots=True)
class Change:
    """What is None stays. `config` replaces; `credentials` merge by key, a null removes one."""

    name: str | None = None
    config: Mapping[str, Any] | None = field(default=None, repr=False)
    credentials: Mapping[str, Any] | None = field(default=None, repr=False)
    status: Literal["active", "inactive"] | None = None


class ConnectionService:
    """Every method is scoped by tenant: another tenant's connection is as if it did not exist (404)."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    async def create(self, tenant: str, draft: Draft) -> Connection:
        """Raises `RequestError`: 404 for an unknown integration, 400 for a form that is not filled in right."""
        integration = self._offered(draft.integration_id)
        form.check(integration, draft.config, draft.credentials)
        now = self._engine.clock.now()
        connection = Connection(
            tenant_id=tenant,
            connection_id=str(ULID.from_timestamp(now)),
            integration_id=integration.integration_id,
            name=draft.name,
            config=draft.config,
            status="active",
            created_at=now,
            updated_at=now,
        )
        await self._store(connection, draft.credentials)
        return connection

    async def _store(self, connection: Connection, credentials: Mapping[str, Any]) -> None:
        store, ids = self._engine.store, (connection.tenant_id, connection.connection_id)
        await store.secrets.put(*ids, CREDENTIALS, credentials, expected=0)
        try:
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
            secret = await self._engine.store.secrets.get(tenant, connection_id, CREDENTIALS)
            changed, credentials = self._apply(change, connection, secret)
            try:
                return await self._write(changed, secret, None if change.credentials is None else credentials)
            except VersionConflict:
                continue  # somebody was faster: check again against what is stored now
        raise RequestError("CONFLICT", "the connection is being changed by others; try again")

    def _apply(
        self, change: Change, connection: Connection, secret: Secret | None
    ) -> tuple[Connection, dict[str, Any]]:
        """The connection and its credentials as they would be, checked as a whole."""
        credentials = _merged(secret.value if secret else {}, change.credentials or {})
        changed = replace(connection, updated_at=self._engine.clock.now())
        if change.name is not None:
            changed = replace(changed, name=change.name)
        if change.status is not None:
            cleared = None if change.status == "active" else changed.last_error
            changed = replace(changed, status=change.status, last_error=cleared)
        if change.config is None and change.credentials is None:
            return changed, credentials
        integration = self._integration(connection.integration_id)
        fields = integration.form
        config = form.without_captured(fields, connection.config) if change.config is None else change.config
        form.check(integration, config, credentials)
        return replace(changed, config={**form.captured_only(fields, connection.config), **config}), credentials

    async def _write(
        self, changed: Connection, secret: Secret | None, credentials: Mapping[str, Any] | None
    ) -> Connection:
        """Credentials first; they are put back when the record can't follow, so that the pair always fits."""
        store, ids = self._engine.store, (changed.tenant_id, changed.connection_id)
        if credentials is None:
            return await store.connections.update(changed)
        version = await store.secrets.put(*ids, CREDENTIALS, credentials, expected=secret.version if secret else 0)
        try:
            return await store.connections.update(changed)
        except StorageError:
            if secret is None:
                await store.secrets.delete(*ids)
            else:
                await store.secrets.put(*ids, CREDENTIALS, secret.value, expected=version)
            raise

    async def delete(self, tenant: str, connection_id: str) -> None:
        """Removes the record, its secrets and pending deliveries; the log stays. Raises `RequestError` (404)."""
        await self.get(tenant, connection_id)
        # Secrets first: a crash in between leaves a record that can be deleted again, never an orphaned secret.
        await self._engine.store.secrets.delete(tenant, connection_id)
        await self._engine.store.deliveries.forget_connection(tenant, connection_id)
        await self._engine.store.connections.delete(tenant, connection_id)

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
