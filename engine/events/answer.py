"""The answer to a provider, exactly as the spec says it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from engine.catalog import WebhookAnswer
from engine.compiled.fault import EvaluationError
from engine.compiled.scope import Scope
from engine.library.absent import ABSENT
from engine.model import Response
from engine.runtime import encode
from engine.runtime.request import header_fields
from engine.runtime.xml import XmlError, to_xml

_TYPES: Mapping[str, str] = {
    "json": "application/json",
    "form": "application/x-www-form-urlencoded",
    "xml": "application/xml; charset=utf-8",
    "text": "text/plain; charset=utf-8",
}
_BODIES: Mapping[str, Callable[[Any], bytes]] = {
    "json": encode.json_body,
    "form": lambda tree: encode.encode_pairs(encode.form_pairs(tree), "plus").encode(),
    "xml": to_xml,
    "text": encode.text_body,
}
REFUSED = WebhookAnswer(401)
FAILED = WebhookAnswer(503)
"""Where no spec says more."""


def render(plan: WebhookAnswer, scope: Scope) -> Response:
    """What can't be written is left out: the provider then has the status, which decides for most."""
    try:
        headers = {name.lower(): value for name, value in header_fields(_tree(plan.headers, scope)).items()}
        body = _tree(plan.body, scope)
        if plan.kind is None or body is None:
            return Response(plan.status, headers, b"")
        headers.setdefault("content-type", _TYPES[plan.kind])
        return Response(plan.status, headers, _BODIES[plan.kind](body))
    except (EvaluationError, encode.Unsendable, XmlError):
        return Response(plan.status, {}, b"")


def _tree(tree: Callable[[Any], Any] | None, scope: Scope) -> Any:
    value = tree(scope) if tree is not None else None
    return None if value is ABSENT else value
