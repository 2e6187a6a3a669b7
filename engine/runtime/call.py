"""One call while it runs: what was asked, what is known, what has been sent."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import field
from datetime import UTC, datetime
from typing import Any

from engine.catalog import Action
from engine.compiled.scope import Lazy, Scope
from engine.frozen import slotted
from engine.library.times import utc_text
from engine.model import Command
from engine.runtime.account import Account
from engine.runtime.clock import Clock
from engine.runtime.pages import Page
from engine.runtime.tally import Tally

_ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"


@slotted
class Call:
    """`deadline` is monotonic seconds. `sent`: a request of the action may have reached the provider."""

    command: Command
    execution_id: str
    started: float
    created_at: float
    deadline: float
    account: Account
    action: Action
    scope: Scope = field(repr=False)
    sent: bool = False
    written: bool = False
    """A write may have been done: one was sent of which the provider did not say that it wasn't processed."""
    signs_in: bool = False
    """These requests are those of the method's login, not the action's."""
    counted: bool = False
    """The action's and the tenant's limits know of this call."""
    output_json: bytes | None = field(default=None, repr=False)
    """The mapped output, written."""
    hides: bool = False
    """A secret was taken out of the output after it was written."""
    completed: list[str] = field(default_factory=list)
    """Ids of the write steps that are done."""
    tally: Tally = field(default_factory=Tally)
    page: Page | None = None
    """The page that is asked for, where the action has pagination."""

    def remaining(self, clock: Clock) -> float:
        return self.deadline - clock.monotonic()


def call_root(execution_id: str, key: str | None, epoch: float, draw: Callable[[], str]) -> Scope:
    """The root `call`: id, now (RFC 3339), random (drawn when read), idempotencyKey, key, epoch."""
    return Scope.of({"id": execution_id, "idempotencyKey": key or execution_id, "epoch": epoch}, _OF_CALL, draw)


_OF_CALL: Lazy = {
    "now": lambda root: rfc3339(root["epoch"]),
    "key": lambda root: derived_key(root["idempotencyKey"]),
    "random": lambda root: root.source(),
}


def call_scope(given: Mapping[str, Any], account: Account, root: Scope) -> Scope:
    """What templates and queries of a call see before anything was sent."""
    return Scope({"input": given, "config": account.config, "webhook": account.webhook, "call": root, "steps": {}})


def of_attempt(root: Scope, epoch: float, draw: Callable[[], str]) -> Scope:
    """The same call with the time and randomness of one attempt."""
    return Scope.of({"id": root["id"], "idempotencyKey": root["idempotencyKey"], "epoch": epoch}, _OF_CALL, draw)


def rfc3339(epoch: float) -> str:
    """Epoch seconds as RFC 3339 text in UTC, to the millisecond."""
    return utc_text(datetime.fromtimestamp(round(epoch, 3), UTC))


def derived_key(key: str) -> str:
    """26 characters of 0-9 and A-Z, the same for the same key; nobody can tell the key from them."""
    number = int.from_bytes(hashlib.sha256(key.encode()).digest()[:17], "big")
    return "".join(_ALPHABET[(number >> (5 * i)) & 31] for i in range(26))
