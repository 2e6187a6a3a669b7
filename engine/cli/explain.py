"""`integrations explain`: the exact requests of an action, and what becomes of answers; nothing is sent.

    explain INTEGRATION ACTION --input JSON              the request, its signature, all steps, the nearest case
    explain … --case NAME                                the same for a case, and what becomes of its answers
    explain … --answer FILE [--status 400] [--header 'Retry-After: 30'] [--step ID]
                                                         what would become of this answer, and who tries it again

`--json` prints one object (`explain_view` says what is in it). Without an account of one's own, `--case` and `--answer`
take that of a case, which is invented and therefore not masked; an `--input` that is given replaces the case's.
"""

from __future__ import annotations

import argparse
import asyncio
import re
import sys
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Any

from engine.bootstrap import open_registry
from engine.cases.choose import Recordings
from engine.cases.model import Case, Turn
from engine.cases.replay import staged
from engine.cases.trace import Placed, trace, watched
from engine.catalog import Catalog
from engine.cli import explain_view as view
from engine.cli.account import command_of, json_argument, opened
from engine.cli.folder import cases_in, compiled_spec, spec_file
from engine.diagnostics import unknown
from engine.errors import CallError, RequestError, SettingsError
from engine.library import exact
from engine.model import Command, Connection, Response
from engine.plugins import Registry
from engine.runtime.clock import SystemClock
from engine.runtime.execute import Engine
from engine.runtime.explain import Explanation, Reading, read_answer
from engine.runtime.explain import explain as explained
from engine.settings import Settings
from engine.spec.load import Compiled

_NO_INPUT = "{}"
_HEADER_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")


@dataclass
class _FrozenClock(SystemClock):
    """The given time and randomness, the machine's where they are not given."""

    epoch: float | None = None
    drawn: str | None = field(default=None, repr=False)

    def now(self) -> float:
        return super().now() if self.epoch is None else self.epoch

    def hex(self) -> str:
        return self.drawn or super().hex()


@dataclass
class _Author:
    """What an author has in the integration's folder, and what was asked about it."""

    given: argparse.Namespace
    settings: Settings
    folder: Path
    cases: list[Case]
    registry: Registry
    compiled: Compiled

    @staticmethod
    def of(given: argparse.Namespace, settings: Settings) -> _Author:
        file, registry = spec_file(given.integration, settings), open_registry()
        compiled = compiled_spec(file, registry)
        return _Author(given, settings, file.parent, cases_in(file.parent), registry, compiled)

    @property
    def catalog(self) -> Catalog:
        integration = self.compiled.integration
        assert integration is not None  # `compiled_spec` raises where there is none
        plugins = self.registry
        known = {integration.integration_id: integration}
        return Catalog(known, plugins.functions, plugins.signers, plugins.refreshers)

    def case(self) -> Case | None:
        """The case that is named, or where none is, one that can lend its account; None where the caller has one."""
        about = [case for case in self.cases if any(turn.action == self.given.action for turn in case.turns)]
        if self.given.case is not None:
            found = next((case for case in about if case.name == self.given.case), None)
            if found is None:
                message, hint = unknown(f"case of {self.given.action}", self.given.case, [case.name for case in about])
                raise RequestError("NOT_FOUND", f"--case: {message} ({hint})")
            return _changed(found, self.given)
        if self.given.answer is None or self.has_account:
            return None
        plain = sorted(about, key=lambda case: (len(case.turns), not case.turns[0].has_result))
        return _changed(plain[0], self.given) if plain else None

    @property
    def has_account(self) -> bool:
        return any(getattr(self.given, name) is not None for name in ("config", "credentials", "connection"))


def explain(given: argparse.Namespace, settings: Settings) -> int:
    """0, or 1 when the call would fail before anything is sent."""
    if given.show_secrets and not sys.stdout.isatty():
        raise RequestError("BAD_REQUEST", "--show-secrets works on a terminal only")
    if given.case is not None and given.connection is not None:
        raise RequestError("BAD_REQUEST", "--case brings its own account: leave --connection out")
    if given.header and given.answer is None:
        raise RequestError("BAD_REQUEST", "--header is a header of an answer: give --answer too")
    return asyncio.run(_explain(given, settings))


async def _explain(given: argparse.Namespace, settings: Settings) -> int:
    _epoch(given.now)
    author = _Author.of(given, settings)
    case = author.case()
    async with AsyncExitStack() as stack:
        if case is None:
            clock = _FrozenClock(_epoch(given.now), given.random)
            engine, connection = await stack.enter_async_context(opened(given, settings, clock))
            command = command_of(given, json_argument("--input", given.input), connection)
        else:
            engine, connection, command = await _on_stage(author, case)
        is_masked = not given.show_secrets and (case is None or author.has_account)
        shown = await _shown(author, engine, connection, command, case, is_masked=is_masked)
    text = exact.dumps(shown) if given.json else view.as_text(shown).encode()
    sys.stdout.buffer.write(text + b"\n")
    return 0


