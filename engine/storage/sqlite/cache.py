"""Records that this process has read, for as long as nobody else has changed the file.

SQLite's `data_version` tells whether another connection committed something. It is asked at most every 20 ms, so a
change of another process is seen that late at most; this process's own changes are seen at once. What must not be
decided on an old record is decided by compare-and-set, which the database checks itself.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Mapping
from typing import Final, Generic, TypeVar

from engine.storage.sqlite.database import Database
from engine.storage.sqlite.faults import is_busy, translated

T = TypeVar("T")

LOOK_SECONDS: Final = 0.02
_MOST: Final = 10_000


class Freshness:
    """Counts the changes that others made to the file."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._version = 0
        self.until = 0.0
        """Monotonic seconds; from then on `look` before `generation` is used."""
        self.generation = 0
        """How many times the file was found changed."""

    def look(self) -> None:
        self.until = time.monotonic() + LOOK_SECONDS
        try:
            version = self._database.data_version()
        except sqlite3.Error as error:
            if not is_busy(error):
                raise translated(error) from error
            version = -1
        if version != self._version:
            self._version = version
            self.generation += 1


class Cache(Generic[T]):
    """Values by key, forgotten when the file was changed by others.

    A value is kept with the `mark` taken before it was read or written: where that had to wait, somebody may have
    changed the record meanwhile, and what was forgotten then must not come back.
    """

    def __init__(self, freshness: Freshness) -> None:
        self._freshness = freshness
        self._generation = -1
        self._drops = 0
        self._values: dict[object, T] = {}

    def get(self, key: object, missing: T) -> T:
        return self.known().get(key, missing)

    def known(self) -> Mapping[object, T]:
        """All that is kept, as of now: for whoever asks for several at once."""
        freshness = self._freshness
        if time.monotonic() >= freshness.until:
            freshness.look()
        if freshness.generation != self._generation:
            self._values.clear()
            self._generation = freshness.generation
        return self._values

    def mark(self) -> tuple[int, int]:
        """Another one as soon as something was forgotten."""
        return self._freshness.generation, self._drops

    def keep(self, key: object, value: T, mark: tuple[int, int]) -> None:
        if mark != self.mark():
            self._values.pop(key, None)
            return
        if len(self._values) >= _MOST:
            self._values.clear()
        self._values[key] = value

    def drop(self, key: object) -> None:
        self._drops += 1
        self._values.pop(key, None)
