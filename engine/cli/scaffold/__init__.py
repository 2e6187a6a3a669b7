"""The files of a new integration, from a few answers. Their texts are the files beside this one.

    spec.yaml            the spec; form_*.yaml, auth_*.yaml and app_*.yaml are its parts for each kind of credential
    cases.yaml           what stands above the cases
    logo.svg             a placeholder

What stands in `<<…>>` is filled in.
"""

from __future__ import annotations

from html import escape

from engine.cases.write import yaml_of
from engine.cli.scaffold.exchanges import account, example_cases, example_consents, example_input
from engine.cli.scaffold.parts import AUTH_TYPES, filled, spec_parts
from engine.cli.scaffold.plan import Plan

__all__ = ["AUTH_TYPES", "Plan", "account", "example_input", "files"]


def files(plan: Plan, schemas: str) -> dict[str, str]:
    """Path in the integration's folder → text. `schemas` is where the schemas are as seen from `spec.yaml`."""
    below = schemas if schemas.startswith("/") else f"../{schemas}"
    words = {
        "id": plan.integration_id,
        "action": plan.action,
        "label": escape(plan.name, quote=True),
        "initials": escape(plan.initials),
    }
    written = {plan.action: example_cases(plan)}
    if plan.auth == "oauth2":
        written["consent" if plan.action != "consent" else "consent_of_an_account"] = example_consents(plan)
    schema = f"{below}/case.schema.json"
    cases = {
        f"cases/{name}.yaml": filled("cases.yaml", {**words, "schema": schema, "cases": yaml_of(made).rstrip("\n")})
        for name, made in written.items()
    }
    return {
        "spec.yaml": filled("spec.yaml", {**words, **spec_parts(plan), "schema": f"{schemas}/integration.schema.json"}),
        **cases,
        "logo.svg": filled("logo.svg", words),
    }
