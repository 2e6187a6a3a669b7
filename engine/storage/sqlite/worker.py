"""The thread that writes where the event loop must not wait: durable changes, and changes that met a lock.

What lies in the queue goes into one transaction, so many durable changes share one fsync.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from pathlib import Path
from queue import SimpleQueue
from typing import Any, Final, Generic, TypeVar

from engine.errors import StorageUnavailable
from engine.storage.sqlite.connect import PATIENCE_SECONDS, connect, transact
from engine.storage.sqlite.faults import is_busy, translated

T = TypeVar("T")

Write = Callable[[sqlite3.Connection], T]
"""A change. It may run again after a rollback, so it touches nothing but the connection."""

_TOGETHER: Final = 64


class _Job(Generic[T]):
    __slots__ = ("durable", "future", "write")

    def __init__(self, write: Write[T], *, durable: bool) -> None:
        self.write = write
        self.durable = durable
        self.future: Future[T] = Future()


class Worker:
    """One thread with one connection; both start with the first job."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._queue: SimpleQueue[_Job[Any] | None] = SimpleQueue()
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._connection: sqlite3.Connection | None = None
        self._full_sync = False
        self._closed = False

    def submit(self, write: Write[T], *, durable: bool) -> Future[T]:
        """Do it in a transaction; the future resolves after the commit (`durable`: after its fsync too).

        It fails with what `write` raised, or with a `StorageError`. Raises `StorageUnavailable` after `close`.
        """
        job = _Job(write, durable=durable)
        with self._lock:
            if self._closed:
                raise StorageUnavailable("the store is closed")
            if self._thread is None:
                self._thread = threading.Thread(target=self._serve, name="sqlite-writer", daemon=True)
                self._thread.start()
            self._queue.put(job)
        return job.future

    def close(self) -> None:
        """Finish what is queued, then stop. Waits."""
        with self._lock:
            self._closed = True
            self._queue.put(None)
        if self._thread is not None:
            self._thread.join()

    def _serve(self) -> None:
        going = True
        while going:
            jobs, going = self._next()
            self._settle([job for job in jobs if job.future.set_running_or_notify_cancel()])
        if self._connection is not None:
            self._connection.close()

    def _next(self) -> tuple[list[_Job[Any]], bool]:
        """All jobs that wait, at least one; False with the last."""
        jobs: list[_Job[Any]] = []
        while len(jobs) < _TOGETHER and not (jobs and self._queue.empty()):
            job = self._queue.get()
            if job is None:
                return jobs, False
            jobs.append(job)
        return jobs, True

    def _settle(self, jobs: Sequence[_Job[Any]]) -> None:
        try:
            results = self._commit(jobs) if jobs else []
        except Exception as error:  # noqa: BLE001 - a job may raise anything, and its caller must get it: the thread lives on
            busy = isinstance(error, sqlite3.Error) and is_busy(error)
            if len(jobs) > 1 and not busy:
                for job in jobs:  # one of them is at fault: alone, only that one fails
                    self._settle([job])
                return
            for job in jobs:
                job.future.set_exception(translated(error) if isinstance(error, sqlite3.Error) else error)
        else:
            for job, result in zip(jobs, results, strict=True):
                job.future.set_result(result)

    def _commit(self, jobs: Sequence[_Job[Any]]) -> list[Any]:
        if self._connection is None:
            self._connection = connect(self._path, PATIENCE_SECONDS)
        full = any(job.durable for job in jobs)
        if full != self._full_sync:
            self._connection.execute(f"PRAGMA synchronous = {'FULL' if full else 'NORMAL'}")
            self._full_sync = full
        return transact(self._connection, lambda connection: [job.write(connection) for job in jobs])
