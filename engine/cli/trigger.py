"""`integrations trigger`: let the provider sandbox tell a connection something, as its provider would.

It sends a recorded message of the provider to the running service, under the ids of a call that was made before and
with proofs that fit the connection. It tells a made-up story, so it talks to this machine only.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
from collections.abc import Mapping
from contextlib import AsyncExitStack
from typing import Any
from urllib.parse import urlsplit

from engine.bootstrap import is_in_use, open_engine
from engine.cases.callback import Unprovable, renamed, said_anew
from engine.cases.read import read_webhook_cases
from engine.cases.stories import Told, told
from engine.cases.stories import nearest as nearest_told
from engine.catalog import Catalog, Webhook
from engine.cli.folder import catalog_of, spec_file
from engine.diagnostics import nearest
from engine.errors import RequestError, SettingsError, TransportError
from engine.events.interpret import Known
from engine.events.message import Message
from engine.library import exact
from engine.model import Command, Connection, Request, Response
from engine.runtime.account import Account
from engine.runtime.address import WEBHOOK, url_of
from engine.runtime.execute import Engine
from engine.runtime.transport import HttpTransport
from engine.settings import Settings

LOCAL = ("127.0.0.1", "localhost", "::1")
_SECONDS = 20.0
_LARGEST = 1024 * 1024


def trigger(given: argparse.Namespace, settings: Settings) -> int:
    """0 when the service took the message (2xx), 1 when it did not."""
    return asyncio.run(_trigger(given, settings))


async def _trigger(given: argparse.Namespace, settings: Settings) -> int:
    base = on_this_machine(given.url or settings.public_url)
    check_data_dir(settings)
    catalog = catalog_of(given.integration, settings)
    async with AsyncExitStack() as stack:
        engine = await open_engine(settings, catalog=catalog)
        stack.push_async_callback(engine.close)
        account = await _account(engine, given)
        webhook, made = await _opened(engine, account, settings.public_url)
        facts = await _facts(engine, account.connection, given.execution)
        found = await _told(catalog, settings, account.connection.integration_id, given.case, facts)
        known = Known(account.config, account.credentials, made, catalog.signers, engine.clock.now())
        try:
            message = said_anew(webhook, found.heard, renamed(found.data, facts), known)
        except Unprovable as error:
            raise RequestError("BAD_REQUEST", f'"{found.case.name}" can\'t be told: {error}') from None
        target = url_of(base, webhook, account.connection.connection_id, made)
        answer = await sent(message, target)
    _show(found, message, answer)
    return 0 if answer.status < 300 else 1


def on_this_machine(url: str) -> str:
    """The URL of the service. Raises `SettingsError` for another machine's: what is made up is for our own only."""
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or parts.hostname not in LOCAL:
        raise SettingsError("made-up stories are for a service on this machine: give --url http://127.0.0.1:8400")
    return url.rstrip("/")


def check_data_dir(settings: Settings) -> None:
    """Raises `SettingsError` where no service ever ran, so that none is made by looking."""
    if settings.storage == "sqlite" and is_in_use(settings.data_dir) is None:
        where = f"{settings.data_dir} holds no data of a service"
        raise SettingsError(f"{where}: begin with make run, or give the --data-dir of the one that runs")


async def _account(engine: Engine, given: argparse.Namespace) -> Account:
    """Raises `RequestError` that says whose connections were looked through."""
    command = Command(
        tenant_id=given.tenant,
        action_id="",
        input={},
        connection_id=given.connection,
        integration_id=None if given.connection else given.integration,
    )
    try:
        connection = await engine.accounts.connection_of(command)
        if connection.integration_id != given.integration:
            raise RequestError("BAD_REQUEST", f"this connection is one of {connection.integration_id}")
        return await engine.accounts.open(connection)
    except RequestError as error:
        raise RequestError(error.code, f'{error}; looked at those of --tenant "{given.tenant}"') from None


async def _opened(engine: Engine, account: Account, public_url: str) -> tuple[Webhook, dict[str, str]]:
    """The webhook of the connection and what was made for it."""
    webhook, ids = account.integration.webhook, (account.connection.tenant_id, account.connection.connection_id)
    if webhook is None:
        raise RequestError("BAD_REQUEST", "this integration has no webhooks")
    secret = await engine.store.secrets.get(*ids, WEBHOOK)
    if secret is None or not secret.value:
        raise RequestError("BAD_REQUEST", f"its webhook is not open: POST /connections/{ids[1]}/webhooks first")
    return webhook, {**secret.value, "url": url_of(public_url, webhook, ids[1], secret.value)}


async def _facts(engine: Engine, connection: Connection, execution_id: str | None) -> Mapping[str, Any]:
    """What the call said and got, by field."""
    if execution_id is None:
        return {}
    found = await engine.store.executions.get(connection.tenant_id, execution_id)
    if found is None or found.connection_id != connection.connection_id:
        raise RequestError("NOT_FOUND", "no such execution of this connection")
    asked, got = exact.loads(found.input or b"{}"), exact.loads(found.output or b"{}")
    return {**asked, **got} if isinstance(asked, dict) and isinstance(got, dict) else {}


async def _told(
    catalog: Catalog, settings: Settings, integration_id: str, name: str | None, facts: Mapping[str, Any]
) -> Told:
    """The case of that name; without one the case nearest to the call."""
    cases = {case.name: case for case in read_webhook_cases(spec_file(integration_id, settings).parent)}
    if name is not None and name not in cases:
        near = nearest(name, list(cases))
        known = "these are known:" + "".join(f"\n  {one}" for one in cases) if cases else "there is none"
        hint = f'did you mean "{near}"?' if near else known
        raise RequestError("NOT_FOUND", f'no recorded message is called "{name}"; {hint}')
    chosen = [cases[name]] if name is not None else list(cases.values())
    found = nearest_told(await told(chosen, catalog), facts)
    if found is None:
        which = f'the message "{name}"' if name is not None else "each recorded message of this integration"
        raise RequestError("NOT_FOUND", f"{which} becomes no event, so there is nothing to tell")
    return found


async def sent(message: Message, target: str) -> Response:
    """The answer of the service at that address. Raises `SettingsError` when nobody answers there."""
    query = message.url.partition("?")[2]
    request = Request(
        message.method, f"{target}?{query}" if query else target, tuple(message.headers.items()), message.body
    )
    transport = HttpTransport(allow_private=True)
    try:
        return await transport.send(request, timeout=_SECONDS, max_bytes=_LARGEST)
    except TransportError:
        # The path may hold the key of the webhook.
        parts = urlsplit(target)
        raise nobody_at(f"{parts.scheme}://{parts.netloc}") from None
    finally:
        await transport.close()


def nobody_at(base: str) -> SettingsError:
    return SettingsError(f"nobody answers at {base}: begin with make run, or give the --url of the one that runs")


def _show(found: Told, message: Message, answer: Response) -> None:
    shown = {
        "case": found.case.name,
        "method": message.method,
        "status": answer.status,
        "answer": answer.body.decode("utf-8", "replace"),
        "events": [event["type"] for event in found.heard.events],
    }
    sys.stdout.buffer.write(exact.dumps(shown) + b"\n")
