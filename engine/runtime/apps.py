"""The operator's apps: what providers gave the operator when it registered there, for all of its tenants.

They stand in the secret store under a tenant that nobody can be, each under the id of its integration. The store can't
be asked for all of them, so their ids are kept beside them, and are never fewer than the apps.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from engine.errors import StorageUnavailable, VersionConflict
from engine.storage.ports import Secret, Secrets, Store

APPS: Final = "@apps"
"""In place of a tenant; no tenant's id holds an @."""
APP: Final = "app"
"""Name of the secret, also of a connection that has an app of its own."""
_INDEX: Final = "@index"
_TRIES: Final = 20


class Lent:
    """Secrets as they are stored, but the operator's apps are others, such as those of the provider sandbox."""

    def __init__(self, secrets: Secrets, apps: Mapping[str, Mapping[str, Any]]) -> None:
        self._secrets = secrets
        self._apps = apps
        self.put = secrets.put
        self.find = secrets.find
        self.delete = secrets.delete

    async def get(self, tenant_id: str, connection_id: str, name: str) -> Secret | None:
        """By tenant, connection and name."""
        if tenant_id == APPS and name == APP and connection_id in self._apps:
            return Secret(self._apps[connection_id], 1)
        return await self._secrets.get(tenant_id, connection_id, name)


async def operators_app(store: Store, integration_id: str) -> Mapping[str, Any]:
    """Empty where the operator gave none."""
    found = await store.secrets.get(APPS, integration_id, APP)
    return {} if found is None else found.value


class AppBook:
    """Writes and lists them."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def apps(self) -> dict[str, Mapping[str, Any]]:
        """All of them with their values, by integration."""
        index = await self._store.secrets.get(APPS, _INDEX, APP)
        names = [] if index is None else index.value["ids"]
        found = {name: await operators_app(self._store, name) for name in names}
        return {name: app for name, app in found.items() if app}

    async def put(self, integration_id: str, app: Mapping[str, Any]) -> None:
        """In place of the one before."""
        await self._note(lambda ids: ids | {integration_id})
        await self._store.secrets.put(APPS, integration_id, APP, app)

    async def remove(self, integration_id: str) -> None:
        await self._store.secrets.delete(APPS, integration_id)
        await self._note(lambda ids: ids - {integration_id})

    async def _note(self, change: Callable[[set[str]], set[str]]) -> None:
        for _ in range(_TRIES):
            index = await self._store.secrets.get(APPS, _INDEX, APP)
            before = set[str]() if index is None else set(index.value["ids"])
            after = change(before)
            if after == before:
                return
            version = 0 if index is None else index.version
            try:
                await self._store.secrets.put(APPS, _INDEX, APP, {"ids": sorted(after)}, version)
            except VersionConflict:
                continue
            return
        raise StorageUnavailable("the apps are being changed by others all the time")
