"""The address of the page where a person consents."""

from __future__ import annotations

import hashlib
from base64 import urlsafe_b64encode
from typing import Any, Final

from engine.catalog import Consent, Method
from engine.compiled.scope import Scope
from engine.connections.ports import Clock
from engine.frozen import frozen
from engine.model import Request
from engine.runtime import egress, encode, url
from engine.runtime.account import Account
from engine.runtime.call import call_root

_UPSTREAM_HOST: Final = "x-upstream-host"


@frozen
class Page:
    """The page of a method that has one."""

    account: Account
    method: Method
    redirect_uri: str
    clock: Clock

    def address(self, state: str, verifier: str | None, origin: str | None) -> str:
        """`origin`: what the operator has put in place of the provider's own.

        Raises `EvaluationError`, `Unsendable`, `UnsafeUrl`, and `CallError` for a host that is not one of the spec.
        """
        scope, consent = self._scope(), self._consent
        base = consent.url(scope)
        if not isinstance(base, str):
            raise url.UnsafeUrl("the connection lacks what it is made of")
        page = url.split(base)
        host = egress.check(Request("GET", str(page), (), b""), self.account, self.method.name)
        asked = self._standard(verifier)
        asked |= consent.params(scope) if consent.params is not None else {}
        asked[consent.state] = state
        if origin is not None:  # a browser can't be told to send a header
            asked[_UPSTREAM_HOST] = host
        query = encode.encode_pairs(encode.query_pairs({n: v for n, v in asked.items() if v is not None}))
        return f"{origin or page.origin}{page.path}{page.query}{'&' if page.query else '?'}{query}"

    @property
    def _consent(self) -> Consent:
        assert self.method.consent is not None  # only such methods have a page
        return self.method.consent

    def _scope(self) -> Scope:
        account, clock = self.account, self.clock
        return Scope(
            {
                "config": account.config,
                "credentials": dict(account.credentials),
                "app": dict(account.app),
                "callback": {"redirectUri": self.redirect_uri},
                "call": call_root(clock.ulid(), None, clock.now(), clock.hex),
            }
        )

    def _standard(self, verifier: str | None) -> dict[str, Any]:
        """RFC 6749, 4.1.1 and RFC 7636, 4.3."""
        scopes = self.method.scopes
        asked: dict[str, Any] = {
            "response_type": "code",
            "client_id": self.account.app.get("clientId"),
            "redirect_uri": self.redirect_uri,
            "scope": scopes.separator.join(scopes.request) if scopes is not None and scopes.request else None,
        }
        if verifier is not None:
            digest = hashlib.sha256(verifier.encode()).digest()
            asked["code_challenge"] = urlsafe_b64encode(digest).decode().rstrip("=")
            asked["code_challenge_method"] = "S256"
        return asked
