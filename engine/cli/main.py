"""Reads the command line, runs one command, and says in one line what went wrong.

Exit codes: 0 done · 1 the call failed · 2 the command, the settings or a spec is wrong.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Sequence
from importlib import import_module
from typing import Any

from engine.cli import spec_errors
from engine.errors import CallError, EngineError, RequestError, SpecError
from engine.settings import Settings


def main(arguments: Sequence[str] | None = None) -> int:
    """Entry point of `integrations`."""
    given = _parser().parse_args(arguments)
    try:
        return int(given.run(given, _settings(given)))
    except SpecError as error:
        spec_errors.show(error)
    except CallError as error:
        _complain(f"{error.code}: {error.message}")
        return 1
    except RequestError as error:
        issues = "".join(f"\n  {'.'.join(map(str, i.path))}: {i.message}" for i in error.issues)
        _complain(f"{error}{issues}")
    except EngineError as error:
        _complain(str(error))
    except KeyboardInterrupt:
        return 130
    return 2


def _complain(message: str) -> None:
    print(f"integrations: {message}", file=sys.stderr)  # noqa: T201


def _settings(given: argparse.Namespace) -> Settings:
    names = ("data_dir", "host", "port", "upstreams", "sandbox", "allow_private", "specs_dirs")
    overrides: dict[str, Any] = {name: getattr(given, name, None) or None for name in names}
    overrides["log"] = False if getattr(given, "quiet", False) else None
    return Settings.from_environment(os.environ, **overrides)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="integrations", description="Call third-party systems from YAML specs.")
    commands = parser.add_subparsers(metavar="COMMAND", required=True)

    command = _command(commands, "serve", "serve the HTTP API", _late("serve"))
    command.add_argument("--host", help="address to listen on (127.0.0.1)")
    command.add_argument("--port", help="port to listen on (8400)")
    command.add_argument("--quiet", action="store_true", help="no line per call on stderr")
    _add_wires(command)

    command = _command(commands, "call", "run one action and print its answer", _late("call"))
    _add_action(command)
    _add_wires(command)
    command.add_argument("--idempotency-key", help="the same key and request are answered once")

    command = _command(commands, "explain", "print the exact requests of an action; nothing is sent", _late("explain"))
    _add_action(command)
    _add_explaining(command)

    command = _command(commands, "record", "run an action and write what went over the wire as a case", _late("record"))
    _add_action(command)
    _add_wires(command)
    _add_recording(command)

    _add_answers(
        commands.add_parser("new", help="begin an integration", description="Begin an integration."), _late("new")
    )

    command = _command(commands, "docs", "write a page of documentation for each integration", _late("docs"))
    command.add_argument("--out", default="docs/integrations", metavar="DIR", help="where the pages go")
    command.add_argument("--check", action="store_true", help="write nothing; end with 1 when a page is out of date")

    command = _command(commands, "rehearse", "play the whole round of an integration in the sandbox", _late("rehearse"))
    command.add_argument("integration", help="id of the integration")
    command.add_argument("--url", help="where the service runs (INTEGRATIONS_PUBLIC_URL)")

    command = _command(
        commands, "trigger", "let the sandbox tell a connection something, as its provider would", _late("trigger")
    )
    _add_story(command)

    _add_operating(commands)
    return parser


def _add_operating(commands: Any) -> None:
    from engine.cli.apps import add_apps
    from engine.cli.keys import rotate
    from engine.cli.migrate import add_migrate, migrate
    from engine.cli.tokens import add_tokens

    add_migrate(_command(commands, "migrate", "move all data to AWS or back, and verify it", migrate))
    _command(
        commands, "warm", "mark the specs of a bundle for functions as good, so that they start quickly", _late("warm")
    )

    keys = commands.add_parser("keys", help="the master key").add_subparsers(metavar="COMMAND", required=True)
    _command(keys, "rotate", "make a new master key and wrap all tenant keys under it", rotate)

    tokens = commands.add_parser("tokens", help="who may call: service tokens and access keys")
    add_tokens(tokens.add_subparsers(metavar="COMMAND", required=True), _command)

    apps = commands.add_parser("apps", help="the apps that you registered at providers")
    add_apps(apps.add_subparsers(metavar="COMMAND", required=True), _command)


def _add_explaining(command: argparse.ArgumentParser) -> None:
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


def _add_recording(command: argparse.ArgumentParser) -> None:
    command.add_argument("--case", required=True, metavar="NAME", help="name of the case, another one than all others")
    command.add_argument(
        "--source", required=True, help="where the facts come from: page of the provider's documentation"
    )
    command.add_argument("--out", metavar="FILE", help="file of cases, - for stdout (cases/ACTION.yaml of the spec)")
    command.add_argument("--idempotency-key", help="the caller's key, for actions that carry one")


def _add_story(command: argparse.ArgumentParser) -> None:
    command.add_argument("integration", help="id of the integration")
    command.add_argument("--execution", metavar="ID", help="the call that the message is about: its ids are told")
    command.add_argument("--case", metavar="NAME", help="the recorded message (the nearest to the call)")
    command.add_argument("--url", help="where the service runs (INTEGRATIONS_PUBLIC_URL)")
    command.add_argument("--tenant", default="default", help="tenant whose connection is told (default)")
    command.add_argument("--connection", help="id of the connection, where the tenant has several")


def _add_answers(command: argparse.ArgumentParser, run: Any) -> None:
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
    command.set_defaults(run=run)


def _late(name: str) -> Callable[[argparse.Namespace, Settings], int]:
    """The command of this name, whose module is imported when it is run: a call need not load what serves."""

    def run(given: argparse.Namespace, settings: Settings) -> int:
        return int(getattr(import_module(f"engine.cli.{name}"), name)(given, settings))

    return run


def _command(commands: Any, name: str, text: str, run: Any) -> argparse.ArgumentParser:
    described = text[0].upper() + text[1:] + "."
    command: argparse.ArgumentParser = commands.add_parser(name, help=text, description=described)
    command.add_argument("--data-dir", help="folder of database, token and key (.data)")
    command.add_argument("--specs", dest="specs_dirs", action="append", metavar="DIR", help="more specs, in a folder")
    command.set_defaults(run=run)
    return command


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
