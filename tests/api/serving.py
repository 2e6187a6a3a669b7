"""The API on a real socket: uvicorn in a thread of its own, on a free port of 127.0.0.1."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import uvicorn

from engine.storage.ports import Store
from engine.storage.sqlite import open_store
from tests.api.support import SmallEngine, app_over

_PATIENCE_SECONDS = 30
Seed = Callable[[Store], Awaitable[None]]
"""What is in the store before anybody asks."""


@contextmanager
def serving(data_dir: Path, seed: Seed | None = None) -> Iterator[str]:
    """The base URL of an API over a fresh store, seeded; it stops when the block ends."""
    listener = socket.create_server(("127.0.0.1", 0))
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    started = threading.Event()
    servers: list[uvicorn.Server] = []
    thread = threading.Thread(target=lambda: asyncio.run(_serve(data_dir, listener, servers, started, seed)))
    thread.start()
    try:
        assert started.wait(_PATIENCE_SECONDS)
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        for server in servers:
            server.should_exit = True
        thread.join(_PATIENCE_SECONDS)
        listener.close()


async def _serve(
    data_dir: Path, listener: socket.socket, servers: list[uvicorn.Server], started: threading.Event, seed: Seed | None
) -> None:
    engine = SmallEngine(open_store(data_dir=data_dir))
    if seed is not None:
        await seed(engine.store)

    @asynccontextmanager
    async def lifespan(_app: Any) -> Any:
        started.set()
        yield
        await engine.store.lifetime.close()

    config = uvicorn.Config(app_over(engine, lifespan), log_level="warning", access_log=False, lifespan="on")
    server = uvicorn.Server(config)
    servers.append(server)
    await server.serve(sockets=[listener])
