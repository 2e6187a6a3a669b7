"""What SQLite's errors mean here: the one place where `sqlite3.Error` becomes an error of the engine."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from typing import Final

from engine.errors import StorageCorrupt, StorageUnavailable

_BUSY: Final = {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}
_CORRUPT: Final = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}

_UNAVAILABLE: Final[Mapping[int, str]] = {
    sqlite3.SQLITE_BUSY: "another process holds the database for too long",
    sqlite3.SQLITE_LOCKED: "another process holds the database for too long",
    sqlite3.SQLITE_PROTOCOL: "another process holds the database for too long",
    sqlite3.SQLITE_FULL: "the disk is full",
    sqlite3.SQLITE_READONLY: "the database can't be written (read-only file or folder)",
    sqlite3.SQLITE_PERM: "the database can't be opened (no permission)",
    sqlite3.SQLITE_CANTOPEN: "the database can't be opened (no permission, or too many open files)",
    sqlite3.SQLITE_IOERR: "reading or writing the database file failed",
    sqlite3.SQLITE_NOMEM: "out of memory",
    sqlite3.SQLITE_TOOBIG: "a record is too big",
}


def is_busy(error: sqlite3.Error) -> bool:
    """Somebody else holds the lock: the same operation may work in a moment."""
    return _code(error) in _BUSY


def translated(error: sqlite3.Error) -> Exception:
    """The engine's error for it; a mistake of our own (wrong SQL) stays what it is."""
    code = _code(error)
    if code in _CORRUPT:
        return StorageCorrupt(f"the database file is damaged or is none ({error}): restore it from a backup")
    if code is not None and code in _UNAVAILABLE:
        return StorageUnavailable(f"{_UNAVAILABLE[code]} ({error})")
    if code is None and "closed" in str(error):
        return StorageUnavailable("the store is closed")
    return error


def _code(error: sqlite3.Error) -> int | None:
    """The primary result code; None for errors of the Python module itself."""
    extended: int | None = getattr(error, "sqlite_errorcode", None)
    return None if extended is None else extended & 0xFF
