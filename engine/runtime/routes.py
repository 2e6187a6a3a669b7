"""Whose message is it? Providers with one address per app name the account inside the message, not the connection.

`Connection.route` finds the connections of such an account without walking through all of them: a digest of the
integration and of the value that the spec compares (`route.equals`). What somebody merely typed proves nothing: whoever
writes another's shop into his form must not get the other's orders. So a connection is found

    by what it captured from the provider's answers, or by what it had when it signed in, until that is changed
    by whatever it says, where it has an app of its own: its messages are proved with that app's secrets

What the operator's app may see is not for those who sign in without it, with a token of less rights perhaps: such a
connection proves nothing, and is told nothing.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from engine.catalog import Integration, Route
from engine.errors import CallError
from engine.model import Connection
from engine.runtime.account import Account, spelled
from engine.runtime.auth import choose


def digest(integration_id: str, value: Any) -> str | None:
    """None for what names no account. Compared exactly, as text."""
    text = str(value) if isinstance(value, int) and not isinstance(value, bool) else value
    if not isinstance(text, str) or not text:
        return None
    return hashlib.sha256(f"{integration_id}\n{text}".encode()).hexdigest()


def route_of(integration: Integration, config: Mapping[str, Any]) -> str | None:
    """By what a connection with this config would be found."""
    route = _route(integration)
    return digest(integration.integration_id, spelled(integration, dict(config)).get(route.name)) if route else None


def proved(connection: Connection, integration: Integration) -> Connection:
    """After a consent, and always with an app of its own: found by what it says now."""
    return replace(connection, route=route_of(integration, connection.config))


def learned(connection: Connection, account: Account, *, signed_in: bool = False) -> Connection:
    """After an answer of the provider to this account, of which `connection` may have captured something.

    `signed_in`: it was the answer to the sign-in itself, so it also shows what else the account says.
    """
    integration, route = account.integration, _route(account.integration)
    if route is None or not (account.owns_app or through_app(account)):
        return connection
    is_shown = account.owns_app or signed_in or route.name in integration.form.captured
    return proved(connection, integration) if is_shown else connection


def through_app(account: Account) -> bool:
    """It signs in through the operator's app: its tenant may see what the app may see."""
    if account.owns_app:
        return False
    if not any(method.type == "oauth2" for method in account.integration.methods):
        return True
    try:
        return choose(account).type == "oauth2"
    except CallError:
        return False


def changed(connection: Connection, integration: Integration) -> Connection:
    """After its tenant changed it: found by what is still as it was proved, else not at all."""
    is_same = connection.route == route_of(integration, connection.config)
    return connection if is_same else replace(connection, route=None)


def _route(integration: Integration) -> Route | None:
    return integration.webhook.route if integration.webhook is not None else None
