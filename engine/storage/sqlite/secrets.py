"""The `Secrets` port on SQLite: each value sealed for its tenant, its place and its version. Changes are durable."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from typing import Any, Final

from engine.errors import VersionConflict
from engine.library import exact
from engine.storage.ports import Secret
from engine.storage.sqlite.database import Database
from engine.storage.vault import EnvelopeVault

_ROW: Final = "WHERE tenant_id = ? AND connection_id = ? AND name = ?"
_GET: Final = f"SELECT version, sealed FROM secrets {_ROW}"  # noqa: S608 - constants
_VERSION: Final = f"SELECT version FROM secrets {_ROW}"  # noqa: S608 - constants
_NAMES: Final = "SELECT name FROM secrets WHERE tenant_id = ? AND connection_id = ?"
_PUT: Final = (
    "INSERT INTO secrets (tenant_id, connection_id, name, version, sealed) VALUES (?,?,?,?,?)"
    " ON CONFLICT DO UPDATE SET version = excluded.version, sealed = excluded.sealed"
)
_DELETE: Final = "DELETE FROM secrets WHERE tenant_id = ? AND connection_id = ?"


class SqliteSecrets:
    def __init__(self, database: Database, vault: EnvelopeVault) -> None:
        self._database = database
        self._vault = vault

    async def get(self, tenant_id: str, connection_id: str, name: str) -> Secret | None:
        rows = await self._database.read(_GET, (tenant_id, connection_id, name))
        if not rows:
            return None
        version, sealed = rows[0]
        plain = self._vault.open(tenant_id, _context(connection_id, name, version), sealed)
        return Secret(exact.loads(plain), version)

    async def find(self, tenant_id: str, connection_id: str) -> dict[str, Secret]:
        names = [row[0] for row in await self._database.read(_NAMES, (tenant_id, connection_id))]
        found = {name: await self.get(tenant_id, connection_id, name) for name in names}
        return {name: secret for name, secret in found.items() if secret is not None}

    async def put(
        self, tenant_id: str, connection_id: str, name: str, value: Mapping[str, Any], expected: int | None = None
    ) -> int:
        plain = exact.dumps(dict(value))
        await self._vault.prepare(tenant_id)
        seal = self._vault.sealer(tenant_id)

        def store(db: sqlite3.Connection) -> int:
            row = db.execute(_VERSION, (tenant_id, connection_id, name)).fetchone()
            present = row[0] if row else 0
            if expected is not None and expected != present:
                raise VersionConflict("the secret was changed or deleted meanwhile")
            version = int(present) + 1
            sealed = seal(_context(connection_id, name, version), plain)
            db.execute(_PUT, (tenant_id, connection_id, name, version, sealed))
            return version

        return await self._database.write_durable(store)

    async def delete(self, tenant_id: str, connection_id: str) -> None:
        def remove(db: sqlite3.Connection) -> None:
            db.execute(_DELETE, (tenant_id, connection_id))

        await self._database.write_durable(remove)


def _context(connection_id: str, name: str, version: int) -> str:
    # The version is bound too: an older sealed value can't be put back under a newer version.
    return f"secret|{connection_id}|{name}|{version}"
