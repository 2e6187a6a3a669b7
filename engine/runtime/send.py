"""Sends the request of one step: the only loop of the engine.

    breaker → limits → sign → transport → classify → again or stop
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from engine.catalog import Limit, Method, Signature, Step
from engine.compiled.scope import Scope
from engine.errors import AnswerLost, AnswerTooLarge, CallError, CallTimedOut, ConnectFailed
from engine.library.absent import ABSENT
from engine.model import Request, Response
from engine.plugins import Signer
from engine.runtime import auth, breaker, egress, limits, response, retry
from engine.runtime.call import Call, of_attempt
from engine.runtime.clock import Clock
from engine.runtime.request import Draft, build, finish
from engine.runtime.transport import Transport
from engine.storage.ports import State

POLICY = retry.Policy()
SANDBOX_MISS = "x-sandbox-miss"
"""A header of the provider sandbox: no case fits the request; the value says which is nearest and what differs."""


@dataclass(frozen=True, slots=True)
class Wires:
    """What sending needs beside the call: the wire, shared state, time, and the operator's settings."""

    transport: Transport
    state: State
    clock: Clock
    upstreams: Mapping[str, str]
    max_answer_bytes: int
    tenant_calls_per_minute: int
    signers: Mapping[str, Signer] = field(repr=False)


@dataclass(frozen=True, slots=True)
class Signing:
    """How the requests of a step are signed in; `renew` gets a fresh token once, None where there is none."""

    method: Method
    signs: tuple[Signature, ...]
    scope: Callable[[], Scope]
    renew: Callable[[], Awaitable[None]] | None = None


async def send(call: Call, step: Step, scope: Scope, signing: Signing | None, wires: Wires) -> response.Reply:
    """The step's reply when it counts as a success; raises `CallError` for everything else."""
    draft = build(step.request, scope)
    if not draft.send:
        return _unsent(call, draft, signing, scope, wires)
    attempt, renewed = 0, False
    while True:
        attempt += 1
        try:
            return await _attempt(call, step, draft, scope, signing, wires)
        except CallError as error:
            if error.renew and not renewed and signing is not None and signing.renew is not None:
                renewed = True
                await signing.renew()
                continue
            again = _decide(call, step, attempt, error, wires.clock)
            if again is None:
                raise _settled(step, call, error) from None
            await wires.clock.sleep(again.wait)


async def _attempt(
    call: Call, step: Step, draft: Draft, scope: Scope, signing: Signing | None, wires: Wires
) -> response.Reply:
    now = wires.clock.now()
    request = finish(signed(call, draft, signing, scope, wires))
    host = egress.check(request, call.account, signing.method.name if signing else "")
    circuit = breaker.key_of(call.account.integration.integration_id, host)
    await breaker.enter(wires.state, circuit, now)
    await limits.blocked(wires.state, _block_key(call), now)
    await limits.take_all(wires.state, buckets(call, wires.tenant_calls_per_minute), now)
    code: str | None = None
    try:
        answer = await _transmit(call, request, host, wires)
        return _read(call, step, scope, answer, request.url, wires)
    except CallError as error:
        code = error.code
        if code == "RATE_LIMITED" and error.retry_after_ms:
            await limits.block(wires.state, _block_key(call), wires.clock.now(), error.retry_after_ms / 1000)
        raise
    finally:
        await breaker.note(wires.state, circuit, wires.clock.now(), code)


def signed(call: Call, draft: Draft, signing: Signing | None, scope: Scope, wires: Wires) -> Draft:
    """The draft signed in for one attempt."""
    if signing is None:
        return draft
    attempt = of_attempt(scope["call"], wires.clock.now(), wires.clock.hex)
    inner = signing.scope().having(call=attempt, input=scope["input"], vars=scope["vars"], steps=scope["steps"])
    return auth.sign_in(draft, signing.method, signing.signs, inner, wires.signers)


