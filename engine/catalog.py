"""The compiled form of specs: what the runtime works with. Frozen; the runtime never sees YAML.

    Catalog
    └── Integration          form, servers, hosts, methods, limits
        ├── Method           how to sign in: apply, sign, obtain
        ├── Webhook          what the provider sends to us: proofs, events, answers
        └── Action           schemas, vars, checks, steps, answer, output
            └── Step         one request and how its answer is read
                ├── RequestPlan
                └── Rule     classification, first match wins

`Evaluate` fields are closures made by `engine.compiled`; they take a `Scope`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from engine.compiled.schema import Schema
from engine.errors import Code
from engine.library.function import Function

Evaluate = Callable[[Any], Any]
Effect = Literal["read", "write"]
Category = Literal["read", "write", "action"]
BodyKind = Literal["json", "form", "xml", "graphql", "multipart", "text"]
LONGEST_CURSOR: Final = 8192
"""Characters of a `cursor` or `nextCursor`."""


@dataclass(frozen=True, slots=True)
class EncodeOptions:
    """How lists, objects and nulls become pairs of a query or a form."""

    arrays: Literal["index", "brackets", "repeat", "comma"] = "repeat"
    nulls: Literal["drop", "blank"] = "drop"
    blank: Literal["keep", "drop"] = "keep"
    sort: bool = False
    space: Literal["plus", "percent"] = "percent"


@dataclass(frozen=True, slots=True)
class RequestPlan:
    """One request of a spec. `server` gives the base URL from config; `url` stands in place of server and path."""

    method: str
    server: Evaluate | None
    path: Evaluate | None
    url: Evaluate | None
    headers: Evaluate | None
    query: Evaluate | None
    body_kind: BodyKind | None
    body: Evaluate | None
    payload: Evaluate | None
    graphql: str | None
    query_options: EncodeOptions
    form_options: EncodeOptions
    send: bool = True


@dataclass(frozen=True, slots=True)
class Apply:
    """What signs a request in: merged over the request's own position."""

    headers: Evaluate | None = None
    query: Evaluate | None = None
    form: Evaluate | None = None
    json: Evaluate | None = None
    basic: tuple[Evaluate, Evaluate] | None = None


@dataclass(frozen=True, slots=True)
class Put:
    """Where a signature goes: `header.X`, `query.x`, `form.x`, `json.x`."""

    place: Literal["header", "query", "form", "json"]
    name: str


@dataclass(frozen=True, slots=True)
class Signature:
    """One `sign` or `verify` block. Several `texts` or `keys` = any may match."""

    scheme: str | None
    plugin: str | None
    texts: tuple[Evaluate, ...]
    keys: tuple[Evaluate, ...]
    fields: tuple[str, ...]
    extra: Evaluate | None
    encoding: Literal["hex", "base64"]
    when: Evaluate | None = None
    put: Put | None = None
    given: Evaluate | None = None
    timestamp: Evaluate | None = None
    timestamp_unit: Literal["s", "ms"] = "s"
    tolerance_seconds: float = 300
    also: tuple[Signature, ...] = ()
    key_names: tuple[tuple[str, ...], ...] = ()
    """The dotted names that each of `keys` reads; of a scheme that takes no key, those of each of `texts`."""
    given_text: tuple[str, ...] = ()
    """The queries of `given`, as the author wrote them."""


