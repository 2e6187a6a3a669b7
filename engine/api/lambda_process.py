"""What the functions on AWS Lambda share: their settings, one event loop per process, log lines, and the queue by which
one wakes the other.

A process lives through many calls and is frozen between them: nothing may be on its way when a function returns.
"""

from __future__ import annotations

import asyncio
import logging
import os
import random
import sys
from collections.abc import Coroutine
from dataclasses import replace
from typing import Any, Final, TypeVar

from engine.bootstrap import load_storage, open_observer
from engine.settings import Settings
from engine.telemetry.events import Observer
from engine.telemetry.lines import LOGGER, JsonLines

BUDGET_SECONDS: Final = 25.0
"""Of one call: the gateway gives up at 30."""
WAKE: Final = '{"wake":"deliveries"}'
_T = TypeVar("_T")

logger = logging.getLogger("integrations")


def lambda_settings() -> Settings:
    """Those of the environment, fit for Lambda. Raises `SettingsError`."""
    given = Settings.from_environment(os.environ)
    return replace(given, time_budget_seconds=min(given.time_budget_seconds, BUDGET_SECONDS))


class Process:
    """One process of a function. What it holds open lives in its loop, from the first call on."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.queue = Queue(settings.wake_queue)
        self._lines = _lines_to_stderr() if settings.log else None
        self._loop = asyncio.new_event_loop()
        self._is_fresh = True
        asyncio.set_event_loop(self._loop)  # the adapter of HTTP asks for the current one
        load_storage(settings)

    def run(self, work: Coroutine[Any, Any, _T]) -> _T:
        return self._loop.run_until_complete(work)

    def observer(self, *own: Observer) -> Observer:
        return open_observer(*own, *([self._lines] if self._lines else []))

    def begin(self) -> None:
        """A process may be one of many that were copied from a snapshot: chance must differ from then on."""
        if self._is_fresh:
            random.seed()
            self._is_fresh = False

    def end(self) -> None:
        """Before the process is frozen."""
        if self._lines is not None:
            self._lines.flush()
        self.queue.send()


def _lines_to_stderr() -> JsonLines:
    lines, handler = logging.getLogger(LOGGER), logging.StreamHandler(sys.stderr)
    lines.addHandler(handler)
    lines.setLevel(logging.INFO)
    lines.propagate = False
    return JsonLines()


class Queue:
    """Wakes who delivers. A wake that is lost costs a minute: the schedule finds in the store what there is to do."""

    def __init__(self, url: str | None) -> None:
        self._url = url
        self._is_asked = False
        self._client: Any = None

    def wake(self) -> None:
        """When this call ends."""
        self._is_asked = True

    def send(self) -> None:
        """One message, if anybody asked for it. Waits, two seconds at most."""
        asked, self._is_asked = self._is_asked, False
        if not asked or self._url is None:
            return
        from botocore.exceptions import BotoCoreError, ClientError

        try:
            self._opened().send_message(QueueUrl=self._url, MessageBody=WAKE)
        except (BotoCoreError, ClientError) as error:
            logger.warning("the queue of deliveries can't be told: %s", type(error).__name__)

    def _opened(self) -> Any:
        if self._client is None:
            from boto3.session import Session
            from botocore.config import Config

            config = Config(connect_timeout=0.5, read_timeout=1.0, retries={"total_max_attempts": 1})
            # Lambda names the region so; boto3 itself looks for another name.
            self._client = Session(region_name=os.environ.get("AWS_REGION") or None).client("sqs", config=config)
        return self._client