async def _transmit(call: Call, request: Request, host: str, wires: Wires) -> Response:
    """Across the wire; what fails there becomes a `CallError` that says whether the provider may have acted."""
    origin = wires.upstreams.get(call.account.integration.integration_id)
    remaining = call.remaining(wires.clock)
    if remaining <= 0:
        raise CallError("TIMEOUT", "the call's time was used up before the request was sent", not_processed=True)
    call.sent = True
    try:
        answer = await wires.transport.send(
            egress.redirect(request, host, origin), timeout=remaining, max_bytes=wires.max_answer_bytes
        )
    except ConnectFailed as error:
        raise CallError("PROVIDER_UNAVAILABLE", f"the provider can't be reached: {error}", not_processed=True) from None
    except CallTimedOut:
        raise CallError("TIMEOUT", "the provider did not answer in time") from None
    except AnswerLost as error:
        raise CallError("PROVIDER_UNAVAILABLE", f"the answer was lost: {error}") from None
    except AnswerTooLarge as error:
        raise CallError("PAYLOAD_TOO_LARGE", str(error)) from None
    if origin is not None and SANDBOX_MISS in answer.headers:
        raise CallError("REJECTED", f"sandbox: {answer.headers[SANDBOX_MISS]}"[:500], not_processed=True)
    return answer


def _read(call: Call, step: Step, scope: Scope, answer: Response, url: str, wires: Wires) -> response.Reply:
    reads = call.action.read
    made, readable = response.answer_scope(step, scope, answer, url, lambda inner: read_values(reads, inner))
    verify = call.action.verify_answer
    if verify and readable and 200 <= answer.status < 300 and not _is_proven(call, made, answer, wires):
        raise CallError("INVALID_RESPONSE", "the signature of the provider's answer does not fit")
    verdict = response.classify(step, made, answer, readable, call.account.masker)
    return response.Reply(made, answer, verdict)


def _is_proven(call: Call, made: Scope, answer: Response, wires: Wires) -> bool:
    templates = Scope(
        {
            "answer": {"status": answer.status, "headers": dict(answer.headers), "body": made["body"]},
            "config": call.account.config,
            "credentials": dict(call.account.credentials),
        }
    )
    templates["answer"]["raw"] = answer.body.decode("utf-8", "replace")
    return auth.verified(call.action.verify_answer, made, templates, wires.signers, wires.clock.now())


def read_values(reads: tuple[tuple[str, Callable[[Any], Any]], ...], scope: Scope) -> dict[str, Any]:
    """The action's `read` queries in order; later ones may use the ones before."""
    values: dict[str, Any] = {}
    inner = scope.having(read=values)
    for name, query in reads:
        value = query(inner)
        values[name] = None if value is ABSENT else value
    return values


def _unsent(call: Call, draft: Draft, signing: Signing | None, scope: Scope, wires: Wires) -> response.Reply:
    """`send: false`: rendered and signed, never sent."""
    request = finish(signed(call, draft, signing, scope, wires))
    egress.check(request, call.account, signing.method.name if signing else "")
    return response.Reply(scope.having(request={"url": request.url}), None)


def _decide(call: Call, step: Step, attempt: int, error: CallError, clock: Clock) -> retry.Again | None:
    if error.code == "CIRCUIT_OPEN" or not call.sent:
        return None
    has_key = call.action.idempotency == "key"
    return retry.decide(POLICY, attempt, step.effect, has_key, error, call.remaining(clock), clock.fraction())


def _settled(step: Step, call: Call, error: CallError) -> CallError:
    """The error that the caller gets: a write that may have happened is not "try again"."""
    lost = error.code in ("TIMEOUT", "PROVIDER_UNAVAILABLE") and not error.not_processed and call.sent
    if step.effect == "write" and lost and error.retryable and call.action.idempotency != "key":
        message = f"it is not known whether the provider did it: {error.message}"
        details = {**error.details, "cause": error.code}
        return CallError("OUTCOME_UNKNOWN", message, provider_code=error.provider_code, details=details)
    if step.effect == "write" and error.code in ("INVALID_RESPONSE", "PAYLOAD_TOO_LARGE") and call.sent:
        error.details.setdefault("outcome", "unknown")
    return error


def _block_key(call: Call) -> str:
    return f"blocked:{call.account.key}"


def buckets(call: Call, tenant_calls: int) -> list[limits.Bucket]:
    """Every limit that counts this call, the narrowest first."""
    integration = call.account.integration
    found = [_bucket(call, limit) for limit in integration.limits]
    if call.action.rate_limit is not None:
        key = f"limit:{call.account.key}:{call.action.action_id}"
        found.insert(0, limits.Bucket(key, "of this action on this connection", call.action.rate_limit, 60))
    tenant = call.account.connection.tenant_id
    found.append(limits.Bucket(f"limit:{tenant}", "of this tenant", tenant_calls, 60))
    return found


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
