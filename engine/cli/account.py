"""The connection that a command works on: one of the tenant's, or one that lives for this command only."""

from __future__ import annotations

import argparse
import sys
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from engine.bootstrap import open_engine
from engine.cli.sandbox_process import catalog_and_sandbox
from engine.errors import RequestError, SettingsError
from engine.library import exact
from engine.model import Command, Connection
from engine.runtime.clock import Clock
from engine.runtime.execute import Engine
from engine.runtime.transport import Transport
from engine.settings import Settings

Wire = Callable[[Mapping[str, str]], Transport]


@asynccontextmanager
async def opened(
    given: argparse.Namespace, settings: Settings, clock: Clock | None = None, wire: Wire | None = None
) -> AsyncIterator[tuple[Engine, Connection]]:
    """The engine of the data dir with the tenant's connection; with --config or --credentials both are temporary.

    A `wire` is given the origins that requests are to go to, and sends them there itself.
    """
    temporary = given.config is not None or given.credentials is not None
    async with AsyncExitStack() as stack:
        if temporary:
            import tempfile

            folder = stack.enter_context(tempfile.TemporaryDirectory())
            settings = replace(settings, data_dir=Path(folder), cache_dir=settings.kept_in)
        catalog, played = await stack.enter_async_context(catalog_and_sandbox(settings, given.integration))
        upstreams = dict(settings.upstreams)
        apps: Mapping[str, Mapping[str, Any]] = {}
        if played is not None:
            upstreams, apps = {**dict.fromkeys(catalog.integrations, played.origin), **upstreams}, played.apps
        transport, upstreams = (wire(upstreams), {}) if wire is not None else (None, upstreams)
        engine = await open_engine(
            settings, catalog=catalog, clock=clock, transport=transport, upstreams=upstreams, apps=apps
        )
        stack.push_async_callback(engine.close)
        if temporary:
            origin = None if played is None else played.origin
            yield engine, await _temporary(engine, given, settings.public_url, origin)
        else:
            yield engine, await _stored(engine, given)


async def _temporary(engine: Engine, given: argparse.Namespace, public_url: str, origin: str | None) -> Connection:
    from engine.cli.temporary import connect, consented  # most calls are for an account that is there

    config = json_argument("--config", given.config or "{}")
    credentials = json_argument("--credentials", given.credentials or "{}")
    made = await connect(engine, given.tenant, given.integration, config, credentials)
    if origin is None or made.status != "inactive":
        return made
    return await consented(engine, made, public_url, origin)


async def _stored(engine: Engine, given: argparse.Namespace) -> Connection:
    try:
        return await engine.accounts.connection_of(command_of(given, {}))
    except RequestError as error:
        is_none = error.code == "NOT_FOUND" and given.connection is None
        if not is_none or given.integration not in engine.catalog.integrations:
            raise
        raise RequestError("NOT_FOUND", f"{error}: give --config and --credentials, or connect the account") from None


def command_of(given: argparse.Namespace, asked: dict[str, Any], connection: Connection | None = None) -> Command:
    """The command line's call."""
    connection_id = connection.connection_id if connection else given.connection
    return Command(
        tenant_id=given.tenant,
        action_id=given.action,
        input=asked,
        connection_id=connection_id,
        integration_id=None if connection_id else given.integration,
        caller_service="command-line",
        idempotency_key=given.idempotency_key,
    )


def json_argument(name: str, text: str) -> dict[str, Any]:
    """A JSON object given as text, as @FILE or as - (stdin). Raises `SettingsError` or `RequestError`."""
    if text == "-":
        text = sys.stdin.read()
    elif text.startswith("@"):
        try:
            text = Path(text[1:]).read_text("utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise SettingsError(f"{name}: can't read the file ({type(error).__name__})") from None
    try:
        value = exact.loads(text)
    except ValueError as error:
        raise RequestError("BAD_REQUEST", f"{name}: {error}") from None
    if not isinstance(value, dict):
        raise RequestError("BAD_REQUEST", f"{name}: a JSON object is needed, like '{{\"weight\": 200}}'")
    return value