async def _shown(
    author: _Author, engine: Engine, connection: Connection, command: Command, case: Case | None, *, is_masked: bool
) -> dict[str, Any]:
    if author.given.answer is not None:
        answer = _answer(author.given.answer, author.given.status, _headers(author.given.header))
        reading = await read_answer(engine, command, connection, answer, author.given.step)
        lender = case.name if case is not None else None
        return view.of_answer(reading, answer, _placed(author, reading), lender, is_masked=is_masked)
    found: Explanation | CallError
    try:
        found = await explained(engine, command, connection)
    except CallError as error:
        if author.given.case is None:
            raise
        found = error
    shown: dict[str, Any] = {}
    if isinstance(found, Explanation):
        nearest = Recordings(author.cases).answer(found.request, command.action_id) if found.sends else None
        shown = view.of_request(found, nearest, is_masked=is_masked)
    if case is not None:
        calls = await trace(case, author.compiled, author.registry)
        masker = (await engine.accounts.open(connection)).masker
        recorded = view.of_case(case, calls)
        shown["case"] = masker.data(recorded) if is_masked else recorded
    return shown


async def _on_stage(author: _Author, case: Case) -> tuple[Engine, Connection, Command]:
    stage = await staged(case, author.catalog)
    turn = next(turn for turn in case.turns if turn.action == author.given.action)
    if "now" in turn.given:
        stage.clock.set(datetime.fromisoformat(turn.given["now"]).timestamp())
    stage.clock.draws = list(turn.given.get("random", ()))
    stage.clock.ids = [turn.given["id"]] if "id" in turn.given else []
    if "token" in turn.given:
        (await stage.engine.accounts.open(stage.connection)).learn_token(turn.given["token"])
    command = Command(
        tenant_id=stage.connection.tenant_id,
        connection_id=stage.connection.connection_id,
        action_id=turn.action,
        input=turn.given.get("input", {}),
        idempotency_key=turn.given.get("idempotencyKey"),
    )
    return stage.engine, stage.connection, command


def _changed(case: Case, given: argparse.Namespace) -> Case:
    """The case with what was given on the command line in place of its own."""
    own: dict[str, Any] = {}
    for name in ("config", "credentials"):
        if (text := getattr(given, name)) is not None:
            own[name] = json_argument(f"--{name}", text)
    if given.input != _NO_INPUT:
        own["input"] = json_argument("--input", given.input)
    if given.now is not None:
        own["now"] = given.now
    if given.random is not None:
        own["random"] = [given.random]
    if given.idempotency_key is not None:
        own["idempotencyKey"] = given.idempotency_key

    def changed(turn: Turn) -> Turn:
        return replace(turn, given={**turn.given, **own}, sets=turn.sets | own.keys())

    return replace(case, turns=tuple(map(changed, case.turns))) if own else case


def _placed(author: _Author, reading: Reading) -> list[Placed]:
    """Where the rules stand. The engine's rules and the watched ones are the same, in the same order."""
    integration, places = watched(author.compiled, author.registry)
    steps = integration.actions[author.given.action].steps
    step = next((step for step in steps if step.step_id == author.given.step), steps[-1])
    pairs = zip(reading.judgements, step.rules, strict=False)
    return [places.placed(replace(judgement, rule=rule)) for judgement, rule in pairs]


def _headers(given: Sequence[str]) -> dict[str, str]:
    """By their names in small letters, as the transport has them; what is given several times is one list."""
    headers: dict[str, str] = {}
    for text in given:
        name, colon, value = text.partition(":")
        if not colon or not _HEADER_NAME.fullmatch(name) or not value.strip().isprintable():
            raise RequestError("BAD_REQUEST", "--header: write a name and a value, like 'Retry-After: 30'")
        before = headers.get(name.lower())
        headers[name.lower()] = value.strip() if before is None else f"{before}, {value.strip()}"
    return headers


def _answer(source: str, status: int, headers: Mapping[str, str]) -> Response:
    """A provider's answer from a file or stdin; where no header says its form, it is seen from how it begins."""
    try:
        body = sys.stdin.buffer.read() if source == "-" else Path(source).read_bytes()
    except OSError as error:
        raise SettingsError(f"--answer: can't read the file ({type(error).__name__})") from None
    head = body.lstrip()[:9].lower()
    is_page = head.startswith((b"<!doctype", b"<html"))
    kind = "text/html" if is_page else "application/xml" if head.startswith(b"<") else "text/plain"
    if head[:1] in (b"{", b"["):
        kind = "application/json"
    return Response(status, {"content-type": kind, **headers}, body)


def _epoch(text: str | None) -> float | None:
    if text is None:
        return None
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        at = None
    if at is None or at.tzinfo is None:
        raise RequestError("BAD_REQUEST", "--now needs a time with offset, like 2026-05-01T03:04:05Z")
    return at.timestamp()
