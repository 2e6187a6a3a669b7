"""The commands and what they take.

A process runs one command: only that one is told what it takes, and only its module is imported. A call need not load
what serves, nor make the parsers of twenty commands.
"""

from __future__ import annotations

import argparse
import atexit
import gc
from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any, Final

from engine.settings import Settings


def parser(asked: str) -> argparse.ArgumentParser:
    """Knows what the command `asked` takes; where there is none of that name, the names of all."""
    whole = argparse.ArgumentParser(prog="integrations", description="Call third-party systems from YAML specs.")
    commands = whole.add_subparsers(metavar="COMMAND", required=True)
    for name in [asked] if asked in _COMMANDS else _COMMANDS:
        text, add = _COMMANDS[name]
        command = _named(commands, name, text)
        if name == asked:
            command.set_defaults(run=_late(name))
            add(command)
    return whole


def _named(commands: Any, name: str, text: str) -> argparse.ArgumentParser:
    made: argparse.ArgumentParser = commands.add_parser(name, help=text, description=f"{text[0].upper()}{text[1:]}.")
    return made


def _late(name: str) -> Callable[[argparse.Namespace, Settings], int]:
    """The command of this name, whose module is imported when it is run."""

    def run(given: argparse.Namespace, settings: Settings) -> int:
        atexit.register(gc.freeze)  # what is left then goes with the process: nobody need walk it to find that out
        gc.disable()  # what is imported stays: the collector would walk it again and again in vain
        try:
            command = getattr(import_module(f"engine.cli.{name}"), name)
        finally:
            gc.enable()
        return int(command(given, settings))

    return run


def _below(commands: Any, name: str, text: str, run: Any) -> argparse.ArgumentParser:
    """A command below another."""
    command = _named(commands, name, text)
    _add_places(command)
    command.set_defaults(run=run)
    return command


def _serve(command: argparse.ArgumentParser) -> None:
    _add_places(command)
    command.add_argument("--host", help="address to listen on (127.0.0.1)")
    command.add_argument("--port", help="port to listen on (8400)")
    command.add_argument("--quiet", action="store_true", help="no line per call on stderr")
    _add_wires(command)


def _call(command: argparse.ArgumentParser) -> None:
    _add_places(command)
    _add_action(command)
    _add_wires(command)
    command.add_argument("--idempotency-key", help="the same key and request are answered once")


def _docs(command: argparse.ArgumentParser) -> None:
    _add_places(command)
    command.add_argument("--out", default="docs/integrations", metavar="DIR", help="where the pages go")
    command.add_argument("--check", action="store_true", help="write nothing; end with 1 when a page is out of date")


def _rehearse(command: argparse.ArgumentParser) -> None:
    _add_places(command)
    command.add_argument("integration", help="id of the integration")
    command.add_argument("--url", help="where the service runs (INTEGRATIONS_PUBLIC_URL)")


def _migrate(command: argparse.ArgumentParser) -> None:
    from engine.cli.migrate import add_migrate

    _add_places(command)
    add_migrate(command)


def _keys(command: argparse.ArgumentParser) -> None:
    from engine.cli.keys import rotate

    below = command.add_subparsers(metavar="COMMAND", required=True)
    _below(below, "rotate", "make a new master key and wrap all tenant keys under it", rotate)


def _tokens(command: argparse.ArgumentParser) -> None:
    from engine.cli.tokens import add_tokens

    add_tokens(command.add_subparsers(metavar="COMMAND", required=True), _below)


def _apps(command: argparse.ArgumentParser) -> None:
    from engine.cli.apps import add_apps

    add_apps(command.add_subparsers(metavar="COMMAND", required=True), _below)


def _explain(command: argparse.ArgumentParser) -> None:
    _add_places(command)
    _add_action(command)
    command.add_argument("--case", metavar="NAME", help="of a recorded case: its requests, answers, rules and output")
    command.add_argument(
        "--answer", metavar="FILE", help="what would become of this answer of the provider; - for stdin"
    )
    command.add_argument("--status", type=int, default=200, help="its HTTP status (200)")
    command.add_argument(
        "--header", action="append", default=[], metavar="'NAME: VALUE'",
        help="one of its headers, like 'Retry-After: 30'; may be given several times",
    )  # fmt: skip
    command.add_argument(
        "--step", metavar="ID", help="the step that it answers, where the action has several (the last)"
    )
    command.add_argument("--json", action="store_true", help="print one JSON object")
    command.add_argument("--now", help="freeze the time: RFC 3339, like 2026-05-01T03:04:05Z")
    command.add_argument("--random", help="freeze the randomness")
    command.add_argument("--idempotency-key", help="freeze the key that requests derive theirs from")
    command.add_argument("--show-secrets", action="store_true", help="do not mask (on a terminal only)")


