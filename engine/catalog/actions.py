"""One action: what a caller may ask of a provider."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final, Literal

from engine.catalog.requests import AnswerPlan, Check, Effect, Evaluate, Rule, Step
from engine.catalog.signatures import Signature
from engine.compiled.schema import Schema
from engine.frozen import frozen

Category = Literal["read", "write", "action"]
LONGEST_CURSOR: Final = 8192
"""Characters of a `cursor` or `nextCursor`."""


@frozen
class Partial:
    """An answer that holds one result per item."""

    each: Evaluate
    failed: Evaluate
    key: Evaluate | None
    rule: Rule


@frozen
class Confirm:
    """The read that may settle a write whose answer was lost."""

    action_id: str
    input: Evaluate
    found: Evaluate
    output: Evaluate | None


@frozen
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


@frozen
class Action:
    """All that the runtime knows of one."""

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
    needs_scopes: tuple[str, ...] = ()
    """Scopes without which the provider would refuse it."""
