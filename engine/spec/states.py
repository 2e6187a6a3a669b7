"""How a file looks from outside, to know later whether it is still the one that was read.

A file is the same as long as nothing of its state differs: which file it is (inode), its size, the time of its content
and the time of its last change, in nanoseconds. The last of these nobody can set, not even to keep it: an edit of the
same size that sets the time of the content back changes it, and so does another file in its place. Whatever differs,
and in whatever direction, the file is read, and its content decides.

A state is worth noting only where the next edit would change it (`is_telling`):

- The last change was at rest for a while when the file was read. Clocks tick slower than writes come: a second write
  within the same tick would leave no trace.
- The time is finer than a second. Whole seconds come from file systems that are coarse, and from images of file systems
  in which all times were made the same.
- The system has such a time: Windows has none.

States are taken from files that were opened: of a mere name a network's file system tells what it remembers.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from typing import Final, TypeAlias

State: TypeAlias = list[int]
"""Inode, size, time of the content, time of the last change; times in ns. A list: so it comes back from JSON."""

AT_REST: Final = 10.0  # seconds between the last change of a file and the start of who reads it
_SECOND: Final = 1_000_000_000
_OPEN: Final = (
    os.O_RDONLY
    | getattr(os, "O_CLOEXEC", 0)
    | getattr(os, "O_BINARY", 0)
    | getattr(os, "O_NONBLOCK", 0)  # a pipe of that name has nobody at its other end
)


def state_of(path: str) -> State:
    """How the file looks now. Raises `OSError`."""
    descriptor = os.open(path, _OPEN)
    try:
        return state_from(os.fstat(descriptor))
    finally:
        os.close(descriptor)


def read_file(
    path: str | os.PathLike[str], fits: Callable[[os.stat_result], bool] | None = None, flags: int = 0
) -> tuple[bytes | None, os.stat_result]:
    """What a file holds, None where it does not fit, and its status right before it was read. Raises `OSError`."""
    descriptor = os.open(path, _OPEN | flags)
    try:
        status = os.fstat(descriptor)
        if fits is not None and not fits(status):
            return None, status
        content = os.read(descriptor, status.st_size + 1)
        while more := os.read(descriptor, status.st_size + 1):
            content += more
        return content, status
    finally:
        os.close(descriptor)


def state_from(status: os.stat_result) -> State:
    return [status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns]


def is_telling(state: State, start: float) -> bool:
    """Would every edit change this state, of a file that was read after `start` (epoch seconds)?"""
    changed = state[3]
    return sys.platform != "win32" and changed % _SECOND != 0 and changed < (start - AT_REST) * _SECOND
