"""Writes log lines to a file descriptor beside the event loop.

A pipe that nobody reads fills up, and a write to it waits without end: calls must not wait with it. So a thread of its
own writes, and lines beyond what may wait for it are dropped and counted.
"""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from queue import SimpleQueue

from engine.telemetry.lines import LOGGER, JsonLines

_WAITING_CHARACTERS = 8 * 1024 * 1024
_LAST_SECONDS = 2.0


class LineWriter(logging.Handler):
    """A handler whose `emit` never waits. `end` gives what is left two seconds."""

    def __init__(self, descriptor: int) -> None:
        super().__init__()
        self._descriptor = descriptor
        self._queue: SimpleQueue[str | None] = SimpleQueue()
        self._taken = self._written = 0  # characters; the first is counted by callers, the second by the thread
        self._dropped = self._told = 0  # lines; the same
        # A daemon: one that waits for a full pipe must not hold up the end of the process.
        self._thread = threading.Thread(target=self._run, name="log-lines", daemon=True)
        self._thread.start()

    def emit(self, record: logging.LogRecord) -> None:
        text = record.getMessage()
        if self._taken - self._written > _WAITING_CHARACTERS:
            self._dropped += text.count("\n") + 1
            return
        self._taken += len(text)
        self._queue.put(text)

    def end(self) -> None:
        """Not `close`: whoever configures logging anew (a server at its start) closes the handlers there are."""
        self._queue.put(None)
        self._thread.join(_LAST_SECONDS)
        self.close()

    def _run(self) -> None:
        try:
            while (text := self._queue.get()) is not None:
                self._write(f"{text}\n")
                self._written += len(text)
                if missing := self._dropped - self._told:
                    self._told += missing
                    self._write(f'{{"event":"dropped","lines":{missing}}}\n')
        except OSError:
            return  # the reader is gone: what comes now waits until it is dropped

    def _write(self, text: str) -> None:
        left = memoryview(text.encode())
        while left:
            left = left[os.write(self._descriptor, left) :]


@contextmanager
def calls_logged_to(descriptor: int) -> Iterator[JsonLines]:
    """An observer whose lines go to this descriptor, and nowhere else, inside the block."""
    lines = JsonLines()
    logger, writer = logging.getLogger(LOGGER), LineWriter(descriptor)
    level, propagated = logger.level, logger.propagate
    logger.addHandler(writer)
    logger.setLevel(logging.INFO)
    logger.propagate = False
    try:
        yield lines
    finally:
        lines.flush()
        logger.removeHandler(writer)
        logger.setLevel(level)
        logger.propagate = propagated
        writer.end()