@dataclass(frozen=True, slots=True)
class Next:
    """The action that a caller should take after this outcome, with its input."""

    action_id: str
    input: Evaluate | None


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a matched rule says. `code` None = it is a success after all."""

    code: Code | None
    output: Evaluate | None = None
    retryable: bool | None = None
    not_processed: bool = False
    retry_after: Evaluate | None = None
    renew_auth: bool = False
    message: Evaluate | None = None
    provider_code: Evaluate | None = None
    details: Evaluate | None = None
    next: Next | None = None


@dataclass(frozen=True, slots=True)
class Rule:
    """An error rule: all its matchers must hold. `by` selects the verdict from `codes`, else `other`."""

    verdict: Verdict | None
    when: Evaluate | None = None
    by: Evaluate | None = None
    codes: Mapping[str, Verdict] = field(default_factory=dict)
    other: Verdict | None = None
    message_contains: tuple[str, ...] = ()
    statuses: frozenset[int] | None = None
    effect: Effect | None = None


@dataclass(frozen=True, slots=True)
class AnswerPlan:
    """How the provider speaks: the form of the body and the queries for success, code and message."""

    form: Literal["auto", "json", "xml", "form", "text", "binary"] = "auto"
    success: Evaluate | None = None
    code: Evaluate | None = None
    message: Evaluate | None = None


@dataclass(frozen=True, slots=True)
class Step:
    """One request of an action, its classification, and what later steps may read of its answer."""

    step_id: str
    effect: Effect
    request: RequestPlan
    answer: AnswerPlan
    rules: tuple[Rule, ...]
    when: Evaluate | None = None
    may_fail: bool = False
    outputs: Mapping[str, Evaluate] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Check:
    """A cross-field rule of the input."""

    require: Evaluate
    message: str
    field: str | None


@dataclass(frozen=True, slots=True)
class Partial:
    """An answer that holds one result per item."""

    each: Evaluate
    failed: Evaluate
    key: Evaluate | None
    rule: Rule


@dataclass(frozen=True, slots=True)
class Confirm:
    """The read that may settle a write whose answer was lost."""

    action_id: str
    input: Evaluate
    found: Evaluate
    output: Evaluate | None


@dataclass(frozen=True, slots=True)
class Pagination:
    """How a list goes on. Where position and limit go is part of the request; the queries read the answer.

    `has_limit`: the caller may say how long a page is. `follow`: `url` only, the step that calls the next page's URL.
    """

    kind: Literal["cursor", "page", "offset", "url"]
    has_limit: bool
    next: Evaluate | None
    more: Evaluate | None
    items: Evaluate
    follow: Step | None


@dataclass(frozen=True, slots=True)
class Action:
    action_id: str
    name: str
    description: str
    category: Category
    effect: Effect
    deprecated: bool
    input_schema: Schema
    output_schema: Schema
    mask_input: Callable[[Any], Any]
    mask_output: Callable[[Any], Any]
    rate_limit: int | None
    timeout_seconds: float | None
    idempotency: Literal["key", "natural", "none"] | None
    confirm: Confirm | None
    vars: tuple[tuple[str, Evaluate], ...]
    read: tuple[tuple[str, Evaluate], ...]
    checks: tuple[Check, ...]
    steps: tuple[Step, ...]
    has_steps: bool
    answer: AnswerPlan
    output: Evaluate | None
    partial: Partial | None
    signs: bool
    sign: Mapping[str, tuple[Signature, ...]]
    """The blocks for each auth method's name: the method's own `sign`, with this action's overrides."""
    verify_answer: tuple[Signature, ...]
    pagination: Pagination | None = None


@dataclass(frozen=True, slots=True)
class TokenPlan:
    """How a token answer is read."""

    accepted: Evaluate | None
    access: Evaluate
    expires_in: Evaluate | None
    expires_at: Evaluate | None


@dataclass(frozen=True, slots=True)
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


@dataclass(frozen=True, slots=True)
class WebhookAnswer:
    """What the provider is answered. `body` is a tree of the kind; without a kind there is no body."""

    status: int
    headers: Evaluate | None = None
    kind: Literal["json", "form", "xml", "text"] | None = None
    body: Evaluate | None = None


@dataclass(frozen=True, slots=True)
class Handshake:
    """A message that is only answered. Without `verify` nothing proves the sender."""

    when: Evaluate
    verify: tuple[Signature, ...]
    answer: WebhookAnswer


@dataclass(frozen=True, slots=True)
class EventPlan:
    """What messages become where `when` holds. `type` None: they are accepted and dropped."""

    type: str | None
    when: Evaluate | None
    dedupe: tuple[Evaluate, ...]
    data: Evaluate | None
    answer: WebhookAnswer | None


@dataclass(frozen=True, slots=True)
class Webhook:
    """What the provider sends to us, how its sender is proved, what it becomes, and what is answered.

    `uses`: what the engine makes that the proof needs: `key` (of the path), `token`, `secret`.
    """

    method: str
    handshakes: tuple[Handshake, ...]
    verify: tuple[Signature, ...]
    read: tuple[tuple[str, Evaluate], ...]
    each: Evaluate | None
    events: tuple[EventPlan, ...]
    accepted: WebhookAnswer
    duplicate: WebhookAnswer | None
    """None: like accepted."""
    refused: WebhookAnswer
    failed: WebhookAnswer
    uses: frozenset[Literal["key", "token", "secret"]]


@dataclass(frozen=True, slots=True)
class Limit:
    """At most `calls` in any span of `per` seconds."""

    scope: Literal["connection", "integration", "tenant", "action"]
    calls: int
    per: float
    observe: bool = False


@dataclass(frozen=True, slots=True)
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


@dataclass(frozen=True, slots=True)
class Form:
    """What a tenant gives to connect: one schema over config and credentials together."""

    schema: Schema
    credentials: frozenset[str]
    captured: frozenset[str]
    header_fields: frozenset[str]


@dataclass(frozen=True, slots=True)
class Hosts:
    """Every host that credentials may reach: literals, `*.vendor.tld`, and config fields that a tenant types."""

    literal: frozenset[str]
    suffixes: tuple[str, ...]
    config_fields: tuple[str, ...]
    ports: frozenset[int]
    plain_http: Evaluate | None


@dataclass(frozen=True, slots=True)
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


@dataclass(frozen=True, slots=True)
class Catalog:
    """All integrations by id, and the plugins they may name."""

    integrations: Mapping[str, Integration]
    functions: Mapping[str, Function] = field(default_factory=dict, repr=False)
    signers: Mapping[str, Callable[..., str]] = field(default_factory=dict, repr=False)
