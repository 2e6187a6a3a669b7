"""The files of a new integration, from a few answers. Their texts are the files beside this one.

    spec.yaml            the spec; form_*.yaml and auth_*.yaml are its parts for each kind of credential
    cases.yaml           what stands above the cases
    logo.svg             a placeholder

What stands in `<<…>>` is filled in.
"""

from __future__ import annotations

from html import escape

from engine.cases.write import yaml_of
from engine.cli.scaffold.exchanges import account, example_cases, example_input
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
    cases = {"schema": f"{below}/case.schema.json", "cases": yaml_of(example_cases(plan)).rstrip("\n")}
    return {
        "spec.yaml": filled("spec.yaml", {**words, **spec_parts(plan), "schema": f"{schemas}/integration.schema.json"}),
        f"cases/{plan.action}.yaml": filled("cases.yaml", {**words, **cases}),
        "logo.svg": filled("logo.svg", words),
    }
