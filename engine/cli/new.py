"""`integrations new`: begins an integration with a spec, its cases and a logo that are valid at once."""

from __future__ import annotations

import argparse
import json
import os
import re
import shlex
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from engine.cli import scaffold
from engine.cli.folder import schemas_from
from engine.cli.scaffold import plan as plans
from engine.cli.scaffold.plan import Plan
from engine.diagnostics import nearest, unknown
from engine.errors import RequestError, SettingsError
from engine.locations import schemas_dir, specs_dir
from engine.settings import Settings

Check = Callable[[str], str]

_HEADER = re.compile(r"[A-Za-z][A-Za-z0-9-]{0,99}")
_PREFIX = re.compile(r"[A-Za-z0-9 !#$%&()*+,./:;<=>?@^_|~'-]{1,100}")  # nothing that YAML or a template would read
_OWN_HEADERS = frozenset({"host", "content-length", "content-type", "transfer-encoding", "connection"})
_BASE_URL = re.compile(r"https://[a-z0-9-]+(\.[a-z0-9-]+)+(/[A-Za-z0-9._~-]+)*")
_PATH = re.compile(r"(/([A-Za-z0-9._~:@-]|\{[A-Za-z][A-Za-z0-9_]*\})+)+")
_DOTS = re.compile(r"/\.{1,2}(/|$)")


def new(given: argparse.Namespace, _settings: Settings) -> int:
    """0 when the files are written; what is there already is never touched."""
    ask = _Ask(given)
    integration_id = ask.checked("ID", given.id, ask.rules.integration_id)
    folder = Path(given.dir) / integration_id
    for place in (folder, specs_dir() / integration_id):
        if os.path.lexists(place):
            raise SettingsError(f"{place} is there already; nothing was written")
    plan = _plan(ask, integration_id)
    _write(folder, scaffold.files(plan, schemas_from(folder)))
    sys.stdout.write(_next_steps(plan, folder))
    return 0


def _plan(ask: _Ask, integration_id: str) -> Plan:
    rules, begin = ask.rules, integration_id.partition("-")[0]
    category = begin if begin in rules.categories else nearest(begin, rules.categories)
    name = ask("name", plans.default_name(integration_id), _name)
    category = ask("category", category, rules.category)
    base_url = ask("base_url", plans.default_base_url(integration_id), _base_url)
    auth = ask("auth", "api_key", _auth)
    header, _, prefix = (ask("header", "X-Api-Key", _header) if auth == "api_key" else "").partition(": ")
    if ask.given.header is not None and auth != "api_key":
        raise RequestError("BAD_REQUEST", f"--header goes with --auth api_key; {auth} has the header Authorization")
    action = ask("action", plans.default_action(ask.given.method), rules.action_id)
    method = ask("method", plans.default_method(action), rules.method)
    path = ask("path", plans.default_path(action, method), _path)
    return Plan(integration_id, category, name, base_url, auth, header, action, method, path, prefix)


class _Rules:
    """What the schema of the language says of ids, categories and methods."""

    def __init__(self) -> None:
        schema = json.loads((schemas_dir() / "integration.schema.json").read_bytes())
        top, parts = schema["properties"], schema["$defs"]
        self.categories: list[str] = top["category"]["enum"]
        self._methods = [name for name in parts["request"]["properties"]["method"]["enum"] if name != "HEAD"]
        self._id, self._action_id = top["integrationId"], parts["action"]["properties"]["actionId"]

    def integration_id(self, text: str) -> str:
        return _matching(text, self._id)

    def action_id(self, text: str) -> str:
        return _matching(text, self._action_id)

    def category(self, text: str) -> str:
        return _one_of("category", text, self.categories)

    def method(self, text: str) -> str:
        return _one_of("method", text.upper(), self._methods)


