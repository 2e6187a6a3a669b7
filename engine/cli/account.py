"""The connection that a command works on: one of the tenant's, or one that lives for this command only."""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlsplit

from engine.bootstrap import open_engine
from engine.cli.local_service import approved
from engine.cli.sandbox_process import catalog_and_sandbox
from engine.connections.consent import Consents
from engine.connections.service import ConnectionService, Draft
from engine.errors import RequestError, SettingsError
from engine.library import exact
from engine.model import Command, Connection
from engine.runtime.clock import Clock
from engine.runtime.egress import UPSTREAM_HOST
from engine.runtime.execute import Engine
from engine.runtime.message import Message
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
        connection = await _connection(engine, given, temporary=temporary)
        if temporary and played is not None and connection.status == "inactive":
            connection = await _consented(engine, connection, settings, played.origin)
        yield engine, connection


async def _connection(engine: Engine, given: argparse.Namespace, *, temporary: bool) -> Connection:
    if not temporary:
        return await _stored(engine, given)
    draft = Draft(
        integration_id=given.integration,
        name="command line",
        config=json_argument("--config", given.config or "{}"),
        credentials=json_argument("--credentials", given.credentials or "{}"),
    )
    return await ConnectionService(engine).create(given.tenant, draft)


def _at(page: str, origin: str) -> str:
    """The page at the sandbox, also where the engine does not know of it since a wire of its own leads there."""
    parts = urlsplit(page)
    if page.startswith(f"{origin}/"):
        return page
    return f"{origin}{parts.path}?{parts.query}&{urlencode({UPSTREAM_HOST.lower(): parts.netloc})}"


async def _consented(engine: Engine, connection: Connection, settings: Settings, origin: str) -> Connection:
    """Somebody presses Approve on the consent page of the sandbox. Raises `RequestError`."""
    consents = Consents(engine, settings.public_url)
    invitation = await consents.begin(connection)
    location = await approved(_at(invitation.url, origin))
    outcome = await consents.come_back(Message("GET", location, {}, b""))
    if outcome.error is not None:
        raise RequestError("BAD_REQUEST", f"the sandbox's consent failed: {outcome.error.message}")
    return outcome.connection


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
