"""What came back from a consent page: read, proved, and what it says of the account."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from engine.catalog import Evaluate, Signature
from engine.compiled.fault import EvaluationError
from engine.compiled.scope import Scope
from engine.frozen import frozen
from engine.plugins import Signer
from engine.runtime import egress
from engine.runtime.account import Account
from engine.runtime.message import Message, Seen, bare, see
from engine.runtime.parse import Unreadable
from engine.runtime.response import read_trees
from engine.runtime.verify import Evidence, decide

_STATE: Final = re.compile(r"[A-Za-z0-9_-]{8,128}")
_MOST_CANDIDATES: Final = 10


@frozen
class Came:
    """A callback. Parameters stand in the query, in a form, or in a JSON object."""

    seen: Seen

    @staticmethod
    def read(message: Message) -> Came:
        """What can't be read says nothing."""
        try:
            return Came(see(message))
        except Unreadable:
            nothing: dict[str, Any] = {"query": {}, "form": {}, "headers": {}, "body": None}
            return Came(Seen({**nothing, "method": message.method, "text": ""}, bare(message), message))

    def _parts(self) -> Iterator[Mapping[str, Any]]:
        for name in ("query", "form", "body"):
            part = self.seen.roots[name]
            if isinstance(part, Mapping):
                yield part

    def text(self, name: str) -> str | None:
        """A parameter that is there once, as text; one that comes twice could mean either."""
        found = [part[name] for part in self._parts() if name in part]
        is_one = bool(found) and isinstance(found[0], str) and all(one == found[0] for one in found)
        return found[0] if is_one else None

    def candidates(self) -> list[str]:
        """What may be a state, the parameter `state` first."""
        texts = [self.text("state"), *(self.text(name) for part in self._parts() for name in part)]
        fitting = (text for text in texts if text is not None and _STATE.fullmatch(text))
        return list(dict.fromkeys(fitting))[:_MOST_CANDIDATES]

    def is_proven(
        self,
        blocks: tuple[Signature, ...],
        queries: Scope,
        account: Account,
        signers: Mapping[str, Signer],
        now: float,
    ) -> bool:
        """Without blocks the state alone is the proof."""
        templates = Scope(
            {
                "request": self.seen.request,
                "config": account.config,
                "credentials": dict(account.credentials),
                "app": dict(account.app),
            }
        )
        evidence = Evidence(queries, templates, self.seen.for_plugin, signers, now)
        return not blocks or decide(blocks, evidence) is True


def learned(
    capture: Mapping[str, Evaluate], queries: Scope, account: Account, method_name: str
) -> tuple[dict[str, Any], str | None]:
    """Fields of the form that the callback fills in, or why they can't be taken.

    A URL among them is where credentials will go: it must lead to a host of the spec.
    """
    try:
        captured = {name: value for name, value in read_trees(capture, queries).items() if value is not None}
    except EvaluationError:
        return {}, "the provider did not send what the connection needs"
    form = account.integration.form
    whole = form.schema.fill({**account.config, **account.credentials, **captured})
    if any(issue.path and issue.path[0] in captured for issue in form.schema.check(whole)):
        return {}, "the provider sent something that does not fit the connection"
    if not all(egress.leads_home(name, value, account, method_name) for name, value in captured.items()):
        return {}, "the provider sent an address that is not one of its own"
    return captured, None
