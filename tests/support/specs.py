"""Small specs for tests: one made-up provider, put together from the parts that a test is about."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from engine.catalog import Catalog
from engine.locations import schemas_dir
from engine.plugins import Registry
from engine.spec.load import load_catalog

ID = "acme-shipping"
HOST = "api.acme.example"
PASSWORD = "pa55word-of-the-tests"
CONNECTED: dict[str, Any] = {"config": {"user": "lan"}, "credentials": {"password": PASSWORD}}
"""What a connection to `login_spec` has."""
ANY_OUTPUT: Mapping[str, Any] = {"type": "object"}


def text(**more: Any) -> dict[str, Any]:
    return {"type": "string", "description": "A text of the test.", **more}


def whole(**more: Any) -> dict[str, Any]:
    return {"type": "integer", "description": "A number of the test.", **more}


def secret(**more: Any) -> dict[str, Any]:
    return {"type": "string", "title": "Secret", "description": "A credential.", "writeOnly": True, **more}


def setting(**more: Any) -> dict[str, Any]:
    return {"type": "string", "title": "Setting", "description": "A setting.", **more}


def fields(required: tuple[str, ...] = (), **properties: Any) -> dict[str, Any]:
    """An object schema that knows these properties only."""
    schema = {"type": "object", "additionalProperties": False, "properties": properties}
    return {**schema, "required": list(required)} if required else schema


def action(action_id: str = "quote", category: str = "read", **parts: Any) -> dict[str, Any]:
    """An action; unless told otherwise a GET whose output is the whole body under `got`."""
    made: dict[str, Any] = {
        "actionId": action_id,
        "category": category,
        "description": "An action of the tests, long enough to be a description.",
        "inputSchema": fields(),
        "outputSchema": ANY_OUTPUT,
        "output": {"got": "body"},
        **parts,
    }
    if "steps" not in made:
        made.setdefault("request", {"method": "GET" if category == "read" else "POST", "path": f"/{action_id}"})
    if category != "read":
        made.setdefault("idempotency", "none")
    return made


def spec(*actions: Mapping[str, Any], integration_id: str = ID, **parts: Any) -> dict[str, Any]:
    """A spec with these actions; `parts` replace its top-level keys."""
    made: dict[str, Any] = {
        "specVersion": 1,
        "integrationId": integration_id,
        "category": "shipping",
        "name": "Acme",
        "description": "A carrier that exists in tests only.",
        "provider": "Acme",
        "version": "1.0.0",
        "status": "available",
        "authType": "api_key",
        "configSchema": fields(("apiKey",), apiKey=secret()),
        "servers": {"default": f"https://{HOST}"},
        "hosts": [HOST],
        "auth": [
            {
                "method": "token",
                "type": "api_key",
                "needs": ["apiKey"],
                "apply": {"headers": {"X-Api-Key": "{{ credentials.apiKey }}"}},
            }
        ],
        "actions": list(actions) or [action()],
        **parts,
    }
    return {key: value for key, value in made.items() if value is not None}


def login_spec(*actions: Mapping[str, Any], **of_method: Any) -> dict[str, Any]:
    """A provider that wants a login and a bearer token."""
    method = {
        "method": "login",
        "type": "custom",
        "needs": ["user", "password"],
        "obtain": {
            "steps": [
                {
                    "stepId": "login",
                    "effect": "read",
                    "request": {
                        "method": "POST",
                        "path": "/login",
                        "json": {"user": "{{ config.user }}", "password": "{{ credentials.password }}"},
                    },
                }
            ]
        },
        "token": {"access": "body.token", "expiresIn": "body.expires"},
        "apply": {"headers": {"Authorization": "Bearer {{ token.access }}"}},
        **of_method,
    }
    form = fields(
        ("user", "password"),
        user=setting(),
        password=secret(),
        region=setting(readOnly=True),
        session=secret(),
    )
    return spec(*actions, configSchema=form, auth=[method], authType="custom")


def consent_spec(*actions: Mapping[str, Any], **of_method: Any) -> dict[str, Any]:
    """A provider that wants a person's consent, in the standard forms. A None takes a part of the method away."""
    method = {
        "method": "oauth",
        "type": "oauth2",
        "authorize": {"url": f"https://{HOST}/authorize"},
        "exchange": {"request": {"path": "/token"}},
        "errors": [{"status": 400, "when": "body.error == 'invalid_grant'", "code": "REAUTH_REQUIRED"}],
        "apply": {"headers": {"Authorization": "Bearer {{ token.access }}"}},
        **of_method,
    }
    return spec(
        *actions,
        configSchema=fields((), shop=setting(), theme=setting(), region=setting(readOnly=True), session=secret()),
        app=fields(("clientId", "clientSecret"), clientId=setting(), clientSecret=secret()),
        auth=[{key: part for key, part in method.items() if part is not None}],
        authType="oauth2",
    )


def catalog(folder: Path, *specs: Mapping[str, Any], registry: Registry | None = None) -> Catalog:
    """The specs written below `folder` and compiled as the product does it."""
    for one in specs:
        place = folder / str(one["integrationId"])
        place.mkdir(parents=True, exist_ok=True)
        (place / "spec.yaml").write_text(json.dumps(one, ensure_ascii=False), encoding="utf-8")
    return load_catalog([folder], registry or Registry(), schemas_dir())
