"""Where the main thread is, looked at each time the process has used up a little more CPU (SIGPROF).

A profiler that hooks calls makes small functions look dear. Here nothing is hooked: the kernel's clock strikes some
250 times per second of CPU, and what was at work then is counted.
"""

from __future__ import annotations

import opcode
import signal
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import CodeType, FrameType
from typing import Final

Stage = Callable[[CodeType], str | None]
"""What a function belongs to; None: what its caller belongs to."""

OUTSIDE: Final = ""
"""No function on the stack belongs to anything."""
_SECONDS: Final = 0.001  # asked for; the kernel looks at the CPU used every 1 to 10 ms
_RESUME: Final = opcode.opmap["RESUME"]


@contextmanager
def sampling(stage_of: Stage) -> Iterator[Counter[str]]:
    """Counts strikes by the stage that was at work. For the main thread only, as signals are."""
    found: Counter[str] = Counter()

    def look(_signal: int, frame: FrameType | None) -> None:
        found[_at_work(frame, stage_of)] += 1

    before = signal.signal(signal.SIGPROF, look)
    signal.setitimer(signal.ITIMER_PROF, _SECONDS, _SECONDS)
    try:
        yield found
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, before)


def _at_work(frame: FrameType | None, stage_of: Stage) -> str:
    if frame is not None:
        code = frame.f_code.co_code
        if code[frame.f_lasti] == _RESUME:  # Python looks for signals as a function begins: it was its caller's time,
            frame = None if code[frame.f_lasti + 1] else frame.f_back  # or the loop's, which woke it after an `await`
    while frame is not None:
        stage = stage_of(frame.f_code)
        if stage is not None:
            return stage
        frame = frame.f_back
    return OUTSIDE
