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

from engine.catalog.actions import LONGEST_CURSOR, Action, Category, Confirm, Pagination, Partial
from engine.catalog.auth import AppForm, Apply, Consent, Method, Refresh, Scopes, TokenPlan
from engine.catalog.integrations import Catalog, Form, Hosts, Integration, Limit, TestPlan
from engine.catalog.requests import (
    AnswerPlan,
    BodyKind,
    Check,
    Effect,
    EncodeOptions,
    Evaluate,
    Next,
    RequestPlan,
    Rule,
    Step,
    Verdict,
)
from engine.catalog.signatures import Put, Signature
from engine.catalog.webhooks import EventPlan, Fetch, Handshake, Route, Subscribe, SubscribeCall, Webhook, WebhookAnswer

__all__ = [
    "LONGEST_CURSOR",
    "Action",
    "AnswerPlan",
    "AppForm",
    "Apply",
    "BodyKind",
    "Catalog",
    "Category",
    "Check",
    "Confirm",
    "Consent",
    "Effect",
    "EncodeOptions",
    "Evaluate",
    "EventPlan",
    "Fetch",
    "Form",
    "Handshake",
    "Hosts",
    "Integration",
    "Limit",
    "Method",
    "Next",
    "Pagination",
    "Partial",
    "Put",
    "Refresh",
    "RequestPlan",
    "Route",
    "Rule",
    "Scopes",
    "Signature",
    "Step",
    "Subscribe",
    "SubscribeCall",
    "TestPlan",
    "TokenPlan",
    "Verdict",
    "Webhook",
    "WebhookAnswer",
]
