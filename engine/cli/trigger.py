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
from dataclasses import replace
from typing import Any
from urllib.parse import urlsplit

from engine.bootstrap import open_engine
from engine.cases.callback import Unprovable, of_account, renamed, said_anew
from engine.cases.fake_apps import fake_app
from engine.cases.read import read_folder, read_webhook_cases
from engine.cases.stories import Told, told
from engine.cases.stories import nearest as nearest_told
from engine.catalog import Catalog, Integration, Webhook
from engine.cli.folder import catalog_of, spec_file
from engine.cli.local_service import LOCAL, Service, check_data_dir, on_this_machine, sent
from engine.diagnostics import nearest
from engine.errors import RequestError
from engine.events.interpret import Known
from engine.library import exact
from engine.model import Command, Connection, Response
from engine.runtime.account import Account, Accounts
from engine.runtime.address import app_url, url_of
from engine.runtime.execute import Engine
from engine.runtime.message import Message
from engine.settings import Settings
from engine.storage.service_token import service_token


def trigger(given: argparse.Namespace, settings: Settings) -> int:
    """0 when the service took the message (2xx), 1 when it did not."""
    return asyncio.run(_trigger(given, settings))


async def _trigger(given: argparse.Namespace, settings: Settings) -> int:
    base = on_this_machine(given.url or settings.public_url)
    check_data_dir(settings)
    catalog = catalog_of(given.integration, settings)
    async with AsyncExitStack() as stack:
        if urlsplit(settings.public_url).hostname in LOCAL:  # else the provider calls another address than this one
            settings = replace(settings, public_url=base)
        engine = await open_engine(settings, catalog=catalog, apps=_lent(catalog, given.integration, base, settings))
        stack.push_async_callback(engine.close)
        account = await _account(engine, given)
        webhook = _webhook(account)
        facts = await _facts(engine, account.connection, given.execution)
        found = await _told(catalog, settings, account.connection.integration_id, given.case, facts)
        message = anew(found, account, facts, catalog, engine.clock.now())
        connection = account.connection
        own = url_of(base, webhook, connection.connection_id, account.made)
        target = app_url(base, connection.integration_id) if webhook.route is not None else own
        answer = await sent(message, target)
    _show(found, message, answer)
    return 0 if answer.status < 300 else 1


def _lent(catalog: Catalog, name: str, base: str, settings: Settings) -> Mapping[str, Mapping[str, Any]]:
    """The sandbox's own app, where that is what the service proves messages with."""
    if name not in catalog.integrations or catalog.integrations[name].app is None:
        return {}
    is_sandbox = Service(base, service_token(settings), "").ask("GET", "/status").get("sandbox")
    return lent(catalog.integrations[name], settings) if is_sandbox else {}


def lent(integration: Integration, settings: Settings) -> Mapping[str, Mapping[str, Any]]:
    """The sandbox's app at the provider, by the integration's id; nothing where there are no apps."""
    app = fake_app(integration, read_folder(spec_file(integration.integration_id, settings).parent)[0])
    return {integration.integration_id: app} if app else {}


def anew(found: Told, account: Account, facts: Mapping[str, Any], catalog: Catalog, now: float) -> Message:
    """The recorded message as this account's. Raises `RequestError`. `account.made`: of its open webhook."""
    webhook = _webhook(account)
    is_app = webhook.route is not None
    config, credentials = ({}, {}) if is_app else (account.config, account.credentials)
    known = Known(config, credentials, account.made, catalog.signers, now, account.app)
    names = {**of_account(found.case.given.get("config", {}), account.config), **renamed(found.data, facts)}
    try:
        return said_anew(webhook, found.heard, names, known)
    except Unprovable as error:
        raise RequestError("BAD_REQUEST", f'"{found.case.name}" can\'t be told: {error}') from None


def _webhook(account: Account) -> Webhook:
    """Raises `RequestError` where it is not open."""
    webhook, connection_id = account.integration.webhook, account.connection.connection_id
    if webhook is None:
        raise RequestError("BAD_REQUEST", "this integration has no webhooks")
    if not account.made:
        raise RequestError("BAD_REQUEST", f"its webhook is not open: POST /connections/{connection_id}/webhooks first")
    return webhook


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
        return await receiving(engine, connection)
    except RequestError as error:
        raise RequestError(error.code, f'{error}; looked at those of --tenant "{given.tenant}"') from None


async def receiving(engine: Engine, connection: Connection) -> Account:
    """The account with what was made for its webhook."""
    return await Accounts(engine.catalog, engine.store, engine.accounts.public_url, receives=True).open(connection)


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


def _show(found: Told, message: Message, answer: Response) -> None:
    shown = {
        "case": found.case.name,
        "method": message.method,
        "status": answer.status,
        "answer": answer.body.decode("utf-8", "replace"),
        "events": [event["type"] for event in found.heard.events],
    }
    sys.stdout.buffer.write(exact.dumps(shown) + b"\n")
