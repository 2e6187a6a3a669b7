"""Sends the request of one step: the only loop of the engine.

breaker → limits → sign → transport → classify → again or stop
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import field
from typing import Any

from engine.catalog import Effect, Limit, Method, Signature, Step
from engine.compiled.scope import Scope
from engine.errors import AnswerLost, AnswerTooLarge, CallError, CallTimedOut, ConnectFailed
from engine.frozen import frozen, slotted
from engine.model import Request, Response
from engine.plugins import Refresher, Signer, SignInput
from engine.runtime import auth, breaker, egress, limits, response, retry, verify, waits
from engine.runtime.account import Account
from engine.runtime.call import Call, of_attempt
from engine.runtime.clock import Clock
from engine.runtime.request import Draft, build, finish
from engine.runtime.tally import attempt_ended
from engine.runtime.transport import Transport
from engine.storage.ports import State
from engine.telemetry import caller
from engine.telemetry.events import Observer

POLICY = retry.Policy()
SANDBOX_MISS = "x-sandbox-miss"
"""A header of the provider sandbox: no case fits the request; the value says which is nearest and what differs."""


@frozen
class Wires:
    """What sending needs beside the call: the wire, shared state, time, and the operator's settings."""

    transport: Transport
    state: State
    permits: limits.Permits
    clock: Clock
    upstreams: Mapping[str, str]
    max_answer_bytes: int
    tenant_calls_per_minute: int
    signers: Mapping[str, Signer] = field(repr=False)
    observer: Observer | None = None
    refreshers: Mapping[str, Refresher] = field(default_factory=dict, repr=False)


@slotted
class Signing:
    """How the requests of a step are signed in; `renew` gets a fresh token or secret once, and says whether it did."""

    method: Method
    signs: tuple[Signature, ...]
    scope: Callable[[], Scope]
    renew: Callable[[], Awaitable[bool]] | None = None
    headers: Callable[[], Mapping[str, str]] | None = None
    """All that it adds to a request, where that is the same for each."""


@slotted
class _Work:
    """One request of a call with what its attempts share. `heard`: how the last one that left ended, None = well."""

    call: Call
    step: Step
    draft: Draft
    scope: Scope
    signing: Signing | None
    wires: Wires
    attempt: int = 0
    circuit: str | None = None
    heard: str | None = None
    is_probe: bool = False
    unsure: bool = False
    """An earlier attempt of a write may have been processed."""
    lost: bool = False
    """The answer to an earlier attempt was lost."""


async def send(call: Call, step: Step, scope: Scope, signing: Signing | None, wires: Wires) -> response.Reply:
    """The step's reply when it counts as a success; raises `CallError` for everything else."""
    draft = build(step.request, scope)
    if not draft.send:
        return _unsent(call, draft, signing, scope, wires)
    if call.account.integration.trace:
        draft.headers.update(caller.carrier())
    work = _Work(call, step, draft, scope, signing, wires)
    renew = signing.renew if signing is not None else None
    try:
        while True:
            work.attempt += 1
            try:
                return await _attempt(work)
            except CallError as error:
                if error.renew and renew is not None:
                    is_fresh, renew = await renew(), None
                    if is_fresh:
                        continue
                again = _decide(work, error)
                if again is None:
                    raise _settled(work, error) from None
                work.unsure = work.unsure or not error.not_processed
                work.lost = work.lost or (error.code in _LOST and not error.not_processed)
                await wires.clock.sleep(again.wait)
    finally:
        if work.circuit is not None and not (work.heard is None and wires.state.lacks(work.circuit)):
            await breaker.note(wires.state, work.circuit, wires.clock.now(), work.heard)


