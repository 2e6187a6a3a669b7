"""The `Executions` port on SQLite.

`append` collects the rows of one turn of the event loop and commits them together: a hundred callers share one commit.
A row that had no company tells that the next ones will have none either: they are written at once, and every sixteenth
waits for a turn again to see. Rows come into `intake`, which has no index, and are moved into the indexed log in
batches; a list or a look-up reads both.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Sequence
from concurrent.futures import Future
from typing import Any, Final

from engine.errors import StorageUnavailable, VersionConflict
from engine.model import Execution, ExecutionStatus
from engine.storage.ports import ExecutionQuery
from engine.storage.sqlite.database import Database, Row
from engine.storage.sqlite.faults import translated

_COLUMNS: Final = (
    "execution_id, tenant_id, connection_id, integration_id, action_id, input, output, status,"
    " error_code, error_message, latency_ms, caller_service, caller_ref, created_at,"
    " provider_code, http_status, attempts, error_details"
)
_INSERT: Final = f"INSERT INTO intake ({_COLUMNS}) VALUES ({','.join('?' * 18)})"  # noqa: S608 - constants
_GET: Final = " UNION ALL ".join(
    f"SELECT {_COLUMNS} FROM {table} WHERE execution_id = ? AND tenant_id = ?"  # noqa: S608 - constants
    for table in ("executions", "intake")
)
_EXPIRE: Final = "DELETE FROM executions WHERE rowid IN (SELECT rowid FROM executions WHERE created_at < ? LIMIT ?)"
_MOVE: Final = f"INSERT OR IGNORE INTO executions ({_COLUMNS}) SELECT {_COLUMNS} FROM intake"  # noqa: S608 - constants
_MOVED: Final = "DELETE FROM intake"  # without a condition SQLite drops whole pages
_BATCH: Final = 250
_STATUSES: Final[tuple[str, ...]] = ExecutionStatus.__args__  # type: ignore[attr-defined]
_LARGE: Final = 256 * 1024
_BESIDE: Final = 800
"""Bytes that a row takes in the log beside its JSON, with its places in the indexes."""
_ALONE: Final = 15
"""So many rows are written at once after one that had no company."""

# For None and for bytes Python's sqlite3 looks for an adapter first, at eight times the price of another value.
# It takes a bytearray as it is; and a NaN, for which SQLite, which has none, stores NULL.
_NULL: Final = float("nan")


class _Turn:
    """The rows of one turn of the event loop (`size`: bytes of JSON), and how each went once that is known."""

    __slots__ = ("callers", "errors", "rows", "size", "unsettled")

    def __init__(self) -> None:
        self.rows: list[Row] = []
        self.size = 0
        self.unsettled = 0
        self.errors: dict[int, Exception] = {}
        self.callers: list[asyncio.Future[None]] = []

    def settle(self, numbers: Sequence[int], error: Exception | None) -> None:
        """Those rows are in the file, or went wrong."""
        self.unsettled -= len(numbers)
        if error is not None:
            self.errors.update(dict.fromkeys(numbers, error))
        if not self.unsettled:
            for caller in self.callers:
                if not caller.done():  # done: it was cancelled
                    caller.set_result(None)

    async def settled(self) -> None:
        """Waits for all of them."""
        caller = asyncio.get_running_loop().create_future()
        self.callers.append(caller)
        await caller


class SqliteExecutions:
    def __init__(self, database: Database) -> None:
        self._database = database
        self._turn = _Turn()
        self._unmoved = 0
        self._unmoved_size = 0
        self._alone = 0
        self._loop: asyncio.AbstractEventLoop | None = None

    async def append(self, execution: Execution) -> None:
        row = _values(execution)
        size = len(execution.input) + len(execution.output or b"")
        if not self._alone or size > _LARGE or not self._is_written(row, size):
            await self._append_together(row, size)

    def _is_written(self, row: Row, size: int) -> bool:
        """Write it by itself, now; False when the lock is taken. Raises what went wrong."""
        try:
            done = self._database.insert(_INSERT, (row,), size)
        except sqlite3.Error as error:
            raise _meaning(error) from error
        if done:
            self._alone -= 1
            self._moves_soon(1, size)
        return done

    async def _append_together(self, row: Row, size: int) -> None:
        loop = asyncio.get_running_loop()
        if loop is not self._loop:  # rows of a loop that is gone have no caller any more
            self._loop, self._turn = loop, _Turn()
        turn, number = self._turn, len(self._turn.rows)
        turn.rows.append(row)
        turn.size += size
        turn.unsettled += 1
        try:
            await asyncio.sleep(0)  # whoever comes in this turn of the loop is written with it
        finally:  # also for one that is cancelled: what was done stands in the log
            if turn is self._turn:
                self._flush()
        if turn.unsettled:
            await turn.settled()
        if number in turn.errors:
            raise turn.errors[number]

    async def get(self, tenant_id: str, execution_id: str) -> Execution | None:
        rows = await self._database.read(_GET, (execution_id, tenant_id, execution_id, tenant_id))
        return Execution(*rows[0]) if rows else None

    async def find(self, query: ExecutionQuery) -> list[Execution]:
        sql, values = listing(query)
        return [Execution(*row) for row in await self._database.read_aside(sql, values)]

    async def expire(self, before: float, batch: int = 1000) -> int:
        await asyncio.wrap_future(self._database.submit(_move_rows, durable=False))
        return await self._database.remove_in_steps(_EXPIRE, before, batch)

    def _moves_soon(self, rows: int, size: int) -> None:
        self._unmoved += rows
        self._unmoved_size += rows * _BESIDE + size
        if self._unmoved >= _BATCH:
            # What fails here stays in the intake, where it is read all the same, until the next batch.
            self._database.submit(_move_rows, durable=False, size=self._unmoved_size)
            self._unmoved = self._unmoved_size = 0

    def _flush(self) -> None:
        turn, self._turn = self._turn, _Turn()
        self._alone = _ALONE if len(turn.rows) == 1 else 0
        everything = range(len(turn.rows))
        if turn.size > _LARGE:
            self._hand_over(turn, everything)
        else:
            self._write(turn, everything)

    def _write(self, turn: _Turn, numbers: Sequence[int]) -> None:
        try:
            if not self._database.insert(_INSERT, [turn.rows[number] for number in numbers], turn.size):
                return self._hand_over(turn, numbers)
        except Exception as error:  # noqa: BLE001 - also a value that SQLite can't hold: no caller may be left waiting
            self._settle(turn, numbers, _meaning(error))
        else:
            turn.settle(numbers, None)
            self._moves_soon(len(numbers), turn.size)

    def _hand_over(self, turn: _Turn, numbers: Sequence[int]) -> None:
        """To the worker, which waits for locks and for large writes."""
        rows = [turn.rows[number] for number in numbers]

        def insert(db: sqlite3.Connection) -> None:
            db.executemany(_INSERT, rows)

        def settle(future: Future[None]) -> None:
            error = future.exception()
            loop.call_soon_threadsafe(self._settle, turn, numbers, _meaning(error) if error else None)

        loop = asyncio.get_running_loop()
        try:
            self._database.submit(insert, durable=False, size=turn.size).add_done_callback(settle)
        except StorageUnavailable as error:  # closed
            turn.settle(numbers, error)

    def _settle(self, turn: _Turn, numbers: Sequence[int], error: Exception | None) -> None:
        if error is not None and len(numbers) > 1:
            for number in numbers:  # one of them is at fault: alone, only that one fails
                self._write(turn, [number])
        else:
            turn.settle(numbers, error)


def _move_rows(db: sqlite3.Connection) -> None:
    # In a transaction that writes: nobody can add a row between the two.
    db.execute(_MOVE)
    db.execute(_MOVED)


def listing(query: ExecutionQuery) -> tuple[str, list[Any]]:
    """The statement of a list and its values.

    Each status is read in the order of its index, and SQLite merges them with the few rows of the intake.
    """
    statuses = _STATUSES if query.status is None else (query.status,)
    condition, values = _conditions(query)
    parts = [f"SELECT {_COLUMNS} FROM executions WHERE status = ? AND {condition}" for _ in statuses]  # noqa: S608
    wanted = [value for status in statuses for value in (status, *values)]
    new = condition if query.status is None else f"status = ? AND {condition}"
    parts.append(f"SELECT {_COLUMNS} FROM intake WHERE {new}")  # noqa: S608 - constants
    wanted += values if query.status is None else [query.status, *values]
    sql = f"{' UNION ALL '.join(parts)} ORDER BY created_at DESC, execution_id DESC LIMIT ?"
    return sql, [*wanted, query.limit]


def _conditions(query: ExecutionQuery) -> tuple[str, list[Any]]:
    parts = ["tenant_id = ?"]
    values: list[Any] = [query.tenant_id]
    for column, wanted in (("connection_id", query.connection_id), ("integration_id", query.integration_id)):
        if wanted is not None:
            parts.append(f"{column} = ?")
            values.append(wanted)
    if query.start is not None:
        parts.append("created_at >= ?")
        values.append(query.start)
    # Only the tighter of the two upper bounds, so that the index is entered at the right row.
    if query.after is not None and (query.end is None or query.after[0] < query.end):
        parts.append("(created_at, execution_id) < (?, ?)")
        values.extend(query.after)
    elif query.end is not None:
        parts.append("created_at < ?")
        values.append(query.end)
    return " AND ".join(parts), values


def _meaning(error: BaseException) -> Exception:
    if isinstance(error, sqlite3.IntegrityError):
        return VersionConflict("an execution with this id is in the log already")
    if isinstance(error, sqlite3.Error):
        return translated(error)
    return error if isinstance(error, Exception) else RuntimeError(type(error).__name__)


def _values(execution: Execution) -> Row:
    return (
        execution.execution_id,
        execution.tenant_id,
        _NULL if execution.connection_id is None else execution.connection_id,
        _NULL if execution.integration_id is None else execution.integration_id,
        execution.action_id,
        bytearray(execution.input),
        _NULL if execution.output is None else bytearray(execution.output),
        execution.status,
        _NULL if execution.error_code is None else execution.error_code,
        _NULL if execution.error_message is None else execution.error_message,
        execution.latency_ms,
        _NULL if execution.caller_service is None else execution.caller_service,
        _NULL if execution.caller_ref is None else execution.caller_ref,
        execution.created_at,
        _NULL if execution.provider_code is None else execution.provider_code,
        _NULL if execution.http_status is None else execution.http_status,
        execution.attempts,
        _NULL if execution.error_details is None else bytearray(execution.error_details),
    )
