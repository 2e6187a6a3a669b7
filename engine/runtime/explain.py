"""The exact requests of an action, rendered and signed as they would be sent, and what would become of an answer.

Nothing is sent, nothing is stored.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import field, replace
from typing import Any
from urllib.parse import quote

from engine.catalog import Evaluate, Signature, Step
from engine.compiled.fault import EvaluationError
from engine.compiled.scope import Scope
from engine.diagnostics import unknown
from engine.errors import CallError, RequestError
from engine.frozen import frozen, slotted
from engine.library.absent import ABSENT
from engine.model import Command, Connection, Request, Response
from engine.redact import STARS, Masker
from engine.runtime import auth, egress, response, retry
from engine.runtime.call import Call, call_root, call_scope
from engine.runtime.execute import Engine, secret_scope
from engine.runtime.inputs import check_input, compute_vars, find_action, truth
from engine.runtime.judge import Judgement, judge
from engine.runtime.output import mapped
from engine.runtime.pages import Page
from engine.runtime.request import Draft, build, finish
from engine.runtime.send import POLICY, Signing, settled, signed

TOKEN_STAND_IN = "<token of the login>"  # noqa: S105 - says what stands here


@frozen
class Material:
    """What a signature is made of: its text, or where a plugin puts that together the fields that the spec names."""

    text: str | None
    fields: Mapping[str, Any]


@frozen
class Signed:
    """One signature, made over `shown`; `starred` is the same without secrets."""

    by: str
    put: str
    value: str = field(repr=False)
    shown: Material = field(repr=False)
    starred: Material = field(repr=False)


@frozen
class StepRequest:
    """The request of a step. `request` None: it can't be known before the answers that it needs, says `why`."""

    step: str
    effect: str
    request: Request | None
    signatures: tuple[Signed, ...]
    is_conditional: bool
    why: str = ""


@frozen
class Explanation:
    """`request` is what would be sent first, `signatures` what `sign` put into it. `steps`: all of them."""

    request: Request
    step: str
    sends: bool
    method: str | None
    signatures: tuple[Signed, ...]
    steps: tuple[StepRequest, ...]
    notes: tuple[str, ...]
    masker: Masker = field(repr=False)


@frozen
class Reading:
    """What an answer would become: the rules up to the one that matches, and the output or the error."""

    judgements: tuple[Judgement, ...]
    is_readable: bool
    code: Any
    message: Any
    output: Any
    error: CallError | None
    repeat: Repeat | None
    masker: Masker = field(repr=False)


@frozen
class Repeat:
    """What follows an error: whether the engine sends the request again by itself, up to `attempts` times in all.

    `renews`: before that it signs in anew, once. `ends`: what the caller gets when that does not help.
    """

    is_sent_again: bool
    attempts: int
    renews: bool
    ends: CallError


async def explain(engine: Engine, command: Command, connection: Connection) -> Explanation:
    """The requests of the action; the first is exact. Raises `CallError` as the call would."""
    call, steps = await _prepared(engine, command, connection)
    notes: list[str] = []
    if len(steps) > 1:
        notes.append(f"{len(steps)} steps: this is the first")
    signing = _signing(call, notes)
    first = next((step for step in steps if step.when is None or truth(step.when, call.scope)), steps[0])
    draft, request, signatures = _rendered(call, first, signing, engine)
    name = signing.method.name if signing else None
    all_steps = tuple(_step(call, step, steps[:i], signing, engine) for i, step in enumerate(steps))
    masker = call.account.masker
    return Explanation(request, first.step_id, draft.send, name, signatures, all_steps, tuple(notes), masker)


async def read_answer(
    engine: Engine, command: Command, connection: Connection, answer: Response, step_id: str | None = None
) -> Reading:
    """What the action makes of this answer to the step (its only or last one). Raises `CallError` as the call would."""
    call, steps = await _prepared(engine, command, connection)
    known = {step.step_id: step for step in steps}
    if step_id is not None and step_id not in known:
        message, hint = unknown("step", step_id, known)
        raise RequestError("BAD_REQUEST", f"{message} ({hint})")
    step = steps[-1] if step_id is None else known[step_id]
    masker = call.account.masker
    scope, readable = response.answer_scope(step, call.scope, answer, "", call.action.read)
    judgements = judge(step.rules, scope, answer.status, step.effect)
    output, error = None, None
    try:
        verdict = response.classify(step, scope, answer, readable, masker)
        if call.action.has_steps:
            output = response.read_trees(step.outputs, scope)
        else:
            output = mapped(call, response.Reply(scope, answer, verdict), engine.max_output_bytes)
    except CallError as failure:
        error = failure
    except EvaluationError as failure:
        error = CallError("INVALID_RESPONSE", f"the answer lacks what the next step needs: {failure.message}")
    repeat = None if error is None else _repeat(call, step, error, engine)
    return Reading(tuple(judgements), readable, scope["code"], scope["message"], output, error, repeat, masker)


def _repeat(call: Call, step: Step, error: CallError, engine: Engine) -> Repeat:
    """As `send` decides after the first attempt."""
    budget = call.action.timeout_seconds or call.account.integration.timeout_seconds or engine.budget_seconds
    has_key = call.action.idempotency == "key"
    remaining = min(float(budget), engine.budget_seconds)
    again = retry.decide(POLICY, 1, step.effect, has_key, error, remaining, 0.0)
    renews = error.renew and call.action.signs and _has_token(call)
    return Repeat(again is not None, POLICY.attempts, renews, settled(step.effect, error))


