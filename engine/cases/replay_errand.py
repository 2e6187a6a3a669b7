"""Runs an errand through the engine: a test, a revocation, a subscription that is made, renewed or ended."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from engine.cases.endings import other_error, unsent
from engine.cases.match import compare
from engine.cases.model import ErrandCase
from engine.cases.stage import PUBLIC_URL, Stage, staged
from engine.catalog import Catalog, Subscribe, SubscribeCall
from engine.errors import CallError, Code
from engine.library import exact
from engine.model import Problem
from engine.runtime.account import Account
from engine.runtime.address import app_url, url_of
from engine.runtime.call import rfc3339
from engine.runtime.watch import unwatch, watch
from engine.storage.ports import ExecutionQuery, Store

_MADE = {"token": "webhook-token-of-the-case", "secret": "webhook-secret-of-the-case", "channelId": "1000000000000001"}


async def replay_errand(case: ErrandCase, catalog: Catalog, store: Store | None = None) -> list[str]:
    """What the engine did differently; empty when it reproduces the case."""
    try:
        stage = await staged(case.integration_id, case.given, catalog, store)
    except CallError as error:
        return [f"the connection can't be made: {error}"]
    stage.clock.draws = list(case.given.get("random", ()))
    stage.wire.exchanges = list(case.exchanges)
    got: Mapping[str, Any] = {}
    failed: CallError | Problem | None = None
    try:
        got, failed = await _done(case, stage)
    except CallError as error:
        failed = error
    problems = [*stage.wire.problems, *unsent(stage.wire)]
    if case.result is None:
        return [*problems, *other_error(case.error, failed)]
    if failed is not None:
        return [*problems, f"expected a result, got {failed.code}: {failed.message}"]
    return [*problems, *compare("result", dict(case.result), exact.loads(exact.dumps(got)), subset=True)]


async def _done(case: ErrandCase, stage: Stage) -> tuple[Mapping[str, Any], Problem | None]:
    """What is known afterwards, or how it failed. Raises `CallError`."""
    if case.does == "test":
        return await _tested(stage)
    account = await stage.engine.accounts.open(stage.connection)
    if case.does == "revoke":
        await stage.engine.tokens.revoke(account)
        return {}, None
    plan, made = _plan(case, account), _made(case, account)
    if case.does == "unsubscribe":
        await unwatch(stage.engine, account, plan, made)
        return {}, None
    watched = await watch(stage.engine, account, plan, made)
    ends = {} if watched.expires_at is None else {"expiresAt": rfc3339(watched.expires_at)}
    return {"captured": dict(watched.captured), **ends}, None


async def _tested(stage: Stage) -> tuple[Mapping[str, Any], Problem | None]:
    outcome = await stage.engine.test(stage.connection)
    ids = (stage.connection.tenant_id, stage.connection.connection_id)
    if outcome.success:
        connection = await stage.engine.store.connections.get(*ids)
        return {"config": dict(connection.config) if connection is not None else {}}, None
    rows = await stage.engine.store.executions.find(ExecutionQuery(*ids, limit=1))
    code: Any = rows[0].error_code if rows else None
    told: Code = code or "REJECTED"  # the call went well, and its answer did not show what it should
    return {}, Problem(told, outcome.message, retryable=False, provider_code=rows[0].provider_code if rows else None)


def _plan(case: ErrandCase, account: Account) -> SubscribeCall:
    """Raises `CallError` where the spec knows no such request."""
    webhook = account.integration.webhook
    plans: Subscribe | None = webhook.subscribe if webhook is not None else None
    known = {"subscribe": plans.create, "renew": plans.renew, "unsubscribe": plans.delete} if plans is not None else {}
    if (found := known.get(case.does)) is None:
        raise CallError("INTERNAL", f"the spec does not say how to {case.does}")
    return found


def _made(case: ErrandCase, account: Account) -> dict[str, Any]:
    """The root `webhook`."""
    webhook, made = account.integration.webhook, {**_MADE, **case.given.get("webhook", {})}
    assert webhook is not None  # it has a plan
    connection = account.connection
    own = url_of(PUBLIC_URL, webhook, connection.connection_id, made)
    return {"url": app_url(PUBLIC_URL, connection.integration_id) if webhook.route is not None else own, **made}
