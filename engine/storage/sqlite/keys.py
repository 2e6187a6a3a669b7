"""The vault's `KeyTable` on SQLite. Changes are durable."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from typing import Final

from engine.errors import StorageCorrupt
from engine.storage.sqlite.database import Database
from engine.storage.vault import MasterProof, WrappedKey

_PROOFS: Final = "SELECT key_id, proof, current FROM master_keys ORDER BY current DESC, key_id"
_CURRENT: Final = "SELECT key_id FROM master_keys WHERE current"
_CLAIM: Final = "INSERT INTO master_keys (key_id, proof, current) VALUES (?,?,1)"
_ANNOUNCE: Final = f"{_CLAIM} ON CONFLICT DO UPDATE SET current = 1"
_LOAD: Final = "SELECT tenant_id, key_id, wrapped FROM tenant_keys WHERE tenant_id = ?"
_CREATE: Final = "INSERT INTO tenant_keys (tenant_id, key_id, wrapped) VALUES (?,?,?)"
_UNDER_OTHERS: Final = (
    "SELECT tenant_id, key_id, wrapped FROM tenant_keys WHERE tenant_id > ? AND key_id <> ? ORDER BY tenant_id LIMIT ?"
)
_COUNT_OTHERS: Final = "SELECT count(*) FROM tenant_keys WHERE key_id <> ?"
_REWRAP: Final = "UPDATE tenant_keys SET key_id = ?, wrapped = ? WHERE tenant_id = ? AND key_id = ?"


class SqliteKeys:
    def __init__(self, database: Database) -> None:
        self._database = database

    def proofs(self) -> list[MasterProof]:
        return [MasterProof(*row) for row in self._database.read_now(_PROOFS, ())]

    def claim(self, proof: MasterProof) -> list[MasterProof]:
        def write(db: sqlite3.Connection) -> None:
            if not db.execute(_PROOFS).fetchall():
                db.execute(_CLAIM, (proof.key_id, proof.proof))

        self._database.submit(write, durable=True).result()
        return self.proofs()

    def load(self, tenant_id: str) -> WrappedKey | None:
        rows = self._database.read_now(_LOAD, (tenant_id,))
        return WrappedKey(*rows[0]) if rows else None

    def create(self, tenant_id: str, wrap: Callable[[str], bytes]) -> Future[WrappedKey]:
        def write(db: sqlite3.Connection) -> WrappedKey:
            # Read under the write lock: whoever announced a new master key before us is seen here.
            stored = db.execute(_LOAD, (tenant_id,)).fetchone()
            if stored is not None:
                return WrappedKey(*stored)
            current = db.execute(_CURRENT).fetchone()
            if current is None:
                raise StorageCorrupt("the database names no current master key: restore it from a backup")
            key = WrappedKey(tenant_id, current[0], wrap(current[0]))
            db.execute(_CREATE, (key.tenant_id, key.key_id, key.wrapped))
            return key

        return self._database.submit(write, durable=True)

    def announce(self, proof: MasterProof) -> Future[int]:
        def write(db: sqlite3.Connection) -> int:
            db.execute("UPDATE master_keys SET current = 0")
            db.execute(_ANNOUNCE, (proof.key_id, proof.proof))
            return int(db.execute(_COUNT_OTHERS, (proof.key_id,)).fetchone()[0])

        return self._database.submit(write, durable=True)

    def under_others(self, key_id: str, after: str, limit: int) -> list[WrappedKey]:
        return [WrappedKey(*row) for row in self._database.read_now(_UNDER_OTHERS, (after, key_id, limit))]

    def rewrap(self, key_id: str, pairs: Sequence[tuple[WrappedKey, bytes]]) -> Future[bool]:
        rows = [(key_id, wrapped, old.tenant_id, old.key_id) for old, wrapped in pairs]

        def write(db: sqlite3.Connection) -> bool:
            if db.execute(_CURRENT).fetchone() != (key_id,):
                return False
            db.executemany(_REWRAP, rows)
            return True

        return self._database.submit(write, durable=True)

    def retire(self, key_id: str) -> Future[bool]:
        def write(db: sqlite3.Connection) -> bool:
            (others,) = db.execute(_COUNT_OTHERS, (key_id,)).fetchone()
            if others or db.execute(_CURRENT).fetchone() != (key_id,):
                return False
            db.execute("DELETE FROM master_keys WHERE key_id <> ?", (key_id,))
            return True

        return self._database.submit(write, durable=True)
