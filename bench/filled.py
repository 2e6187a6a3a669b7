"""A store whose log holds so many executions of one tenant, spread over its thirty days, and what is asked of it."""

from __future__ import annotations

import asyncio
import sys
import tempfile
from collections.abc import Callable, Coroutine, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, TypeVar

import uvloop
from ulid import ULID

from bench.measure import Chunk
from engine.model import Execution
from engine.storage.ports import ExecutionQuery, Store
from engine.storage.sqlite import open_store

TENANT: Final = "bench"
_DAY: Final = 86_400.0
_DAYS: Final = 30
_END: Final = 1_800_000_000.0
_BATCH: Final = 1_000
_PAGE: Final = 51
"""As the API asks: a page of fifty, and one to see whether there are more."""
_INPUT: Final = (
    b'{"fromDistrictId":1454,"toDistrictId":1442,"toWardCode":"20101","weight":1200,"insuranceValue":500000}'
)
_OUTPUT: Final = b'{"fee":36300,"currency":"VND","breakdown":{"mainFee":36300,"insurance":0}}'
Ask = Callable[["Filled"], Coroutine[Any, Any, int]]
_T = TypeVar("_T")


class Filled:
    """An open store of `size` executions and a loop to use it on."""

    def __init__(self, store: Store, runner: asyncio.Runner, size: int) -> None:
        self.store = store
        self.size = size
        self._runner = runner
        self._added = 0

    @classmethod
    @contextmanager
    def opened(cls, size: int) -> Iterator[Filled]:
        with (
            tempfile.TemporaryDirectory() as folder,
            asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner,
        ):
            store = open_store(data_dir=Path(folder))
            try:
                filled = cls(store, runner, size)
                runner.run(filled._fill())
                yield filled
            finally:
                runner.run(store.lifetime.close())

    def run(self, asked: Coroutine[Any, Any, _T]) -> _T:
        return self._runner.run(asked)

    def asking(self, ask: Ask) -> Chunk:
        """Raises `RuntimeError` for an answer without rows."""

        async def many(calls: int) -> None:
            for _ in range(calls):
                if not await ask(self):
                    raise RuntimeError("the list is empty")

        return lambda calls: self._runner.run(many(calls))

    def logging(self) -> Chunk:
        """One execution after the other, each waited for."""

        async def many(calls: int) -> None:
            for _ in range(calls):
                self._added += 1
                await self.store.executions.append(self.execution(self.size + self._added, _END + self._added))

        return lambda calls: self._runner.run(many(calls))

    async def find(self, query: ExecutionQuery) -> int:
        return len(await self.store.executions.find(query))

    async def get(self) -> int:
        """One from the middle."""
        return 1 if await self.store.executions.get(TENANT, self._at(self.size // 2).execution_id) else 0

    async def _fill(self) -> None:
        for start in range(0, self.size, _BATCH):
            rows = [self._at(number) for number in range(start, min(start + _BATCH, self.size))]
            await asyncio.gather(*map(self.store.executions.append, rows))
            _progress(start + len(rows), self.size)
        await self.store.executions.expire(0.0)  # moves the newest rows to where all others are

    def _at(self, number: int) -> Execution:
        return self.execution(number, _END - _DAYS * _DAY * (1 - number / self.size))

    def execution(self, number: int, at: float) -> Execution:
        """Every fifth is an error; ten connections of two integrations."""
        is_error = number % 5 == 2
        return Execution(
            execution_id=f"{str(ULID.from_timestamp(at))[:10]}{number:016d}",
            tenant_id=TENANT,
            connection_id=f"connection-{number // 10 % 10}",
            integration_id=f"shipping-bench-{number % 2}",
            action_id="calculate_fee",
            input=_INPUT,
            output=None if is_error else _OUTPUT,
            status="error" if is_error else "success",
            error_code="REJECTED" if is_error else None,
            error_message="The district is not served" if is_error else None,
            latency_ms=182,
            caller_service="ai-agent",
            caller_ref=None,
            created_at=at,
        )


def _progress(done: int, of: int) -> None:
    if sys.stderr.isatty():
        end = "\n" if done == of else ""
        print(f"\rfilling the log: {done:,} of {of:,} executions", end=end, file=sys.stderr, flush=True)


def _query(**filters: object) -> Ask:
    query = ExecutionQuery(tenant_id=TENANT, limit=_PAGE, **filters)  # type: ignore[arg-type]
    return lambda filled: filled.find(query)


QUERIES: Final[Mapping[str, Ask]] = {
    "the first page": _query(),
    "a page from its middle": _query(after=(_END - _DAYS * _DAY / 2, "")),
    "the first page of errors": _query(status="error"),
    "the first page of a connection": _query(connection_id="connection-3"),
    "the first page of an integration's errors": _query(integration_id="shipping-bench-1", status="error"),
    "a page of a week": _query(start=_END - 20 * _DAY, end=_END - 13 * _DAY),
    "one execution": Filled.get,
}
"""What `GET /executions` and `GET /executions/{executionId}` ask the store for."""
