"""How a connection signs in: credentials, a login, or the consent of a person."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from typing import Any

from engine.catalog.requests import Check, Evaluate, Step
from engine.catalog.signatures import Signature
from engine.compiled.schema import Schema
from engine.frozen import frozen


@frozen
class Apply:
    """What signs a request in: merged over the request's own position."""

    headers: Evaluate | None = None
    query: Evaluate | None = None
    form: Evaluate | None = None
    json: Evaluate | None = None
    basic: tuple[Evaluate, Evaluate] | None = None
    is_steady: bool = False
    """Headers only, which say nothing of the request: the same until the account's secrets change."""


@frozen
class AppForm:
    """What the operator (or the tenant, for its own app) says of the app that is registered at the provider."""

    schema: Schema
    json_schema: Mapping[str, Any] = field(repr=False)
    secrets: frozenset[str]


@frozen
class Consent:
    """The page where a person consents, what comes back from it, and the request that swaps the code for a token.

    `params` are merged over the standard ones; `state` is the parameter that carries our state. Without `exchange`
    the message that comes back holds the credentials themselves.
    """

    url: Evaluate
    params: Evaluate | None
    pkce: bool
    state: str
    verify: tuple[Signature, ...]
    checks: tuple[Check, ...]
    capture: Mapping[str, Evaluate]
    exchange: Step | None


@frozen
class Refresh:
    """How a token is renewed: by a request, or by one that a plugin builds. At most `count` in `per` seconds."""

    step: Step
    plugin: str | None
    count: int | None
    per: float


@frozen
class Scopes:
    """What is asked for; `granted` reads what was given from the token's answer, as text or a list.

    `implies`: scopes that one brings with it, without the provider naming them.
    """

    request: tuple[str, ...]
    separator: str
    granted: Evaluate | None
    implies: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


@frozen
class TokenPlan:
    """How a token answer is read; `accepted` decides, not the HTTP status."""

    accepted: Evaluate | None
    access: Evaluate
    expires_in: Evaluate | None
    expires_at: Evaluate | None
    refresh: Evaluate | None = None
    refresh_expires_in: Evaluate | None = None
    scope: Evaluate | None = None
    verify: tuple[Signature, ...] = ()


@frozen
class Method:
    """One way to sign in."""

    name: str
    type: str
    when: Evaluate | None
    needs: tuple[str, ...]
    apply: Apply
    sign: tuple[Signature, ...]
    obtain: tuple[Step, ...]
    token: TokenPlan | None
    capture: Mapping[str, Evaluate]
    consent: Consent | None = None
    refresh: Refresh | None = None
    revoke: Step | None = None
    scopes: Scopes | None = None
    bound: frozenset[str] | None = None
    """Fields of configSchema whose change makes its tokens worthless; None = all."""
