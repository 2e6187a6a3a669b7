"""SQLite connections and transactions, all set up alike.

Every connection sees foreign writers only through WAL; none checkpoints on its own (see `checkpoint`).
"""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final, TypeVar

from engine.storage.private_file import sync_folder

T = TypeVar("T")

_SETTINGS: Final = (
    "synchronous = NORMAL",
    "wal_autocheckpoint = 0",
    "journal_size_limit = 67108864",  # a WAL that a long reader made grow is cut back to 64 MB
    "temp_store = MEMORY",
    "cache_size = -16000",
    "trusted_schema = OFF",
)

PATIENCE_SECONDS: Final = 5.0
"""How long an operation off the event loop waits for another process's lock."""


def connect(path: Path, patience: float) -> sqlite3.Connection:
    """A connection in autocommit mode that waits at most `patience` seconds for a lock.

    It may be used from any thread, by one at a time. Raises `sqlite3.Error`.
    """
    connection = sqlite3.connect(
        path, timeout=patience, isolation_level=None, check_same_thread=False, cached_statements=256
    )
    try:
        for setting in _SETTINGS:
            connection.execute(f"PRAGMA {setting}")
    except sqlite3.Error:
        connection.close()
        raise
    return connection


def create_file(path: Path) -> None:
    """The empty database file, mode 0600 (SQLite gives its WAL the same mode), unless it is there. Raises `OSError`."""
    try:
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
    except FileExistsError:
        return
    sync_folder(path.parent)


def use_wal(connection: sqlite3.Connection) -> None:
    """Switch the file to WAL. The switch does not wait for locks by itself, so this does. Raises `sqlite3.Error`."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while True:
        try:
            if connection.execute("PRAGMA journal_mode").fetchone() == ("wal",):
                return
            connection.execute("PRAGMA journal_mode = WAL").fetchone()
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() > deadline:
                raise
        time.sleep(0.01)


def transact(connection: sqlite3.Connection, job: Callable[[sqlite3.Connection], T]) -> T:
    """Run `job` in a transaction of its own; whatever it raises, nothing of it stays."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        result = job(connection)
        connection.execute("COMMIT")
        return result
    finally:
        # Still open = something was raised; some failures (full disk) have already rolled back.
        if connection.in_transaction:
            connection.execute("ROLLBACK")