async def _attempt(work: _Work) -> response.Reply:
    call, wires = work.call, work.wires
    now = wires.clock.now()
    call.tally.prepare()
    request = finish(signed(work.draft, work.signing, work.scope, wires))
    host = egress.check(request, call.account, work.signing.method.name if work.signing else "")
    circuit = breaker.key_of(call.account.integration.integration_id, host)
    block, opened = _block_key(call), None
    if not wires.state.lacks(circuit, block):  # of most calls nothing is noted there
        opened = None if work.is_probe else await breaker.look(wires.state, circuit, now)
        await limits.blocked(wires.state, block, now)
    buckets = _buckets(work)
    if not wires.permits.spend(buckets, now):
        await wires.permits.take_all(buckets, now)
    remaining = call.remaining(wires.clock)
    if remaining <= 0:
        raise CallError("TIMEOUT", "the call's time was used up before the request was sent", not_processed=True)
    if opened is not None:
        await breaker.probe(wires.state, circuit, opened, now)
        work.is_probe = True
    call.tally.begin(work.step.step_id, host, now, wires.clock.monotonic())
    was_written, call.written = call.written, call.written or work.step.effect == "write"
    try:
        answer = await _transmit(work, request, host, remaining)
        call.tally.heard(answer)
        wait = waits.emptied(answer.headers, wires.clock.now)
        if wait is not None:  # no calls are left: the connection's next ones wait, as its 429 would make them
            await limits.block(wires.state, block, wires.clock.now(), wait)
        reply = _read(work, answer, request.url)
    except CallError as error:
        if error.not_processed:
            call.written = was_written
        attempt_ended(wires.observer, call, request, error, wires.clock.monotonic())
        if error.code == "RATE_LIMITED" and error.retry_after_ms:
            await limits.block(wires.state, block, wires.clock.now(), error.retry_after_ms / 1000)
        work.circuit, work.heard = circuit, error.code
        raise
    attempt_ended(wires.observer, call, request, None, wires.clock.monotonic())
    work.circuit, work.heard = circuit, None
    return reply


def signed(draft: Draft, signing: Signing | None, scope: Scope, wires: Wires) -> Draft:
    """The draft signed in for one attempt."""
    if signing is None:
        return draft
    if signing.headers is not None:
        return draft.with_headers(signing.headers())
    inner = signing.scope()
    inner["call"] = of_attempt(scope["call"], wires.clock.now(), wires.clock.hex)
    inner.parent = scope
    return auth.sign_in(draft, signing.method, signing.signs, inner, wires.signers)


async def _transmit(work: _Work, request: Request, host: str, remaining: float) -> Response:
    """Across the wire; what fails there becomes a `CallError` that says whether the provider may have acted."""
    call, wires = work.call, work.wires
    origin = wires.upstreams.get(call.account.integration.integration_id)
    was_sent, call.sent = call.sent, True
    try:
        answer = await wires.transport.send(
            egress.redirect(request, host, origin), timeout=remaining, max_bytes=wires.max_answer_bytes
        )
    except ConnectFailed as error:
        call.sent = was_sent
        raise CallError("PROVIDER_UNAVAILABLE", f"the provider can't be reached: {error}", not_processed=True) from None
    except CallTimedOut:
        raise CallError("TIMEOUT", "the provider did not answer in time") from None
    except AnswerLost as error:
        raise CallError("PROVIDER_UNAVAILABLE", f"the answer was lost: {error}") from None
    except AnswerTooLarge as error:
        raise CallError("PAYLOAD_TOO_LARGE", str(error)) from None
    if origin is not None and SANDBOX_MISS in answer.headers:
        raise CallError("REJECTED", call.account.masker.text(f"sandbox: {answer.headers[SANDBOX_MISS]}")[:500])
    return answer


def _read(work: _Work, answer: Response, url: str) -> response.Reply:
    call = work.call
    made, readable = response.answer_scope(work.step, work.scope, answer, url, call.action.read)
    proofs = call.action.verify_answer if readable and 200 <= answer.status < 300 and not call.signs_in else ()
    if proofs and not is_proven(proofs, call.account, made, answer, work.wires):
        raise CallError("INVALID_RESPONSE", "the signature of the provider's answer does not fit")
    verdict = response.classify(work.step, made, answer, readable, call.account.masker)
    return response.Reply(made, answer, verdict)


def is_proven(proofs: tuple[Signature, ...], account: Account, made: Scope, answer: Response, wires: Wires) -> bool:
    """Whether no proof speaks against the answer; `made` holds the roots of queries on it."""
    told = {"status": answer.status, "headers": dict(answer.headers), "body": made["body"]}
    templates = Scope(
        {
            "answer": {**told, "raw": verify.text_of_bytes(answer.body)},
            "config": account.config,
            "app": dict(account.app),
            "credentials": dict(account.credentials),
        }
    )
    evidence = verify.Evidence(made, templates, lambda: _seen(answer, made["body"]), wires.signers, wires.clock.now())
    return verify.decide(proofs, evidence) is not False


