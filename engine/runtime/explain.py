"""The exact request of an action, rendered and signed as it would be sent. Nothing is sent, nothing is stored."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from engine.catalog import Step
from engine.compiled.scope import Scope
from engine.model import Command, Connection, Request
from engine.redact import Masker
from engine.runtime import auth, egress
from engine.runtime.call import Call, call_root
from engine.runtime.execute import Engine, secret_scope
from engine.runtime.inputs import check_input, compute_vars, find_action
from engine.runtime.request import build, finish
from engine.runtime.send import Signing, signed

TOKEN_STAND_IN = "<token of the login>"  # noqa: S105 - says what stands here


@dataclass(frozen=True, slots=True)
class Explanation:
    """`request` is what would be sent; `signature` what `sign` put into it, None where nothing signs."""

    request: Request
    step: str
    sends: bool
    method: str | None
    signature: Mapping[str, str] | None
    notes: tuple[str, ...]
    masker: Masker = field(repr=False)


async def explain(engine: Engine, command: Command, connection: Connection) -> Explanation:
    """The first request of the action. Raises `CallError` as the call would."""
    account = await engine.accounts.open(connection)
    action = find_action(account.integration, command.action_id)
    given = check_input(action, command.input, account.config)
    clock = engine.clock
    root = call_root(clock.ulid(), command.idempotency_key, clock.now(), clock.hex)
    scope = Scope({"input": given, "config": account.config, "call": root, "steps": {}})
    scope["vars"] = compute_vars(action, scope)
    call = Call(command, root["id"], 0.0, clock.now(), 0.0, account, action, scope)
    notes = [f"{len(action.steps)} steps: this is the first"] if len(action.steps) > 1 else []
    signing = _signing(call, notes)
    return _explained(call, action.steps[0], signing, engine, tuple(notes))


def _signing(call: Call, notes: list[str]) -> Signing | None:
    account = call.account
    if not call.action.signs or not account.integration.methods:
        return None
    method = auth.choose(account)
    if method.token is not None and not account.token:
        account = call.account = replace(account, token={"access": TOKEN_STAND_IN})  # the kept one stays as it is
        notes.append("the login is not done: its token is shown as a stand-in")
    signs = call.action.sign.get(method.name, method.sign)
    return Signing(method, signs, lambda: secret_scope(account))


def _explained(call: Call, step: Step, signing: Signing | None, engine: Engine, notes: tuple[str, ...]) -> Explanation:
    draft = build(step.request, call.scope)
    done = signed(draft, signing, call.scope, engine.wires)
    request = finish(done)
    egress.check(request, call.account, signing.method.name if signing else "")
    signature: dict[str, str] | None = None
    for block in signing.signs if signing else ():
        if block.put is not None:
            places: Mapping[str, Mapping[str, Any]] = {
                "header": done.headers,
                "query": dict(done.query),
                "form": dict(done.form),
                "json": done.body if isinstance(done.body, dict) else {},
            }
            value = places[block.put.place].get(block.put.name)
            made_by = block.plugin or block.scheme or ""
            signature = {"by": made_by, "put": f"{block.put.place}.{block.put.name}", "value": str(value or "")}
    name = signing.method.name if signing else None
    return Explanation(request, step.step_id, draft.send, name, signature, notes, call.account.masker)
