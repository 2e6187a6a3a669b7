"""`integrations record`: runs an action and writes what went over the wire as a case, without secrets and data."""

from __future__ import annotations

import argparse
import asyncio
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from engine.cases.model import Case
from engine.cases.read import parse_cases
from engine.cases.record import Outcome, Recorded, append, make_case
from engine.cases.replay import replay
from engine.cases.tape import Recording, RecordingClock
from engine.cases.write import yaml_of
from engine.cli.account import command_of, json_argument, opened
from engine.cli.folder import cases_in, schemas_from, spec_file
from engine.errors import RequestError
from engine.model import Connection
from engine.runtime import egress
from engine.runtime.account import CREDENTIALS, TOKEN
from engine.runtime.execute import Engine
from engine.runtime.inputs import find_action
from engine.runtime.transport import HttpTransport, Transport
from engine.settings import Settings
from engine.spec.source import read

_STDOUT = "-"
_HEAD = "# yaml-language-server: $schema={}/case.schema.json\n"


def record(given: argparse.Namespace, settings: Settings) -> int:
    """0 when the case is written and the spec reproduces it, 1 when it is written and does not."""
    return asyncio.run(_record(given, settings))


@dataclass
class _Tape:
    """The wire that records; it is made when it is known where requests are to go."""

    integration_id: str
    settings: Settings
    recording: Recording | None = field(default=None)

    def wire(self, upstreams: Mapping[str, str]) -> Transport:
        settings = self.settings
        inner = HttpTransport(
            exempt=egress.origins(upstreams), allow_private=settings.allow_private or settings.sandbox
        )
        self.recording = Recording(inner, upstreams.get(self.integration_id))
        return self.recording


async def _record(given: argparse.Namespace, settings: Settings) -> int:
    asked = json_argument("--input", given.input)
    tape, clock = _Tape(given.integration, settings), RecordingClock()
    async with opened(given, settings, clock, tape.wire) as (engine, connection):
        spec = spec_file(given.integration, settings)
        file = spec.parent / "cases" / f"{given.action}.yaml" if given.out is None else Path(given.out)
        _check_name(given.case, spec.parent)
        find_action(engine.catalog.integrations[given.integration], given.action)
        assert tape.recording is not None  # `opened` has asked for the wire
        recorded = await _called(engine, connection, given, asked, tape.recording)
        text = spec.read_text("utf-8")
        source, _ = read(str(spec), text)
        assert source is not None  # it has been compiled
        outcome = await make_case(recorded, engine.catalog, source.value, text)
        if given.out == _STDOUT:
            sys.stdout.write(yaml_of([outcome.block]))
            problems = list(outcome.problems)
        else:
            append(file, outcome.block, _HEAD.format(schemas_from(file.parent)))
            problems = [*outcome.problems, *await replay(_written(file, given.case, given.integration), engine.catalog)]
    to = sys.stderr if given.out == _STDOUT else sys.stdout
    to.write(_summary(given.case, None if given.out == _STDOUT else file, outcome, problems))
    return 1 if problems else 0


def _check_name(name: str, folder: Path) -> None:
    """Before anything is sent: a provider that was asked in vain may have booked something."""
    if name in {case.name for case in cases_in(folder)}:
        raise RequestError("BAD_REQUEST", f'--case: there is a case "{name}" already')


async def _called(
    engine: Engine, connection: Connection, given: argparse.Namespace, asked: dict[str, Any], tape: Recording
) -> Recorded:
    """The call, made once. Raises `RequestError` when there is nothing to record."""
    clock = engine.clock
    assert isinstance(clock, RecordingClock)
    integration = engine.catalog.integrations[given.integration]
    action = find_action(integration, given.action)
    if action.pagination is not None and "cursor" in asked:
        raise RequestError("BAD_REQUEST", "record the first page: a cursor is good for one connection only")
    ids = (connection.tenant_id, connection.connection_id)
    secret = await engine.store.secrets.get(*ids, CREDENTIALS)
    token = await _token(engine, connection)
    clock.made.clear()
    clock.drawn.clear()
    tape.heard.clear()
    answer = await engine.execute(command_of(given, asked, connection))
    if tape.miss is not None:
        raise RequestError("BAD_REQUEST", f"the sandbox has no answer, so there is nothing to record: {tape.miss}")
    if not tape.heard or tape.too_large:
        said = f"{answer.error.code}: {answer.error.message}" if answer.error is not None else "the action sends none"
        raise RequestError("BAD_REQUEST", f"no exchange was recorded, and nothing was written: {said}")
    account = await engine.accounts.open(connection)
    learned = [text for name in ("access", "refresh") if isinstance(text := account.token.get(name), str)]
    given_now = {
        "config": dict(connection.config),
        "credentials": dict(secret.value) if secret is not None else {},
        "input": asked,
        **({"app": dict(account.app)} if account.app else {}),
        **({"token": token} if token else {}),
    }
    return Recorded(
        given.case, given.source, integration, action, given_now, learned, given.idempotency_key, clock,
        tape.heard, answer,
    )  # fmt: skip


async def _token(engine: Engine, connection: Connection) -> dict[str, Any]:
    """The token that the connection holds, as a case gives it; none where it is over and can't be renewed."""
    stored = await engine.store.secrets.get(connection.tenant_id, connection.connection_id, TOKEN)
    if stored is None:
        return {}
    names = ("access", "refresh", "expiresAt", "refreshExpiresAt", "scope")
    token = {name: stored.value[name] for name in names if stored.value.get(name) is not None}
    ends = token.get("expiresAt")
    is_over = isinstance(ends, str) and datetime.fromisoformat(ends).timestamp() <= engine.clock.now()
    return {} if is_over and "refresh" not in token else token


def _written(file: Path, name: str, integration_id: str) -> Case:
    """The case as it stands in the file now."""
    cases, _ = parse_cases(str(file), file.read_text("utf-8"), integration_id)
    return next(case for case in cases if isinstance(case, Case) and case.name == name)


def _summary(name: str, file: Path | None, outcome: Outcome, problems: list[str]) -> str:
    counts = ", ".join(f"{count} {_many(kind, count)}" for kind, count in sorted(outcome.replaced.items()))
    size = len(outcome.block["exchanges"])
    lines = [
        f'{file or "stdout"}: case "{name}" with {size} {_many("exchange", size)}',
        f"  replaced by fakes: {counts or 'nothing'}",
    ]
    if outcome.made_anew:
        lines.append(f"  made anew with the fakes: {', '.join(outcome.made_anew)}")
    if outcome.hidden:
        lines.append("  a value stood there in an encoded form: *** is in its place, and has to be mended by hand")
    if not problems:
        lines.append("  the spec reproduces it")
    lines += [f"  the spec does not reproduce it: {problem}" for problem in problems]
    again = "stays as it was: mend the case by hand"
    lines += [f"  it does when {one.place} ({one.kind}) {again}" for one in outcome.needed]
    return "\n".join([*lines, ""])


def _many(word: str, count: int) -> str:
    if count == 1:
        return word
    return word.replace(" of ", "s of ", 1) if " of " in word else word + ("es" if word.endswith("ss") else "s")