def _seen(answer: Response, body: Any) -> SignInput:
    values = body if isinstance(body, dict) else {}
    return SignInput(headers=dict(answer.headers), values=values, raw=answer.body)


def _unsent(call: Call, draft: Draft, signing: Signing | None, scope: Scope, wires: Wires) -> response.Reply:
    """`send: false`: rendered and signed, never sent."""
    request = finish(signed(draft, signing, scope, wires))
    egress.check(request, call.account, signing.method.name if signing else "")
    return response.Reply(scope.having(request={"url": request.url}), None)


def _decide(work: _Work, error: CallError) -> retry.Again | None:
    """What we refuse ourselves before anything was sent, the caller learns at once."""
    call, clock = work.call, work.wires.clock
    if error.code == "CIRCUIT_OPEN" or (work.circuit is None and not call.sent):
        return None
    has_key = call.action.idempotency == "key" and not call.signs_in
    return retry.decide(POLICY, work.attempt, work.step.effect, has_key, error, call.remaining(clock), clock.fraction())


_LOST = frozenset({"TIMEOUT", "PROVIDER_UNAVAILABLE"})
_INCONCLUSIVE = frozenset({"TIMEOUT", "PROVIDER_UNAVAILABLE", "RATE_LIMITED", "CIRCUIT_OPEN"})


def _settled(work: _Work, error: CallError) -> CallError:
    """A write that may have happened is not "try again"."""
    return error if work.circuit is None else settled(work.step.effect, error, unsure=work.unsure, lost=work.lost)


def settled(effect: Effect, error: CallError, *, unsure: bool = False, lost: bool = False) -> CallError:
    """What the caller gets of an attempt that left.

    `unsure`: an earlier one may have been processed. `lost`: the answer to an earlier one was lost, so that "it runs
    already" or "there is one already" may speak of that one.
    """
    if effect != "write":
        return error
    is_lost = error.code in _LOST and not error.not_processed and error.retryable
    if is_lost or (lost and error.code == "CONFLICT") or (unsure and error.code in _INCONCLUSIVE):
        message = f"it is not known whether the provider did it: {error.message}"
        details = {**error.details, "cause": error.code}
        return CallError("OUTCOME_UNKNOWN", message, provider_code=error.provider_code, details=details)
    if error.code in ("INVALID_RESPONSE", "PAYLOAD_TOO_LARGE"):
        error.details.setdefault("outcome", "unknown")
    return error


def _block_key(call: Call) -> str:
    """Where no more tokens are given for a while, calls with the token that is there go on."""
    return f"blocked:token:{call.account.key}" if call.signs_in else f"blocked:{call.account.key}"


def _buckets(work: _Work) -> Sequence[limits.Bucket]:
    """Every limit that counts this attempt, the narrowest first.

    What the spec says of the provider counts each request; the action's and the tenant's figures count calls, and
    what a call repeats, but neither its login nor its later steps: a call never stops halfway for being long.
    """
    call = work.call
    if call.signs_in or (call.counted and work.attempt == 1):
        return _of_provider(call)
    call.counted = True
    whole = call.account.buckets.get(call.action.action_id)
    if whole is None:
        whole = call.account.buckets[call.action.action_id] = _whole(call, work.wires.tenant_calls_per_minute)
    return whole


def _of_provider(call: Call) -> list[limits.Bucket]:
    return [_bucket(call, limit) for limit in call.account.integration.limits]


def _whole(call: Call, tenant_calls: int) -> tuple[limits.Bucket, ...]:
    found = _of_provider(call)
    if call.action.rate_limit is not None:
        key = f"limit:{call.account.key}:{call.action.action_id}"
        found.insert(0, limits.Bucket(key, "of this action on this connection", call.action.rate_limit, 60))
    tenant = call.account.connection.tenant_id
    return (*found, limits.Bucket(f"limit:{tenant}", "of this tenant", tenant_calls, 60))


def _bucket(call: Call, limit: Limit) -> limits.Bucket:
    integration_id = call.account.integration.integration_id
    who = {
        "connection": call.account.key,
        "integration": integration_id,
        "tenant": f"{call.account.connection.tenant_id}:{integration_id}",
        "action": f"{call.account.key}:{call.action.action_id}",
    }[limit.scope]
    key = f"limit:{limit.scope}:{who}:{limit.per:g}"
    return limits.Bucket(key, f"per {limit.scope} of this integration", limit.calls, limit.per, limit.observe)
