"""The requests of `webhooks.subscribe`: a provider is asked to tell us of an account, again, or not any more."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from typing import Any

from engine.catalog import SubscribeCall
from engine.compiled.fault import EvaluationError
from engine.errors import CallError
from engine.frozen import frozen
from engine.library.absent import ABSENT
from engine.library.function import LibraryError
from engine.library.times import from_time
from engine.runtime.account import Account
from engine.runtime.auth import choose
from engine.runtime.errand import SECONDS, Runner, errand
from engine.runtime.grant import epoch_of
from engine.runtime.response import Reply, read_trees


@frozen
class Watch:
    """What the provider said. `expires_at`: epoch seconds; None: it does not end, or nothing was said."""

    captured: Mapping[str, Any] = field(repr=False)
    expires_at: float | None


async def watch(engine: Runner, account: Account, plan: SubscribeCall, made: Mapping[str, Any]) -> Watch:
    """Subscribe, or renew. `made`: the root `webhook` of the request. Raises `CallError`."""
    reply = await _sent(engine, account, plan, made, SECONDS)
    try:
        captured = read_trees(plan.capture, reply.scope)
        expires = plan.expires_at(reply.scope) if plan.expires_at is not None else None
        end = None if expires in (None, ABSENT) else epoch_of(str(from_time(expires)))
    except (EvaluationError, LibraryError, ValueError):
        raise CallError("INVALID_RESPONSE", "the answer does not say in a readable way what was subscribed") from None
    lacking = [name for name in plan.capture if captured.get(name) is None]
    if lacking:
        raise CallError("INVALID_RESPONSE", f"the answer lacks {', '.join(lacking)} of the subscription")
    return Watch(captured, end)


async def unwatch(
    engine: Runner, account: Account, plan: SubscribeCall, made: Mapping[str, Any], seconds: float = SECONDS
) -> None:
    """Take a subscription back; one that is not there any more is taken back. Raises `CallError`."""
    try:
        await _sent(engine, account, plan, made, seconds)
    except CallError as error:
        if error.code != "NOT_FOUND":
            raise


async def _sent(
    engine: Runner, account: Account, plan: SubscribeCall, made: Mapping[str, Any], seconds: float
) -> Reply:
    account.mask(made.get("token"), made.get("secret"))  # providers like to repeat what they were sent
    method = {"method": choose(account).name} if account.integration.methods else {}
    roots = {"webhook": dict(made), "auth": method, "input": {}, "vars": {}}
    return await errand(engine, account, plan.step, roots, signed=True, seconds=seconds)
