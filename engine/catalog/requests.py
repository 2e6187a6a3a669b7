"""One request of a spec, and how its answer is read."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import field
from typing import Any, Literal

from engine.errors import Code
from engine.frozen import frozen

Evaluate = Callable[[Any], Any]
"""A closure made by `engine.compiled`; it takes a `Scope`."""
Effect = Literal["read", "write"]
BodyKind = Literal["json", "form", "xml", "graphql", "multipart", "text"]


@frozen
class EncodeOptions:
    """How lists, objects and nulls become pairs of a query or a form."""

    arrays: Literal["index", "brackets", "repeat", "comma"] = "repeat"
    nulls: Literal["drop", "blank"] = "drop"
    blank: Literal["keep", "drop"] = "keep"
    sort: bool = False
    space: Literal["plus", "percent"] = "percent"


@frozen
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


@frozen
class Next:
    """The action that a caller should take after this outcome, with its input."""

    action_id: str
    input: Evaluate | None


@frozen
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


@frozen
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


@frozen
class AnswerPlan:
    """How the provider speaks: the form of the body and the queries for success, code and message."""

    form: Literal["auto", "json", "xml", "form", "text", "binary"] = "auto"
    success: Evaluate | None = None
    code: Evaluate | None = None
    message: Evaluate | None = None


@frozen
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
    by_status: dict[int, tuple[Rule, ...]] = field(init=False, default_factory=dict, repr=False, compare=False)
    """The rules that an answer with a status may fit; filled as statuses come."""


@frozen
class Check:
    """A cross-field rule of the input."""

    require: Evaluate
    message: str
    field: str | None
