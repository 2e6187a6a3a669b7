"""The sandbox's own app at each provider, so that a newcomer can connect without registering one.

It is the app of the recorded consents; where none was recorded, an invented one that fits the form.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from engine.cases.model import AnyCase, Case, ConsentCase
from engine.catalog import Integration


def fake_app(integration: Integration, cases: Sequence[AnyCase]) -> Mapping[str, Any]:
    """Empty where the integration has no apps."""
    if integration.app is None:
        return {}
    recorded = [case.given for case in cases if isinstance(case, ConsentCase)]
    recorded += [turn.given for case in cases if isinstance(case, Case) for turn in case.turns]
    fitting = (given["app"] for given in recorded if _fits(integration, given.get("app")))
    return next(fitting, None) or _invented(integration)


def _fits(integration: Integration, app: Any) -> bool:
    assert integration.app is not None  # asked for those with apps only
    return isinstance(app, Mapping) and bool(app) and not list(integration.app.schema.check(dict(app)))


def _invented(integration: Integration) -> dict[str, Any]:
    assert integration.app is not None  # asked for those with apps only
    form = integration.app.json_schema
    properties: Mapping[str, Any] = form.get("properties", {})
    return {
        name: _value(integration, name, properties[name]) for name in form.get("required", ()) if name in properties
    }


def _value(integration: Integration, name: str, schema: Mapping[str, Any]) -> Any:
    for key in ("const", "default"):
        if key in schema:
            return schema[key]
    if "enum" in schema:
        return schema["enum"][0]
    examples = schema.get("examples") or ()
    return examples[0] if examples else f"fake-{integration.integration_id}-{name.lower()}-0000"
