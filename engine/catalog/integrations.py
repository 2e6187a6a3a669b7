"""One integration, and all of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import field
from typing import Any, Literal

from engine.catalog.actions import Action
from engine.catalog.auth import AppForm, Method
from engine.catalog.requests import Evaluate
from engine.catalog.webhooks import Webhook
from engine.compiled.schema import Schema
from engine.frozen import frozen
from engine.library.function import Function


@frozen
class Limit:
    """At most `calls` in any span of `per` seconds."""

    scope: Literal["connection", "integration", "tenant", "action"]
    calls: int
    per: float
    observe: bool = False


@frozen
class TestPlan:
    """What proves the credentials: an action, the refusals that prove them too, and what its answer must show."""

    action_id: str
    input: Evaluate | None
    accept: frozenset[str]
    provider_codes: frozenset[str]
    """Where there are any, only refusals with one of these prove them."""
    expect: Evaluate | None
    message: str | None
    or_else: TestPlan | None
    capture: Mapping[str, Evaluate] = field(default_factory=dict)
    """What its answer tells of the account, by fields of configSchema."""


@frozen
class Form:
    """What a tenant gives to connect: one schema over config and credentials together."""

    schema: Schema
    credentials: frozenset[str]
    captured: frozenset[str]
    header_fields: frozenset[str]


@frozen
class Hosts:
    """Every host that credentials may reach: literals, `*.vendor.tld`, and config fields that a tenant types."""

    literal: frozenset[str]
    suffixes: tuple[str, ...]
    config_fields: tuple[str, ...]
    ports: frozenset[int]
    plain_http: Evaluate | None


@frozen
class Integration:
    integration_id: str
    category: str
    name: str
    description: str
    provider: str
    version: str
    status: Literal["available", "beta", "deprecated"]
    docs_url: str | None
    logo: bytes | None = field(repr=False)
    config_schema: Mapping[str, Any] = field(repr=False)
    form: Form = field(repr=False)
    hosts: Hosts = field(repr=False)
    methods: tuple[Method, ...] = field(repr=False)
    limits: tuple[Limit, ...] = field(repr=False)
    actions: Mapping[str, Action] = field(repr=False)
    test: TestPlan | None = field(repr=False)
    timeout_seconds: float | None = None
    webhook: Webhook | None = field(default=None, repr=False)
    app: AppForm | None = field(default=None, repr=False)
    tells_address: bool = False
    """Its actions write `webhook.url` into requests."""
    trace: bool = False
    """Requests carry the trace headers of the caller's request."""

    @property
    def auth_type(self) -> str:
        return self.methods[0].type

    @property
    def auth_methods(self) -> tuple[str, ...]:
        return tuple(method.name for method in self.methods)


@frozen
class Catalog:
    """All integrations by id, and the plugins they may name."""

    integrations: Mapping[str, Integration]
    functions: Mapping[str, Function] = field(default_factory=dict, repr=False)
    signers: Mapping[str, Callable[..., str]] = field(default_factory=dict, repr=False)
    refreshers: Mapping[str, Callable[..., Any]] = field(default_factory=dict, repr=False)