def _record(command: argparse.ArgumentParser) -> None:
    _add_places(command)
    _add_action(command)
    _add_wires(command)
    command.add_argument("--case", required=True, metavar="NAME", help="name of the case, another one than all others")
    command.add_argument(
        "--source", required=True, help="where the facts come from: page of the provider's documentation"
    )
    command.add_argument("--out", metavar="FILE", help="file of cases, - for stdout (cases/ACTION.yaml of the spec)")
    command.add_argument("--idempotency-key", help="the caller's key, for actions that carry one")


def _trigger(command: argparse.ArgumentParser) -> None:
    _add_places(command)
    command.add_argument("integration", help="id of the integration")
    command.add_argument("--execution", metavar="ID", help="the call that the message is about: its ids are told")
    command.add_argument("--case", metavar="NAME", help="the recorded message (the nearest to the call)")
    command.add_argument("--url", help="where the service runs (INTEGRATIONS_PUBLIC_URL)")
    command.add_argument("--tenant", default="default", help="tenant whose connection is told (default)")
    command.add_argument("--connection", help="id of the connection, where the tenant has several")


def _new(command: argparse.ArgumentParser) -> None:
    command.add_argument("id", metavar="ID", help="its id, category first: shipping-acme")
    command.add_argument("--dir", default="specs", help="folder of specs (specs)")
    command.add_argument("--name", help="name in the catalogue")
    command.add_argument("--category", help="shipping, payment …; what the id begins with")
    command.add_argument("--base-url", metavar="URL", help="where its API is")
    command.add_argument("--auth", help="kind of credentials: api_key, bearer, basic or oauth2")
    command.add_argument(
        "--header", metavar="NAME[: PREFIX]",
        help="header of the API key (X-Api-Key); with what stands before the key: 'Authorization: Key'",
    )  # fmt: skip
    command.add_argument("--action", help="id of the first action (get_item)")
    command.add_argument("--method", help="its HTTP method")
    command.add_argument("--path", help="its path, parameters in braces: /v1/items/{itemId}")
    command.add_argument("--yes", action="store_true", help="ask nothing: what is not given has its default")


def _add_places(command: argparse.ArgumentParser) -> None:
    command.add_argument("--data-dir", help="folder of database, token and key (.data)")
    command.add_argument("--specs", dest="specs_dirs", action="append", metavar="DIR", help="more specs, in a folder")


def _add_wires(command: argparse.ArgumentParser) -> None:
    command.add_argument("--sandbox", action="store_true", help="let the provider sandbox answer for all integrations")
    command.add_argument(
        "--upstream", dest="upstreams", action="append", metavar="ID=ORIGIN",
        help="send every call of this integration to that origin",
    )  # fmt: skip
    command.add_argument("--allow-private", action="store_true", help="let hosts resolve to private addresses")


def _add_action(command: argparse.ArgumentParser) -> None:
    command.add_argument("integration", help="id of the integration")
    command.add_argument("action", help="id of the action")
    command.add_argument("--input", default="{}", metavar="JSON", help="its input: JSON, @FILE or - for stdin")
    command.add_argument("--config", metavar="JSON", help="connect for this command only, with this config")
    command.add_argument("--credentials", metavar="JSON", help="… and credentials; @FILE keeps them secret")
    command.add_argument("--tenant", default="default", help="tenant whose connection is used (default)")
    command.add_argument("--connection", help="id of the connection, where the tenant has several")


_COMMANDS: Final[Mapping[str, tuple[str, Callable[[argparse.ArgumentParser], None]]]] = {
    "serve": ("serve the HTTP API", _serve),
    "call": ("run one action and print its answer", _call),
    "explain": ("print the exact requests of an action; nothing is sent", _explain),
    "record": ("run an action and write what went over the wire as a case", _record),
    "new": ("begin an integration", _new),
    "docs": ("write a page of documentation for each integration", _docs),
    "rehearse": ("play the whole round of an integration in the sandbox", _rehearse),
    "trigger": ("let the sandbox tell a connection something, as its provider would", _trigger),
    "migrate": ("move all data to AWS or back, and verify it", _migrate),
    "warm": ("mark the specs of a bundle for functions as good, so that they start quickly", _add_places),
    "keys": ("the master key", _keys),
    "tokens": ("who may call: service tokens and access keys", _tokens),
    "apps": ("the apps that you registered at providers", _apps),
}
"""What a command does, in words, and what it takes."""
