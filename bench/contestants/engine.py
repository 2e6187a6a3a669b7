"""This project: `Engine.execute` with what `serve` turns on."""

from __future__ import annotations

from contextlib import AbstractContextManager

from bench.candidate import engine_call
from bench.contestants.job import Chunk, in_flight


def opened(origin: str, width: int) -> AbstractContextManager[Chunk]:
    return in_flight(engine_call(origin or None), width)
