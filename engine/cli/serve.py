"""`integrations serve`: the HTTP API, with the provider sandbox beside it when asked for."""

from __future__ import annotations

import argparse
import asyncio
import gc
import logging
import signal
import sys
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from typing import Any

import uvicorn
from starlette.types import ASGIApp, Lifespan

from engine.api.app import create_app
from engine.background import open_deliverer, open_rounds
from engine.bootstrap import open_engine, open_observer
from engine.cli.log_lines import calls_logged_to
from engine.cli.protocol import CallerProtocol
from engine.cli.sandbox_process import catalog_and_sandbox
from engine.errors import SettingsError, StorageError
from engine.events.deliver import Deliverer
from engine.identity.policy import open_policy
from engine.runtime.agenda import Rounds
from engine.runtime.execute import Engine
from engine.settings import Settings
from engine.storage.service_token import service_token, service_token_hash
from engine.telemetry.metrics import Metrics

logger = logging.getLogger("integrations")

_HOUSEKEEPING_SECONDS = 60.0
_BATCHES = 200
_DAY = 86_400
_FILES = 65_536


def serve(_given: argparse.Namespace, settings: Settings) -> int:
    """Serves until SIGTERM or SIGINT. 0 when it ended in order."""
    _open_files()
    with asyncio.Runner(loop_factory=_loop_factory()) as runner:
        return runner.run(_serve(settings))


def _open_files() -> None:
    """As many as the system allows: each waiting call holds two sockets, and the usual 1,024 are soon used up."""
    if sys.platform == "win32":
        return
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _FILES if hard == resource.RLIM_INFINITY else min(_FILES, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    if sys.platform == "win32":
        return None
    import uvloop

    factory: Callable[[], asyncio.AbstractEventLoop] = uvloop.new_event_loop
    return factory


async def _serve(settings: Settings) -> int:
    policy = open_policy(settings)
    async with AsyncExitStack() as stack:
        catalog, played = await stack.enter_async_context(catalog_and_sandbox(settings))
        upstreams = dict(settings.upstreams)
        apps: Mapping[str, Mapping[str, Any]] = {}
        if played is not None:
            upstreams, apps = {**dict.fromkeys(catalog.integrations, played.origin), **upstreams}, played.apps
        metrics = Metrics()
        lines = [stack.enter_context(calls_logged_to(sys.stderr.fileno()))] if settings.log else []
        observer = open_observer(metrics, *lines)
        engine = await open_engine(settings, catalog=catalog, upstreams=upstreams, observer=observer, apps=apps)
        stack.push_async_callback(engine.close)
        hashes = [] if settings.auth == "sigv4" else [service_token_hash(service_token(settings))]
        deliverer = open_deliverer(engine, settings, observer)
        rounds = open_rounds(engine, deliverer.wake)
        app = create_app(
            engine,
            settings,
            token_hashes=hashes,
            lifespan=_lifespan(engine, settings, deliverer, rounds),
            metrics=metrics,
            observer=observer,
            wake=lambda: _wake(deliverer, rounds),
            policy=policy,
        )
        gc.collect()
        gc.freeze()  # the catalogue lives as long as the process: the collector need not walk it
        origin = played.origin if played is not None else None
        return await _listen(app, settings, len(catalog.integrations), origin)


class _Server(uvicorn.Server):
    """Stops on SIGTERM and SIGINT, and lets what comes after it run: uvicorn itself would raise the signal again."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self.handle_exit, number, None)
        yield


def server_of(app: ASGIApp, settings: Settings) -> uvicorn.Server:
    """What listens, not started yet."""
    config = uvicorn.Config(
        app,
        host=settings.host,
        port=settings.port,
        http=CallerProtocol,
        ws="none",
        server_header=False,
        proxy_headers=False,  # nothing here asks who or what stands before a proxy
        log_level="warning",
        access_log=False,
        timeout_graceful_shutdown=30,
    )
    return _Server(config)


async def _listen(app: ASGIApp, settings: Settings, integrations: int, sandbox_at: str | None) -> int:
    server = server_of(app, settings)
    print(_greeting(settings, integrations, sandbox_at), flush=True)  # noqa: T201
    try:
        await server.serve()
    except SystemExit:  # uvicorn's way to say that the port can't be had
        raise SettingsError(f"can't listen on {settings.host}:{settings.port}: is the port in use?") from None
    return 0


def _greeting(settings: Settings, integrations: int, sandbox_at: str | None) -> str:
    where = "their providers" if sandbox_at is None else f"the provider sandbox ({sandbox_at})"
    token = "INTEGRATIONS_TOKEN" if settings.token else str(settings.data_dir / "token")
    proof = "callers sign with access keys" if settings.auth == "sigv4" else f"service token in {token}"
    return (
        f"integrations: {integrations} on {settings.public_url}, calls go to {where}\n"
        f"  {proof}, data in {settings.data_dir}"
    )


def _wake(deliverer: Deliverer, rounds: Rounds) -> None:
    """There may be events to deliver, or to fill in before."""
    deliverer.wake()
    rounds.wake()


def _lifespan(engine: Engine, settings: Settings, deliverer: Deliverer, rounds: Rounds) -> Lifespan[Any]:
    @asynccontextmanager
    async def run(_app: ASGIApp) -> AsyncIterator[None]:
        house = asyncio.create_task(_keep_house(engine, settings))
        post = asyncio.create_task(deliverer.run())
        post.add_done_callback(_stopped)
        due = asyncio.create_task(rounds.keep())
        try:
            yield
        finally:
            house.cancel()
            deliverer.end()
            rounds.end()
            await asyncio.wait([post, due])

    return run


def _stopped(post: asyncio.Task[None]) -> None:
    error = None if post.cancelled() else post.exception()
    if error is not None:  # a message may quote a value
        logger.critical("events are delivered no more until the next start: %s", type(error).__name__)


async def _keep_house(engine: Engine, settings: Settings) -> None:
    """Retention: rows and records whose time is over fall away, a batch at a time."""
    while True:
        try:
            before = engine.clock.now() - settings.retention_days * _DAY
            for _ in range(_BATCHES):
                store = engine.store
                rows = await store.executions.expire(before) + await store.events.expire(before)
                rows += await store.deliveries.expire(before)
                if not rows + await store.state.expire():
                    break
                await asyncio.sleep(0.05)
        except StorageError:
            pass  # the store is full or locked: calls say so, and the next round tries again
        await asyncio.sleep(_HOUSEKEEPING_SECONDS)
