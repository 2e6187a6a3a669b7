"""Idempotency-Key: the first answer is the answer for 24 hours, and a crash never becomes a second order.

    absent ── intent stored (durably, before anything is sent) ──> running ── answer ──> done, replayed
                                                                     │
                                                                     ├── the process died ──> OUTCOME_UNKNOWN
                                                                     └── nothing was done ──> absent

Keys are stored as hashes, per tenant; stored answers are sealed like credentials.
"""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from typing import Any

from engine.errors import EngineError, RequestError, StorageError
from engine.frozen import frozen
from engine.library import exact
from engine.model import Answer, Command, Problem
from engine.storage.ports import Record, Store, Vault

KEEP_SECONDS = 24 * 3600.0
PREFIX = "idempotency:"
"""Of the keys of its records; the tenant's id follows, and a colon."""
_GRACE = 5.0


@frozen
class Begun:
    """A call that is about to run: its id, when it began (epoch seconds) and how long it may take."""

    execution_id: str
    at: float
    budget: float


def fingerprint(command: Command) -> str:
    """The same for the same request, whatever the order of its keys. Raises `RequestError` for what is no JSON."""
    asked = [command.connection_id, command.integration_id, command.action_id, ordered(command.input)]
    try:
        return hashlib.sha256(exact.dumps(asked)).hexdigest()
    except ValueError:
        raise RequestError("BAD_REQUEST", "the input is not a JSON value") from None


def ordered(value: Any) -> Any:
    """The same JSON value, its keys in one order at every depth."""
    if isinstance(value, Mapping):
        return {key: ordered(value[key]) for key in sorted(value)}
    return [ordered(item) for item in value] if isinstance(value, list) else value


async def once(
    store: Store, command: Command, begun: Begun, run: Callable[[], Awaitable[Answer]], holds: Callable[[], bool]
) -> Answer:
    """Run the call under its key, or replay. `holds` is asked afterwards: False = the key is set free.

    Raises `RequestError(CONFLICT)` for another request or a running one, and what `run` raises.
    """
    key = _record_key(command)
    until = round((begun.at + begun.budget + _GRACE) * 1000) / 1000
    intent = {"state": "running", "print": fingerprint(command), "id": begun.execution_id, "until": until}
    stored = await store.state.put(key, exact.dumps(intent), expected=0, ttl_seconds=KEEP_SECONDS, durable=True)
    if stored is None:
        record = await store.state.get(key)
        if record is None:
            raise RequestError("CONFLICT", "the first request with this Idempotency-Key has just ended; try again")
        return _earlier(store, command, record, begun.at)
    try:
        answer = await run()
    except EngineError:
        if not holds():
            with suppress(StorageError):  # then the intent stays, and its outcome is unknown: the safe side
                await store.state.delete(key, stored)
        raise
    if holds():
        await _finish(store, key, stored, intent, answer)
    else:
        await store.state.delete(key, stored)
    return answer


async def _finish(store: Store, key: str, version: int, intent: Mapping[str, Any], answer: Answer) -> None:
    told = exact.dumps(_answer_data(answer)).decode()
    done = sealed(store.vault, key, {"state": "done", "print": intent["print"], "answer": told})
    await store.state.put(key, done, expected=version, ttl_seconds=KEEP_SECONDS, durable=True)


def _earlier(store: Store, command: Command, record: Record, now: float) -> Answer:
    known = exact.loads(record.value)
    if known["print"] != fingerprint(command):
        raise RequestError("CONFLICT", "this Idempotency-Key was used for another request")
    if known["state"] == "done":
        return _read_answer(exact.loads(opened(store.vault, _record_key(command), record.value)["answer"]))
    if now < known["until"]:
        raise RequestError("CONFLICT", "the first request with this Idempotency-Key is still running")
    message = "the first request with this Idempotency-Key was cut off; it is not known whether the provider did it"
    return Answer(False, known["id"], 0, error=Problem("OUTCOME_UNKNOWN", message, retryable=False), replayed=True)


def opened(vault: Vault, key: str, value: bytes) -> dict[str, Any]:
    """A record as it stands under its key, with the answer as JSON text: for who moves it to another store."""
    record: dict[str, Any] = exact.loads(value)
    if "answer" in record:
        record["answer"] = vault.open(tenant_of(key), key, bytes.fromhex(record["answer"])).decode()
    return record


def sealed(vault: Vault, key: str, record: Mapping[str, Any]) -> bytes:
    """What `opened` gave, for another store; its vault is prepared for the tenant."""
    if "answer" not in record:
        return exact.dumps(dict(record))
    answer = vault.seal(tenant_of(key), key, record["answer"].encode())
    return exact.dumps({**record, "answer": answer.hex()})


def tenant_of(key: str) -> str:
    """Whose record stands under this key."""
    return key.split(":")[1]


def _record_key(command: Command) -> str:
    digest = hashlib.sha256((command.idempotency_key or "").encode()).hexdigest()
    return f"{PREFIX}{command.tenant_id}:{digest}"


def _answer_data(answer: Answer) -> dict[str, Any]:
    data: dict[str, Any] = {
        "success": answer.success,
        "id": answer.execution_id,
        "latencyMs": answer.latency_ms,
        "data": answer.data,
    }
    if answer.error is not None:
        error = answer.error
        data["error"] = {
            "code": error.code,
            "message": error.message,
            "retryable": error.retryable,
            "retry_after_ms": error.retry_after_ms,
            "provider_code": error.provider_code,
            "details": dict(error.details),
        }
    return data


def _read_answer(data: Mapping[str, Any]) -> Answer:
    error = data.get("error")
    return Answer(
        success=data["success"],
        execution_id=data["id"],
        latency_ms=data["latencyMs"],
        data=data["data"],
        error=Problem(**error) if error else None,
        replayed=True,
    )