def _has_token(call: Call) -> bool:
    return bool(call.account.integration.methods) and auth.choose(call.account).token is not None


async def _prepared(engine: Engine, command: Command, connection: Connection) -> tuple[Call, Sequence[Step]]:
    account = await engine.accounts.open(connection)
    action = find_action(account.integration, command.action_id)
    given = check_input(action, command.input, account)
    clock = engine.clock
    root = call_root(clock.ulid(), command.idempotency_key, clock.now(), clock.hex)
    scope = call_scope(given, account, root)
    page = None
    if action.pagination is not None:
        page = await Page.asked(engine.store.vault, connection, action, command.input, scope, clock.now())
    scope["vars"] = compute_vars(action, scope)
    call = Call(command, root["id"], 0.0, clock.now(), 0.0, account, action, scope, page=page)
    return call, action.steps if page is None else page.steps(action)


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


def _rendered(
    call: Call, step: Step, signing: Signing | None, engine: Engine
) -> tuple[Draft, Request, tuple[Signed, ...]]:
    draft = build(step.request, call.scope)
    blocks = signing.signs if signing is not None else ()
    notes = [_Notes() for _ in blocks]
    watched = tuple(_watched(block, note) for block, note in zip(blocks, notes, strict=True))
    done = signed(draft, replace(signing, signs=watched) if signing is not None else None, call.scope, engine.wires)
    request = finish(done)
    egress.check(request, call.account, signing.method.name if signing else "")
    made = [_signature(block, done, note) for block, note in zip(blocks, notes, strict=True)]
    return draft, request, tuple(one for one in made if one is not None)


@slotted
class _Notes:
    """What a block signed, plain and with stars for the secrets."""

    texts: tuple[Any, Any] = (None, None)
    extras: tuple[Any, Any] = (None, None)


def _watched(block: Signature, notes: _Notes) -> Signature:
    """The block, noting what it signs: each part is rendered once more with stars in the place of secrets."""

    def text(evaluate: Evaluate) -> Evaluate:
        def run(scope: Scope) -> Any:
            value = evaluate(scope)
            if notes.texts[0] is None and value is not ABSENT:
                notes.texts = value, _starred(evaluate, scope)
            return value

        return run

    def extra(evaluate: Evaluate) -> Evaluate:
        def run(scope: Scope) -> Any:
            notes.extras = evaluate(scope), _starred(evaluate, scope)
            return notes.extras[0]

        return run

    more = block.extra
    return replace(block, texts=tuple(map(text, block.texts)), extra=None if more is None else extra(more))


def _starred(evaluate: Evaluate, scope: Scope) -> Any:
    secrets = {name: dict.fromkeys(scope[name], STARS) for name in ("credentials", "token", "app")}
    try:
        return evaluate(scope.having(**secrets))
    except EvaluationError:
        return STARS


def _signature(block: Signature, done: Draft, notes: _Notes) -> Signed | None:
    """What the block put into the request; None where its `when` did not hold."""
    if block.put is None:
        return None
    body = done.body if isinstance(done.body, dict) else {}
    places: Mapping[str, Mapping[str, Any]] = {
        "header": done.headers,
        "query": dict(done.query),
        "form": dict(done.form),
        "json": body,
    }
    value = places[block.put.place].get(block.put.name)
    if value is None:
        return None
    values = body or dict(done.form)
    shown, starred = (
        _material(block, text, {**values, **(extra if isinstance(extra, dict) else {})})
        for text, extra in zip(notes.texts, notes.extras, strict=True)
    )
    return Signed(block.plugin or block.scheme or "", f"{block.put.place}.{block.put.name}", str(value), shown, starred)


def _material(block: Signature, text: Any, values: Mapping[str, Any]) -> Material:
    written = text.decode("utf-8", "replace") if isinstance(text, bytes) else text if text is None else str(text)
    return Material(written, {name: values.get(name) for name in block.fields} if block.plugin is not None else {})


def _step(call: Call, step: Step, before: Sequence[Step], signing: Signing | None, engine: Engine) -> StepRequest:
    """A later step's request, with stand-ins such as `{lookup.orderId}` for what earlier answers give."""
    stands = {
        earlier.step_id: {"outputs": {name: f"{{{earlier.step_id}.{name}}}" for name in earlier.outputs}}
        for earlier in before
    }
    guess = replace(call, scope=call.scope.having(steps=stands))
    try:
        _, request, signatures = _rendered(guess, step, signing, engine)
    except CallError as error:
        why = f"it can't be known before the answers of {', '.join(stands)}" if stands else error.message
        return StepRequest(step.step_id, step.effect, None, (), step.when is not None, why)
    for outputs in stands.values():
        request = _legible(request, outputs["outputs"].values())
    return StepRequest(step.step_id, step.effect, request, signatures, step.when is not None)


def _legible(request: Request, stand_ins: Any) -> Request:
    url, body = request.url, request.body
    for text in stand_ins:
        url = url.replace(quote(text, safe=""), text)
        body = body.replace(quote(text, safe="").encode(), text.encode())
    return replace(request, url=url, body=body)
