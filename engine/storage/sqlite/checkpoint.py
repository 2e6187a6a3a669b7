"""The thread that moves the WAL into the database file, so that no call ever pays for it.

The WAL starts anew then and keeps its file: writing over pages of a file costs half of making it longer.
"""

from __future__ import annotations

import sqlite3
import threading
from pathlib import Path
from typing import Final

from engine.storage.sqlite.connect import connect

LARGEST_WAL: Final = 4 * 1024 * 1024
_PATIENCE_SECONDS: Final = 0.1


class Checkpointer:
    """Sleeps until nudged; then checkpoints if the WAL has grown to 4 MB."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._wal = path.with_name(path.name + "-wal")
        self._nudged = threading.Event()
        self._thread: threading.Thread | None = None
        self._closing = False

    def nudge(self) -> None:
        """About 4 MB were written since the last time."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._serve, name="sqlite-checkpoint", daemon=True)
            self._thread.start()
        self._nudged.set()

    def close(self) -> None:
        """Stop. Waits for a checkpoint under way."""
        self._closing = True
        self._nudged.set()
        if self._thread is not None:
            self._thread.join()

    def _serve(self) -> None:
        connection: sqlite3.Connection | None = None
        while not self._closing:
            self._nudged.wait()
            self._nudged.clear()
            if self._is_large():
                try:
                    connection = connection or connect(self._path, _PATIENCE_SECONDS)
                    _checkpoint(connection)
                except sqlite3.Error:
                    # Full disk, locked: the WAL stays and is complete; writers meet the error themselves.
                    continue
        if connection is not None:
            connection.close()

    def _is_large(self) -> bool:
        try:
            return self._wal.stat().st_size > LARGEST_WAL
        except OSError:
            return False


def _checkpoint(connection: sqlite3.Connection) -> None:
    # Most of it beside the writers; then the rest, which stops them for a moment, so that the WAL starts anew.
    connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
    connection.execute("PRAGMA wal_checkpoint(RESTART)").fetchone()
