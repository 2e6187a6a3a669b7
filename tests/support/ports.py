"""Ports for servers that a test starts as processes of their own."""

from __future__ import annotations

import itertools
import os
import socket

# Below the range from which the system takes ports for clients, and each worker of a parallel run has its own part:
# between asking for a port and listening on it nobody else takes it.
_FIRST = 18_000 + 1_000 * (int(os.environ.get("PYTEST_XDIST_WORKER", "gw9").removeprefix("gw")) % 14)
_NEXT = itertools.cycle(range(_FIRST, _FIRST + 1_000))


def free_port() -> int:
    """A port of 127.0.0.1 that nobody listens on."""
    for port in itertools.islice(_NEXT, 1_000):
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise OSError("no free port")
