"""`integrations tokens list|create|rotate|revoke`: who may call, while the service runs.

A secret is shown once, on stdout; what is said about it goes to stderr, so that a script can keep the one and show the
other.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import time
from collections.abc import Awaitable, Callable
from typing import Any, Final

from engine.bootstrap import open_storage
from engine.errors import SettingsError
from engine.events.shape import moment
from engine.identity.caller import RIGHTS
from engine.identity.gate import FRESH_SECONDS
from engine.identity.tokens import Kind, Shown, Token, TokenBook
from engine.settings import Settings

_HOUR: Final = 3600.0
_MOST_HOURS: Final = 24.0 * 366


def add_tokens(commands: Any, command: Callable[..., argparse.ArgumentParser]) -> None:
    """The four commands below `tokens`; `command` adds one with what all commands have."""
    command(commands, "list", "show names, rights and ages; never a secret", show)
    made = command(commands, "create", "make one and show its secret, once", create)
    made.add_argument("name", metavar="NAME", help="what it is known by, to you and in the policy file")
    made.add_argument(
        "--scope", action="append", default=[], metavar="RIGHT", help=f"{', '.join(RIGHTS)}; may be given several times"
    )
    made.add_argument(
        "--tenant", action="append", default=[], metavar="ID",
        help="for this tenant, for all that begin so ('shop-*') or for all ('*'); may be given several times",
    )  # fmt: skip
    made.add_argument("--sigv4", action="store_true", help="an access key that signs requests, not a token")
    turned = command(commands, "rotate", "make a new secret for one and show it, once", rotate)
    turned.add_argument("name", metavar="NAME", help="its name")
    turned.add_argument("--keep", default="24", metavar="HOURS", help="so long the old secret goes on (24)")
    gone = command(commands, "revoke", "end one, within seconds", revoke)
    gone.add_argument("name", metavar="NAME", help="its name")


def show(_given: argparse.Namespace, settings: Settings) -> int:
    """0, with one line for each."""
    tokens = _with_book(settings, TokenBook.tokens)
    for token in tokens:
        print(_line(token))  # noqa: T201
    return 0


def create(given: argparse.Namespace, settings: Settings) -> int:
    """0 when it can be used."""
    kind: Kind = "key" if given.sigv4 else "token"
    _show(_with_book(settings, lambda book: book.create(given.name, kind, given.scope, given.tenant)))
    return 0


def rotate(given: argparse.Namespace, settings: Settings) -> int:
    """0 when the new secret can be used."""
    hours = _hours(given.keep)
    _show(_with_book(settings, lambda book: book.rotate(given.name, hours * _HOUR)))
    _say(f"the secret before it goes on for {hours:g} h" if hours else _soon("the secret before it ends"))
    return 0


def revoke(given: argparse.Namespace, settings: Settings) -> int:
    """0 when it ends."""
    _with_book(settings, lambda book: book.revoke(given.name))
    _say(_soon(f"{given.name} ends"))
    return 0


def _soon(what: str) -> str:
    return f"{what} in every process within {FRESH_SECONDS:g} s"


def _with_book(settings: Settings, work: Callable[[TokenBook], Awaitable[Any]]) -> Any:
    async def run() -> Any:
        store = open_storage(settings)
        try:
            return await work(TokenBook(store, time.time))
        finally:
            await store.lifetime.close()

    return asyncio.run(run())


def _hours(text: str) -> float:
    try:
        hours = float(text)
    except ValueError:
        hours = -1.0
    if not 0 <= hours <= _MOST_HOURS:
        raise SettingsError(f"--keep needs hours, from 0 to {_MOST_HOURS:g}")
    return hours


def _show(shown: Shown) -> None:
    if shown.key_id is not None:
        print(f"AWS_ACCESS_KEY_ID={shown.key_id}\nAWS_SECRET_ACCESS_KEY={shown.secret}")  # noqa: T201
    else:
        print(shown.secret)  # noqa: T201
    _say("keep it now: it is not shown again")


def _say(text: str) -> None:
    print(f"integrations: {text}", file=sys.stderr)  # noqa: T201


def _line(token: Token) -> str:
    now = time.time()
    rights = ",".join(right for right in RIGHTS if right in token.grant.rights)
    ends = [f", one until {moment(one.until)}" for one in token.in_force(now) if one.until is not None]
    tenants = ",".join(token.grant.tenants)
    made = f"made {moment(token.created_at)}, secret of {moment(token.secrets[0].created_at)}{''.join(ends)}"
    return f"{token.name}  {token.kind}  {rights}  {tenants}  {made}"
