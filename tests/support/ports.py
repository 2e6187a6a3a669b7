"""Ports for servers that a test starts as processes of their own."""

from __future__ import annotations

import itertools
import os
import socket

# Below the range from which the system takes ports for clients, and each worker of a parallel run has its own part:
# between asking for a port and listening on it nobody else takes it. Two runs at once begin at different places of it.
_COUNT = 1_000
_FIRST = 18_000 + _COUNT * (int(os.environ.get("PYTEST_XDIST_WORKER", "gw9").removeprefix("gw")) % 14)
_BEGIN = 7 * os.getpid()
_NEXT = (_FIRST + number % _COUNT for number in itertools.count(_BEGIN))


def free_port() -> int:
    """A port of 127.0.0.1 that nobody listens on."""
    for port in itertools.islice(_NEXT, _COUNT):
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise OSError("no free port")