class _Ask:
    """Answers from options; on a terminal what is not given is asked for, elsewhere it has its default."""

    def __init__(self, given: argparse.Namespace) -> None:
        self.given = given
        self.rules = _Rules()
        self._asks = sys.stdin.isatty() and not given.yes

    def __call__(self, option: str, default: str | None, check: Check) -> str:
        flag = f"--{option.replace('_', '-')}"
        text = getattr(self.given, option)
        if text is not None:
            return self.checked(flag, text, check)
        if self._asks:
            return self._asked(option.replace("_", " ").capitalize(), default, check)
        return self.checked(flag, default or "", check)

    def checked(self, flag: str, text: str, check: Check) -> str:
        try:
            return check(text)
        except ValueError as error:
            raise RequestError("BAD_REQUEST", f"{flag}: {error}") from None

    def _asked(self, label: str, default: str | None, check: Check) -> str:
        while True:
            try:
                text = input(f"{label}{f' [{default}]' if default else ''}: ").strip()
            except EOFError:
                raise RequestError("BAD_REQUEST", "the input ended; nothing was written") from None
            try:
                return check(text or default or "")
            except ValueError as error:
                sys.stderr.write(f"  {error}\n")


def _matching(text: str, rule: dict[str, Any]) -> str:
    if len(text) > rule["maxLength"]:
        raise ValueError(f"at most {rule['maxLength']} characters")
    if not re.search(rule["pattern"], text) or text.endswith("\n"):
        raise ValueError(str(rule["errorMessage"]))
    return text


def _one_of(kind: str, text: str, known: Sequence[str]) -> str:
    if text not in known:
        message, hint = unknown(kind, text, known) if text else (f"a {kind} is needed", f"known: {', '.join(known)}")
        raise ValueError(f"{message} ({hint})")
    return text


def _name(text: str) -> str:
    if not 0 < len(text.strip()) <= 100 or not text.isprintable():
        raise ValueError("a name has 1 to 100 characters, all in one line")
    return text.strip()


def _base_url(text: str) -> str:
    scheme, mark, rest = text.rstrip("/").partition("://")
    host, slash, path = rest.partition("/")
    url = f"{scheme.lower()}{mark}{host.lower()}{slash}{path}"
    if not _BASE_URL.fullmatch(url) or _DOTS.search(path):
        raise ValueError("write where the API is, without query: https://api.vendor.com or https://api.vendor.com/v2")
    return url


def _auth(text: str) -> str:
    return _one_of("kind of credentials", text, list(scaffold.AUTH_TYPES))


def _header(text: str) -> str:
    """`X-Api-Key`, or with what stands before the key: `Authorization: Key`."""
    name, _, prefix = (part.strip() for part in text.partition(":"))
    if not _HEADER.fullmatch(name) or name.lower() in _OWN_HEADERS:
        raise ValueError(
            "write the name of the header that carries the key, and what stands before the key: X-Api-Key, or "
            "'Authorization: Key'"
        )
    if not prefix:
        return name
    if not _PREFIX.fullmatch(prefix):
        raise ValueError("what stands before the key is plain text, like Key in 'Authorization: Key'")
    return f"{name}: {prefix}"


def _path(text: str) -> str:
    if not _PATH.fullmatch(text) or _DOTS.search(text):
        raise ValueError("write it from / on, parameters in braces: /v1/orders/{orderId}")
    return text


def _write(folder: Path, files: dict[str, str]) -> None:
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        folder.mkdir()
        for name, text in files.items():
            (folder / name).parent.mkdir(exist_ok=True)
            with (folder / name).open("x", encoding="utf-8", newline="\n") as file:
                file.write(text)
    except OSError as error:
        raise SettingsError(f"{folder} can't be written ({type(error).__name__})") from None


def _next_steps(plan: Plan, folder: Path) -> str:
    is_own = folder.parent.resolve() == specs_dir().resolve()
    specs = [] if is_own else ["--specs", str(folder.parent)]
    options = [f"--{name} {shlex.quote(json.dumps(value))}" for name, value in scaffold.account(plan).items()]
    asked = [*options, f"--input {shlex.quote(json.dumps(scaffold.example_input(plan)))}"]
    what = [plan.integration_id, plan.action, *specs]
    commands = [
        shlex.join(["spec-lint", str(folder)]),
        " ".join([shlex.join(["integrations", "call", *what, "--sandbox"]), *asked]),
        " ".join([shlex.join(["integrations", "explain", *what]), *asked]),
    ]
    listed = "\n".join(f"  {command}" for command in commands)
    written = ", ".join(name for name in scaffold.files(plan, "") if name != "logo.svg")
    return f"{folder}: {written} and logo.svg are written. Next:\n\n{listed}\n"
