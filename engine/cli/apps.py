"""`integrations apps set|list|remove`: the apps that the operator registered at providers, for all of its tenants.

Secrets come from a terminal, where they are not shown, from a file or from stdin; never from arguments, which other
users of the machine can read. What is stored is never printed.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
from collections.abc import Awaitable, Callable, Mapping
from getpass import getpass
from pathlib import Path
from typing import Any

from engine.bootstrap import open_catalog, open_storage
from engine.catalog import AppForm
from engine.connections.apps import checked, with_app
from engine.diagnostics import unknown
from engine.errors import SettingsError
from engine.library import exact
from engine.runtime.apps import AppBook
from engine.settings import Settings

_SECONDS = 300
"""So long a process may go on with what was stored before, unless a provider refuses it."""


def add_apps(commands: Any, command: Callable[..., argparse.ArgumentParser]) -> None:
    """The three commands below `apps`; `command` adds one with what all commands have."""
    command(commands, "list", "show which are stored and which fields they have; never a value", show)
    given = command(commands, "set", "store the app of an integration, in place of the one before", store)
    given.add_argument("integration", metavar="ID", help="id of the integration")
    given.add_argument(
        "--from", dest="source", metavar="FILE", help="a JSON object with its fields, - for stdin (asks, on a terminal)"
    )
    gone = command(commands, "remove", "forget the app of an integration", remove)
    gone.add_argument("integration", metavar="ID", help="id of the integration")


def show(_given: argparse.Namespace, settings: Settings) -> int:
    """0, with one line for each."""
    for integration_id, app in sorted(_with_book(settings, AppBook.apps).items()):
        print(f"{integration_id}  {' '.join(sorted(app))}")  # noqa: T201
    return 0


def store(given: argparse.Namespace, settings: Settings) -> int:
    """0 when connections can use it."""
    integration = with_app(open_catalog(settings), given.integration)
    assert integration.app is not None  # `with_app` says so
    values = _asked(integration.app) if given.source is None else _read(given.source)
    app = checked(integration, values)
    _with_book(settings, lambda book: book.put(given.integration, app))
    _say(f"stored; processes that run take it within {_SECONDS} s")
    _say(f"its redirect URL at the provider: {settings.public_url}/oauth/callback")
    return 0


def remove(given: argparse.Namespace, settings: Settings) -> int:
    """0 when it is gone."""

    async def forget(book: AppBook) -> None:
        stored = await book.apps()
        if given.integration not in stored:
            what, hint = unknown("app", given.integration, stored)
            raise SettingsError(f"{what} ({hint})")
        await book.remove(given.integration)

    _with_book(settings, forget)
    _say(f"removed; processes that run use it for at most {_SECONDS} s more")
    return 0


def _asked(form: AppForm) -> dict[str, Any]:
    """Field by field; what is left empty is not given."""
    if not sys.stdin.isatty():
        raise SettingsError("nobody can be asked here: give the fields with --from FILE, or --from - and stdin")
    required = form.json_schema.get("required", ())
    values = {}
    for name, field in form.json_schema.get("properties", {}).items():
        title = f"{field.get('title', name)}{'' if name in required else ' (optional)'}: "
        text = (getpass(title) if name in form.secrets else input(title)).strip()
        if text:
            values[name] = _typed(text, field)
    return values


def _typed(text: str, field: Mapping[str, Any]) -> Any:
    """What was typed is text, unless the form wants something else."""
    if field.get("type", "string") == "string":
        return text
    try:
        return exact.loads(text.encode())
    except ValueError:
        return text


def _read(source: str) -> dict[str, Any]:
    where = "stdin" if source == "-" else source
    try:
        content = sys.stdin.buffer.read() if source == "-" else Path(source).read_bytes()
        value = exact.loads(content)
    except OSError as error:
        raise SettingsError(f"{where} can't be read: {error.strerror}") from None
    except (ValueError, RecursionError):  # the parser's own words quote the text
        raise SettingsError(f"{where} is not JSON in UTF-8") from None
    if not isinstance(value, dict):
        raise SettingsError(f'{where} must hold a JSON object: {{"clientId": …, "clientSecret": …}}')
    return value


def _with_book(settings: Settings, work: Callable[[AppBook], Awaitable[Any]]) -> Any:
    async def run() -> Any:
        opened = open_storage(settings)
        try:
            return await work(AppBook(opened))
        finally:
            await opened.lifetime.close()

    return asyncio.run(run())


def _say(text: str) -> None:
    print(f"integrations: {text}", file=sys.stderr)  # noqa: T201
