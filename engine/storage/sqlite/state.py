"""The `State` port on SQLite: one statement a change.

A record starts at a random version, so that a version read before a record expired or was deleted never fits a later
record of the same key (a lease taken over by another process).
"""

from __future__ import annotations

import secrets
import sqlite3
from typing import Final

from engine.storage.ports import Record
from engine.storage.sqlite.cache import Cache, Freshness
from engine.storage.sqlite.database import Database, Row

_LONGEST_KEY: Final = 512

_GET: Final = "SELECT value, version, expires_at FROM state WHERE key = ? AND expires_at > ?"
_SET: Final = (
    "INSERT INTO state (key, value, version, expires_at) VALUES (?,?,?,?)"
    " ON CONFLICT (key) DO UPDATE SET value = excluded.value, version = excluded.version,"
    " expires_at = excluded.expires_at"
)
_CREATE: Final = f"{_SET} WHERE state.expires_at <= ?"
_CHANGE: Final = (
    "UPDATE state SET value = ?, version = version + 1, expires_at = ? WHERE key = ? AND version = ? AND expires_at > ?"
)
_DELETE: Final = "DELETE FROM state WHERE key = ? AND expires_at > ?"
_FIND: Final = (
    "SELECT key, value, version, expires_at FROM state WHERE key >= ? AND key < ? AND expires_at > ?"
    " ORDER BY key LIMIT ?"
)
_LAST_CHARACTER: Final = "\U0010ffff"
_EXPIRE: Final = "DELETE FROM state WHERE rowid IN (SELECT rowid FROM state WHERE expires_at <= ? LIMIT ?)"


_UNREAD: Final = Record(b"", 0, 0.0)


class SqliteState:
    def __init__(self, database: Database, freshness: Freshness) -> None:
        self._database = database
        self._cache: Cache[Record | None] = Cache(freshness)

    async def get(self, key: str) -> Record | None:
        known = self._cache.get(key, _UNREAD)
        if known is _UNREAD:
            mark = self._cache.mark()
            rows = await self._database.read(_GET, (key, self._database.now()))
            known = Record(*rows[0]) if rows else None
            self._cache.keep(key, known, mark)
        return known if known is not None and known.expires_at > self._database.now() else None

    def lacks(self, *keys: str) -> bool:
        known = self._cache.known()
        for key in keys:  # noqa: SIM110 - `all` costs twice, and every call comes by here
            if known.get(key, _UNREAD) is not None:
                return False
        return True

    async def put(
        self, key: str, value: bytes, *, expected: int | None, ttl_seconds: float, durable: bool = False
    ) -> int | None:
        if len(key) > _LONGEST_KEY:
            raise ValueError(f"a state key has at most {_LONGEST_KEY} characters")
        now = self._database.now()
        until = now + ttl_seconds
        version = expected + 1 if expected else secrets.randbits(48) + 1
        values: Row
        if expected:
            sql, values = _CHANGE, (value, until, key, expected, now)
        elif expected is None:
            sql, values = _SET, (key, value, version, until)
        else:
            sql, values = _CREATE, (key, value, version, until, now)

        def change(db: sqlite3.Connection) -> int | None:
            return version if db.execute(sql, values).rowcount == 1 else None

        self._cache.drop(key)
        mark = self._cache.mark()
        if durable:
            try:
                return await self._database.write_durable(change)
            finally:
                self._cache.drop(key)  # what was read while this waited
        written = await self._database.write(change)
        if written is not None:
            self._cache.keep(key, Record(value, written, until), mark)
        return written

    async def delete(self, key: str, expected: int | None = None) -> bool:
        sql = _DELETE
        values: Row = (key, self._database.now())
        if expected is not None:
            sql, values = f"{sql} AND version = ?", (*values, expected)

        def remove(db: sqlite3.Connection) -> bool:
            return db.execute(sql, values).rowcount == 1

        self._cache.drop(key)
        try:
            return await self._database.write(remove)
        finally:
            self._cache.drop(key)

    async def find(self, prefix: str, limit: int = 1000) -> list[tuple[str, Record]]:
        values = (prefix, prefix + _LAST_CHARACTER, self._database.now(), limit)
        return [(key, Record(*rest)) for key, *rest in await self._database.read_aside(_FIND, values)]

    async def expire(self, batch: int = 1000) -> int:
        return await self._database.remove_in_steps(_EXPIRE, self._database.now(), batch)
