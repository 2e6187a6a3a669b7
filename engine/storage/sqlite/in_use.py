"""Has another process the database open? SQLite itself knows: its mode changes only for who is alone with the file."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from engine.storage.sqlite.connect import connect
from engine.storage.sqlite.faults import is_busy, translated
from engine.storage.sqlite.schema import form


def is_open_elsewhere(path: Path) -> bool:
    """Asked before the file is opened here. Raises `SettingsError`, `StorageUnavailable`, `StorageCorrupt`."""
    connection: sqlite3.Connection | None = None
    try:
        connection = connect(path, 0.0)
        form(connection)  # the file of another program stays as it is
        connection.execute("PRAGMA journal_mode = DELETE").fetchone()  # the store changes it back when it opens
    except sqlite3.Error as error:
        if is_busy(error):
            return True
        raise translated(error) from error
    finally:
        if connection is not None:
            connection.close()
    return False
