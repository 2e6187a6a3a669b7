"""Is what somebody gave as the app that is registered at a provider usable? It is held to the spec's `app` form."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from engine.catalog import Catalog, Integration
from engine.connections.form import too_long
from engine.diagnostics import nearest, unknown
from engine.errors import Issue, RequestError, SettingsError


def checked(integration: Integration, app: Mapping[str, Any]) -> dict[str, Any]:
    """With the form's defaults. Raises `RequestError` (400) with every issue, each under `app`."""
    form = integration.app
    if form is None:
        what = "this integration knows no app"
        raise RequestError("BAD_REQUEST", what, (Issue("leave it out", ("app",)),))
    issues = [*_unknown(form.json_schema, app), *too_long("app", app)]
    filled: dict[str, Any] = form.schema.fill(dict(app))
    if not issues:
        issues = [Issue(issue.message, ("app", *issue.path)) for issue in form.schema.check(filled)]
    if issues:
        raise RequestError("BAD_REQUEST", "the app does not fit the integration's form", tuple(issues))
    return filled


def with_app(catalog: Catalog, integration_id: str) -> Integration:
    """Raises `SettingsError` for an integration that is not there or knows no app."""
    found = catalog.integrations.get(integration_id)
    if found is None:
        what, hint = unknown("integration", integration_id, catalog.integrations)
        raise SettingsError(f"{what} ({hint})")
    if found.app is None:
        having = [name for name, one in catalog.integrations.items() if one.app is not None]
        raise SettingsError(f"{integration_id} knows no app (with one: {', '.join(sorted(having)) or 'none'})")
    return found


def _unknown(schema: Mapping[str, Any], app: Mapping[str, Any]) -> Iterator[Issue]:
    known = schema.get("properties", {})
    if schema.get("additionalProperties", False) is not False:
        return
    for name in app:
        if name not in known:
            near = nearest(name, known)
            hint = f'did you mean "{near}"?' if near else f"known: {', '.join(known)}"
            yield Issue(f"unknown field; {hint}", ("app", name[:64]))
