"""Plays a consent: the page that a person is sent to, each tampered callback, the good one, and that once more."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final
from urllib.parse import urlencode

from engine.cases.come_back import proof_of
from engine.cases.doubt import why_not
from engine.cases.endings import other_error, unsent
from engine.cases.match import compare, pairs, texts
from engine.cases.model import ConsentCase
from engine.cases.stage import PUBLIC_URL, Stage, moment, staged
from engine.cases.wire import body_of
from engine.catalog import Catalog
from engine.connections.consent import Consents, Outcome, Refused
from engine.errors import CallError, EngineError
from engine.library import exact
from engine.model import ConnectionStatus
from engine.runtime.account import CREDENTIALS, TOKEN
from engine.runtime.message import Message
from engine.storage.ports import Store

REFUSED: Final = "FORBIDDEN"
"""How a case names the end of a callback that is none of ours: one of another account, say."""
_STATE = "fake-state-of-the-case-0000"
_VERIFIER = "fake-verifier-of-the-case-000000000000000000000"
_BACK = f"{PUBLIC_URL}/oauth/callback"


async def replay_consent(case: ConsentCase, catalog: Catalog, store: Store | None = None) -> list[str]:
    """What the engine did differently; empty when it reproduces the case."""
    status: ConnectionStatus = "error" if "token" in case.given else "inactive"
    try:
        stage = await staged(case.integration_id, case.given, catalog, store, status=status)
        stage.clock.secrets = [case.given.get("state", _STATE), case.given.get("codeVerifier", _VERIFIER)]
        stage.clock.draws = list(case.given.get("random", ()))
        consents = Consents(stage.engine, PUBLIC_URL, ())
        invitation = await consents.begin(stage.connection)
    except EngineError as error:
        return [f"the consent can't begin: {error}"]
    problems = [*_page(case.authorize, invitation.url)]
    start = stage.clock.epoch
    for number, tamper in enumerate(case.tampers, 1):
        stage.clock.set(moment(tamper.get("now"), start))
        problems += [f"tamper {number}: {what}" for what in await _tampered(case, tamper, stage, consents)]
    stage.clock.set(start)
    problems += await _good(case, stage, consents)
    return problems


def _page(wanted: Mapping[str, Any] | None, url: str) -> Iterator[str]:
    if wanted is None:
        return
    page, _, query = wanted["url"].partition("?")
    got, _, got_query = url.partition("?")
    if page != got:
        yield f"authorize.url: expected {page}, got {got}"
    expected = texts(wanted["query"]) if "query" in wanted else pairs(query)
    yield from compare("authorize.query", expected, pairs(got_query), subset=wanted.get("match") == "subset")


async def _tampered(case: ConsentCase, tamper: Mapping[str, Any], stage: Stage, consents: Consents) -> list[str]:
    """A callback that was changed must be refused before anything is sent."""
    stage.wire.exchanges, stage.wire.problems, stage.wire.sent = [], [], 0
    try:
        outcome = await consents.come_back(_message(_changed(case.callback, tamper)))
    except Refused:
        return [f"it was refused after {stage.wire.sent} requests were sent"] if stage.wire.sent else []
    got = outcome.error.code if outcome.error is not None else "a consent"
    return [f"expected a refusal, got {got}"]


async def _good(case: ConsentCase, stage: Stage, consents: Consents) -> list[str]:
    """The callback as it is; once more it is good for nothing, if it connected the account."""
    message = _message(case.callback)
    stage.wire.exchanges, stage.wire.problems, stage.wire.sent = list(case.exchanges), [], 0
    try:
        outcome = await consents.come_back(message)
    except Refused as refused:
        if case.result is None and case.error.get("code") == REFUSED:
            return list(other_error(case.error, CallError(REFUSED, str(refused))))
        return [f"the callback is refused: {refused}{_doubt(case, stage, message)}"]
    problems = [*stage.wire.problems, *unsent(stage.wire), *await _outcome(case, stage, outcome)]
    if outcome.error is not None:
        return problems
    try:
        await consents.come_back(message)
    except Refused:
        return problems
    return [*problems, "the same callback once more: expected a refusal"]


def _doubt(case: ConsentCase, stage: Stage, message: Message) -> str:
    """Why its proof does not fit, for its author; empty when that was not the reason."""
    integration = stage.engine.catalog.integrations[case.integration_id]
    blocks = next((method.consent.verify for method in integration.methods if method.consent is not None), ())
    if not blocks:
        return ""
    app, signers = case.given.get("app", {}), stage.engine.catalog.signers
    config = integration.form.schema.fill(dict(case.given.get("config", {})))
    why = why_not(blocks, proof_of(message, config, app, signers, stage.clock.now()))
    return f"; {why}" if why else ""


async def _outcome(case: ConsentCase, stage: Stage, outcome: Outcome) -> list[str]:
    if case.result is None:
        return list(other_error(case.error, outcome.error))
    if outcome.error is not None:
        return [f"expected a consent, got {outcome.error.code}: {outcome.error.message}"]
    ids = (stage.connection.tenant_id, stage.connection.connection_id)
    connection = await stage.engine.store.connections.get(*ids)
    assert connection is not None  # nobody else is here to delete it
    secrets = [await stage.engine.store.secrets.get(*ids, name) for name in (CREDENTIALS, TOKEN)]
    credentials, token = (dict(secret.value) if secret is not None else {} for secret in secrets)
    got = {"status": connection.status, "config": dict(connection.config), "credentials": credentials, "token": token}
    wanted = {"status": "active", **case.result}
    return compare("result", wanted, exact.loads(exact.dumps(got)), subset=True)


def _changed(callback: Mapping[str, Any], tamper: Mapping[str, Any]) -> dict[str, Any]:
    """The callback with one thing changed."""
    changed = dict(callback)
    for kind in ("query", "form"):
        if kind in callback or kind in tamper:
            pairs = {**callback.get(kind, {}), **tamper.get(kind, {})}
            changed[kind] = {name: value for name, value in pairs.items() if name != tamper.get("drop")}
    return {**changed, "json": tamper["json"]} if "json" in tamper else changed


def _message(said: Mapping[str, Any]) -> Message:
    body = body_of(said)
    query = f"?{urlencode(said['query'], doseq=True)}" if "query" in said else ""
    return Message(said.get("method", "GET"), _BACK + query, body.headers, body.body, None)
