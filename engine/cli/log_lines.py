"""Writes log lines to a file descriptor beside the event loop.

A pipe that nobody reads fills up, and a write to it waits without end: calls must not wait with it. So a thread of its
own writes, a few times a second, and lines beyond what it can hold are dropped and counted.
"""

from __future__ import annotations

import logging
import os
import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager

from engine.telemetry.lines import LOGGER

_PAUSE_SECONDS = 0.1
_LINES_HELD = 10_000
_LAST_SECONDS = 2.0
_WRITE_BYTES = 64 * 1024


class LineWriter(logging.Handler):
    """A handler whose `emit` never waits. `close` gives what is left two seconds."""

    def __init__(self, descriptor: int) -> None:
        super().__init__()
        self._descriptor = descriptor
        self._lines: deque[str] = deque()
        self._dropped = 0
        self._wake = threading.Event()
        self._ended = threading.Event()
        # A daemon: one that waits for a full pipe must not hold up the end of the process.
        self._thread = threading.Thread(target=self._run, name="log-lines", daemon=True)
        self._thread.start()

    def emit(self, record: logging.LogRecord) -> None:
        if len(self._lines) >= _LINES_HELD:
            self._dropped += 1
            return
        self._lines.append(record.getMessage())
        if not self._wake.is_set():
            self._wake.set()

    def close(self) -> None:
        self._ended.set()
        self._wake.set()
        self._thread.join(_LAST_SECONDS)
        super().close()

    def _run(self) -> None:
        while not self._ended.is_set():
            self._wake.wait()
            self._ended.wait(_PAUSE_SECONDS)  # lets lines gather
            self._wake.clear()
            try:
                self._write_all()
            except OSError:
                return  # the reader is gone: from here on the lines are dropped

    def _write_all(self) -> None:
        lines = [self._lines.popleft() for _ in range(len(self._lines))]
        dropped, self._dropped = self._dropped, 0
        if dropped:
            lines.append(f'{{"event":"dropped","lines":{dropped}}}')
        lines.append("")
        text = memoryview("\n".join(lines).encode())
        while text:
            text = text[os.write(self._descriptor, text[:_WRITE_BYTES]) :]


@contextmanager
def calls_logged_to(descriptor: int) -> Iterator[None]:
    """Lines of calls go to this descriptor, and nowhere else, inside the block."""
    logger, writer = logging.getLogger(LOGGER), LineWriter(descriptor)
    level, propagated = logger.level, logger.propagate
    logger.addHandler(writer)
    logger.setLevel(logging.INFO)
    logger.propagate = False
    try:
        yield
    finally:
        logger.removeHandler(writer)
        logger.setLevel(level)
        logger.propagate = propagated
        writer.close()
