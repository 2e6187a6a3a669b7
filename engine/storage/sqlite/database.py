"""One database file as a process sees it: what runs on the event loop, and what runs beside it.

inline   a connection with synchronous=NORMAL and no patience: a statement of some 10 µs runs on the loop itself.
         A commit survives kill -9 (it is in the page cache). Where another writer holds the lock, the same
         change goes to the worker, so the loop never waits.
worker   a thread that waits for locks and, for durable changes, for the disk (synchronous=FULL).
reader   a connection for lists, which may be long; used in threads.
"""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from contextlib import suppress
from pathlib import Path
from typing import Any, Final, TypeVar

from engine.storage.sqlite.checkpoint import LARGEST_WAL, Checkpointer
from engine.storage.sqlite.connect import PATIENCE_SECONDS, connect, transact
from engine.storage.sqlite.faults import is_busy, translated
from engine.storage.sqlite.worker import Worker, Write

T = TypeVar("T")
Row = tuple[Any, ...]

_PAGE: Final = 4096
_PAGES_PER_NUDGE: Final = LARGEST_WAL // _PAGE
_BYTES_PER_ROW: Final = 300
_PAGES_PER_CHANGE: Final = 7
"""Of a table with its indexes."""
_REMOVED_TOGETHER: Final = 250


class Database:
    """`inline` is the connection that was used to set the file up. Times come from `now` (epoch seconds)."""

    def __init__(self, path: Path, inline: sqlite3.Connection, now: Callable[[], float]) -> None:
        self.now = now
        self._path = path
        self._inline = inline
        self._one_by_one = inline.cursor()  # one that is kept: to make one costs as much as to bind a few values
        self._worker = Worker(path)
        self._checkpointer = Checkpointer(path)
        self._reader: sqlite3.Connection | None = None
        self._reading = threading.Lock()
        self._pages = 0

    async def read(self, sql: str, values: Sequence[Any]) -> list[Row]:
        """Rows of a short query, on the loop."""
        try:
            return self._inline.execute(sql, values).fetchall()
        except sqlite3.Error as error:
            if not is_busy(error):
                raise translated(error) from error
        return await self.read_aside(sql, values)

    async def read_aside(self, sql: str, values: Sequence[Any]) -> list[Row]:
        """Rows of a query that may be long or large, beside the loop."""
        return await asyncio.to_thread(self.read_waiting, sql, values)

    def read_waiting(self, sql: str, values: Sequence[Any]) -> list[Row]:
        """The same without a loop: waits."""
        try:
            with self._reading:
                if self._reader is None:
                    self._reader = connect(self._path, PATIENCE_SECONDS)
                return self._reader.execute(sql, values).fetchall()
        except sqlite3.Error as error:
            raise translated(error) from error

    def read_now(self, sql: str, values: Sequence[Any]) -> list[Row]:
        """Rows of a short query for callers that can't await; waits only where a lock is met."""
        try:
            return self._inline.execute(sql, values).fetchall()
        except sqlite3.Error as error:
            if not is_busy(error):
                raise translated(error) from error
        return self.read_waiting(sql, values)

    def data_version(self) -> int:
        """Another number as soon as another connection has changed the file."""
        (version,) = self._inline.execute("PRAGMA data_version").fetchone()
        return int(version)

    async def write(self, write: Write[T]) -> T:
        """A change of one statement, on the loop. Survives kill -9."""
        try:
            result = write(self._inline)
        except sqlite3.Error as error:
            if not is_busy(error):
                raise translated(error) from error
        else:
            self._count(_PAGES_PER_CHANGE)
            return result
        return await asyncio.wrap_future(self.submit(write, durable=False))

    async def write_durable(self, write: Write[T]) -> T:
        """A change, beside the loop. Survives power loss."""
        return await asyncio.wrap_future(self.submit(write, durable=True))

    def insert(self, sql: str, rows: Sequence[Row], size: int) -> bool:
        """Add rows to a table without an index, in one transaction, on the loop. `size`: bytes of what is long in them.

        False when the lock is taken and nothing was written. Raises `sqlite3.Error`.
        """
        try:
            if len(rows) == 1:
                self._one_by_one.execute(sql, rows[0])
            else:
                transact(self._inline, lambda connection: connection.executemany(sql, rows))
        except sqlite3.Error as error:
            if is_busy(error):
                return False
            raise
        self._count(1 + (len(rows) * _BYTES_PER_ROW + size) // _PAGE)
        return True

    async def remove_in_steps(self, sql: str, before: float, most: int) -> int:
        """Delete at most `most` rows in short transactions; `sql` takes (before, limit). Returns how many."""
        removed = 0
        while removed < most:
            step = min(_REMOVED_TOGETHER, most - removed)
            count = await asyncio.wrap_future(self.submit(_deletion(sql, before, step), durable=False))
            removed += count
            if count < step:
                break
        return removed

    def submit(self, write: Write[T], *, durable: bool, size: int = 0) -> Future[T]:
        """A change of about `size` bytes, beside the loop. Raises `StorageUnavailable` when closed."""
        self._count(_PAGES_PER_CHANGE + size // _PAGE)
        return self._worker.submit(write, durable=durable)

    def close(self) -> None:
        """Finish what is queued and let go of the file. Waits. The last process to close removes the WAL."""
        self._worker.close()
        self._checkpointer.close()
        with self._reading:
            if self._reader is not None:
                self._reader.close()
        with suppress(sqlite3.ProgrammingError):  # a row is being written, or it was closed before
            self._one_by_one.close()  # a statement that failed stays in it, and would hold the file
        self._inline.close()

    def _count(self, pages: int) -> None:
        self._pages += pages
        if self._pages >= _PAGES_PER_NUDGE:
            self._pages = 0
            self._checkpointer.nudge()


def _deletion(sql: str, before: float, limit: int) -> Write[int]:
    return lambda connection: connection.execute(sql, (before, limit)).rowcount
