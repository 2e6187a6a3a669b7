"""The `Executions` port on SQLite.

`append` collects the rows of one turn of the event loop and commits them together: a sole caller waits for one turn,
a hundred callers share one commit. Rows come into `intake`, which has no index, and are moved into the indexed log
in batches; a list or a look-up reads both.
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
_LAST: Final = "SELECT max(rowid) FROM intake"
_MOVE: Final = f"INSERT OR IGNORE INTO executions ({_COLUMNS}) SELECT {_COLUMNS} FROM intake WHERE rowid <= ?"  # noqa: S608
_MOVED: Final = "DELETE FROM intake WHERE rowid <= ?"
_BATCH: Final = 250
_STATUSES: Final[tuple[str, ...]] = ExecutionStatus.__args__  # type: ignore[attr-defined]
_LARGE: Final = 256 * 1024


class _Waiting:
    """A row, and how it went once that is known."""

    __slots__ = ("done", "error", "is_settled", "row")

    def __init__(self, row: Row) -> None:
        self.row = row
        self.is_settled = False
        self.error: Exception | None = None
        self.done: asyncio.Future[None] | None = None

    def finish(self, error: Exception | None) -> None:
        self.is_settled, self.error = True, error
        if self.done is not None and not self.done.done():  # done: the caller was cancelled
            self.done.set_result(None)

    async def settled(self) -> None:
        """Raises what went wrong."""
        if not self.is_settled:
            self.done = asyncio.get_running_loop().create_future()
            await self.done
        if self.error is not None:
            raise self.error


class SqliteExecutions:
    def __init__(self, database: Database) -> None:
        self._database = database
        self._waiting: list[_Waiting] = []
        self._bytes = 0
        self._unmoved = 0
        self._loop: asyncio.AbstractEventLoop | None = None

    async def append(self, execution: Execution) -> None:
        loop = asyncio.get_running_loop()
        if loop is not self._loop:  # rows of a loop that is gone have no caller any more
            self._loop, self._waiting, self._bytes = loop, [], 0
        together, mine = self._waiting, _Waiting(_values(execution))
        together.append(mine)
        self._bytes += len(execution.input) + len(execution.output or b"")
        try:
            await asyncio.sleep(0)  # whoever comes in this turn of the loop is written with it
        finally:  # also for one that is cancelled: what was done stands in the log
            if together is self._waiting:
                self._flush()
        await mine.settled()

    async def get(self, tenant_id: str, execution_id: str) -> Execution | None:
        rows = await self._database.read(_GET, (execution_id, tenant_id, execution_id, tenant_id))
        return Execution(*rows[0]) if rows else None

    async def find(self, query: ExecutionQuery) -> list[Execution]:
        sql, values = listing(query)
        return [Execution(*row) for row in await self._database.read_aside(sql, values)]

    async def expire(self, before: float, batch: int = 1000) -> int:
        await asyncio.wrap_future(self._database.submit(_move_rows, durable=False))
        return await self._database.remove_in_steps(_EXPIRE, before, batch)

    def _moves_soon(self, rows: int) -> None:
        self._unmoved += rows
        if self._unmoved >= _BATCH:
            self._unmoved = 0
            # What fails here stays in the intake, where it is read all the same, until the next batch.
            self._database.submit(_move_rows, durable=False)

    def _flush(self) -> None:
        waiting, self._waiting = self._waiting, []
        size, self._bytes = self._bytes, 0
        if size > _LARGE:
            self._hand_over(waiting, size)
        else:
            self._write(waiting)

    def _write(self, waiting: Sequence[_Waiting]) -> None:
        try:
            if not self._database.write_many(_INSERT, [each.row for each in waiting]):
                return self._hand_over(waiting)
        except Exception as error:  # noqa: BLE001 - also a value that SQLite can't hold: no caller may be left waiting
            self._settle(waiting, _meaning(error))
        else:
            self._settle(waiting, None)
            self._moves_soon(len(waiting))

    def _hand_over(self, waiting: Sequence[_Waiting], size: int = 0) -> None:
        """To the worker, which waits for locks and for large writes."""
        rows = [each.row for each in waiting]

        def insert(db: sqlite3.Connection) -> None:
            db.executemany(_INSERT, rows)

        def settle(future: Future[None]) -> None:
            error = future.exception()
            loop.call_soon_threadsafe(self._settle, waiting, _meaning(error) if error else None)

        loop = asyncio.get_running_loop()
        try:
            self._database.submit(insert, durable=False, size=size).add_done_callback(settle)
        except StorageUnavailable as error:  # closed
            for each in waiting:
                each.finish(error)

    def _settle(self, waiting: Sequence[_Waiting], error: Exception | None) -> None:
        if error is not None and len(waiting) > 1:
            for each in waiting:  # one of them is at fault: alone, only that one fails
                self._write([each])
            return
        for each in waiting:
            each.finish(error)


def _move_rows(db: sqlite3.Connection) -> None:
    (last,) = db.execute(_LAST).fetchone()
    if last is not None:
        db.execute(_MOVE, (last,))
        db.execute(_MOVED, (last,))


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
        execution.connection_id,
        execution.integration_id,
        execution.action_id,
        execution.input,
        execution.output,
        execution.status,
        execution.error_code,
        execution.error_message,
        execution.latency_ms,
        execution.caller_service,
        execution.caller_ref,
        execution.created_at,
        execution.provider_code,
        execution.http_status,
        execution.attempts,
        execution.error_details,
    )
