"""Deliveries of events, and what else is due, as a function on AWS Lambda: nothing runs there for ever, so somebody has
to wake it.

    engine.api.lambda_work.handler

    an SQS message   an event has just come: within a second it is on its way
    a schedule       each minute: what is to be tried again, what a lost message left, grants that would be forgotten

Neither carries any work: that is in the store, where lanes and leases see to it that processes share it and that what
one of them dropped is sent again. So a message may come twice or never. It is given back where the store refuses
(`batchItemFailures`), and ends in the dead-letter queue when that goes on.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from engine.api.lambda_process import Process, lambda_settings
from engine.background import is_anything_due, open_rounds, open_worker
from engine.bootstrap import open_engine, open_storage, open_warm_catalog
from engine.errors import StorageError
from engine.events.deliver import Deliverer
from engine.runtime.agenda import Rounds
from engine.storage.ports import Store

LAST_SECONDS: Final = 22.0
"""Before the function's own end: so long a lane's turn, and the attempt at its end, may take."""
_LAST_OF_DUE: Final = 60.0
"""So long what is due may take, and a look at deliveries after it."""


class Work:
    """One process of the function."""

    def __init__(self, process: Process) -> None:
        self._process = process
        self._store: Store | None = None
        self._deliverer: Deliverer | None = None
        self._rounds: Rounds | None = None

    def __call__(self, event: Mapping[str, Any], context: Any) -> Mapping[str, Any]:
        """For a schedule `{"idle": …}`: whether nothing was left; for SQS the messages that are to come again."""
        self._process.begin()
        messages = [one["messageId"] for one in event.get("Records", ())]
        try:
            if not messages:
                self._process.run(self._do_what_is_due(context.get_remaining_time_in_millis() / 1000 - _LAST_OF_DUE))
            is_idle = self._process.run(self._deliver(context.get_remaining_time_in_millis() / 1000 - LAST_SECONDS))
        except StorageError:
            if not messages:
                raise
            return {"batchItemFailures": [{"itemIdentifier": message} for message in messages]}
        finally:
            self._process.end()
        return {"batchItemFailures": []} if messages else {"idle": is_idle}

    def _opened(self) -> Store:
        if self._store is None:
            self._store = open_storage(self._process.settings)
        return self._store

    async def _do_what_is_due(self, seconds: float) -> None:
        """Specs are compiled when there is something to do with them."""
        if not await is_anything_due(self._opened()):
            return
        if self._rounds is None:
            settings = self._process.settings
            catalog, observer = open_warm_catalog(settings), self._process.observer()
            self._rounds = open_rounds(await open_engine(settings, catalog=catalog, observer=observer))
        await self._rounds.go(seconds)

    async def _deliver(self, seconds: float) -> bool:
        if self._deliverer is None:
            self._deliverer = open_worker(self._opened(), self._process.settings, self._process.observer())
        is_idle = await self._deliverer.drain(seconds)
        if not is_idle:  # somebody goes on at once
            self._process.queue.wake()
        return is_idle


handler: Final = Work(Process(lambda_settings()))
