"""The parts of a new spec that depend on the answers, as lines of YAML."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

from engine.cases.write import scalar, yaml_of
from engine.cli.scaffold.plan import EXAMPLE_ID, Plan, spaced

AUTH_TYPES: Mapping[str, str] = {"api_key": "api_key", "bearer": "api_key", "basic": "basic", "oauth2": "oauth2"}
"""The kinds of credentials that there are parts for, and the authType that each makes."""

_WRITES: Mapping[str, tuple[str, str]] = {
    "CREATE": ("Creates {a} at the provider", "A repeat makes a second {what}."),
    "POST": ("Changes {a} at the provider", "A repeat may do it a second time."),
    "PUT": ("Replaces {a} at the provider by what is given", "A repeat changes nothing more."),
    "PATCH": ("Changes the given fields of {a} at the provider", "A repeat makes the same change again."),
    "DELETE": ("Deletes {a} at the provider", "A repeat changes nothing more."),
}
_NOT_SAFE: Mapping[str, str] = {
    "POST": "the same request again may do it a second time. Where the provider takes a key, `key` is better",
    "PATCH": "the same change may be made twice. Where the request only sets values, `natural` is right",
}
_PLACE = re.compile(r"<<([a-zA-Z]+)>>")
_FOLDER = Path(__file__).parent


@lru_cache
def _template(name: str) -> str:
    return (_FOLDER / name).read_text("utf-8")


def filled(name: str, parts: Mapping[str, str]) -> str:
    return _PLACE.sub(lambda found: parts[found[1]], _template(name))


def spec_parts(plan: Plan) -> dict[str, str]:
    words = {
        "id": plan.integration_id,
        "header": plan.header,
        "prefix": plan.before_key,
        "baseUrl": plan.base_url,
    }
    return {
        "category": plan.category,
        "name": scalar(plan.name),
        "description": scalar(f"{plan.name}: say here in a sentence or two what a tenant can do with it."),
        "authType": AUTH_TYPES[plan.auth],
        "form": _template(f"form_{plan.auth}.yaml").rstrip("\n"),
        "baseUrl": scalar(plan.base_url),
        "host": plan.host,
        "auth": filled(f"auth_{plan.auth}.yaml", words).rstrip("\n"),
        "app": filled("app_oauth2.yaml", words) if plan.auth == "oauth2" else "",
        "refusal": plan.refusal[0],
        "refusalCode": plan.refusal[1],
        "test": _test(plan),
        "effect": plan.effect,
        "actionName": scalar(plan.action_name),
        "actionDescription": scalar(_description(plan)),
        "inputSchema": _block(4, {"inputSchema": _object(_inputs(plan), (*plan.parameters, *plan.body_fields))}),
        "outputSchema": _block(4, {"outputSchema": _outputs(plan)}),
        "idempotency": _idempotency(plan),
        "method": plan.method,
        "path": scalar(plan.template),
        "requestBody": _request_body(plan),
        "output": _block(6, _output(plan)),
    }


def _block(indent: int, value: Mapping[str, Any]) -> str:
    """The mapping as lines at this indent."""
    written = yaml_of([dict(value)]).rstrip("\n").splitlines()
    return "\n".join(" " * indent + line[2:] for line in written)


def _test(plan: Plan) -> str:
    if plan.effect != "read":
        return (
            "\n# Proves the credentials of a new connection. It must be a read; add one and name it here:\n"
            "# test: {action: list_items}\n"
        )
    lines = ["", "# Proves the credentials of a new connection."]
    if plan.parameters:
        lines[1] += " Who is told that an id is unknown was let in."
    lines += ["test:", f"  action: {plan.action}"]
    if plan.parameters:
        lines += [_block(2, {"input": dict.fromkeys(plan.parameters, EXAMPLE_ID)}), "  accept: {code: [NOT_FOUND]}"]
    return "\n".join([*lines, ""])


def _description(plan: Plan) -> str:
    what = spaced(plan.noun)
    if plan.kind == "list":
        return f"Lists the {spaced(plan.plural)} of the account with their ids; say here in which order, and which."
    if plan.kind == "get":
        return f"Shows one {what} by its id; say here when to use it, and which action gives the id."
    does, again = _WRITES.get("CREATE" if plan.creates else plan.method, _WRITES["POST"])
    return (
        f"{does.format(what=what, a=_a(what))}; say here what exactly happens, when to use it, and what it costs."
        f" {again.format(what=what)}"
    )


def _object(properties: Mapping[str, Any], required: tuple[str, ...]) -> dict[str, Any]:
    schema: dict[str, Any] = {"type": "object", "additionalProperties": False}
    if required:
        schema["required"] = list(required)
    return {**schema, "properties": dict(properties)}


def _inputs(plan: Plan) -> dict[str, Any]:
    properties: dict[str, Any] = {
        name: {"type": "string", "minLength": 1, "description": f"{_spoken(name)}, as the provider gives it."}
        for name in plan.parameters
    }
    if plan.kind == "list":
        properties["limit"] = {"type": "integer", "minimum": 1, "maximum": 100, "default": 50}
        properties["limit"]["description"] = "How many at most, up to 100."
    for name in plan.body_fields:
        about = f"Name of the {spaced(plan.noun)}; put the provider's own fields here."
        properties[name] = {"type": "string", "minLength": 1, "description": about}
    return properties


def _outputs(plan: Plan) -> dict[str, Any]:
    what = spaced(plan.noun)
    one = _object(
        {
            "id": {"type": "string", "description": f"Id of the {what}."},
            "status": {"type": "string", "description": f"State of the {what}, in the provider's word."},
        },
        ("id",),
    )
    if plan.kind != "list":
        return one
    about = f"The {spaced(plan.plural)}; empty where there are none."
    return _object(
        {plan.collection: {"type": "array", "maxItems": 100, "description": about, "items": one}}, (plan.collection,)
    )


def _idempotency(plan: Plan) -> str:
    if plan.effect == "read":
        return ""
    says = {
        "natural": "the same request again changes nothing more",
        "none": _NOT_SAFE["PATCH" if plan.method == "PATCH" else "POST"],
    }[plan.idempotency]
    return f"    # {plan.idempotency}: {says}.\n    idempotency: {plan.idempotency}\n"


def _request_body(plan: Plan) -> str:
    if plan.kind == "list":
        return '      query: {limit: "{{ input.limit }}"}\n'
    fields = {name: f"{{{{ input.{name} }}}}" for name in plan.body_fields}
    return f"{_block(6, {'json': fields})}\n" if fields else ""


def _output(plan: Plan) -> dict[str, Any]:
    if plan.kind == "list":
        value = {"id": "text(item.id)", "status": "item.status"}
        return {plan.collection: {"$each": f"body.{plan.collection} || `[]`", "$value": value}}
    return {"id": "text(body.id)", "status": "body.status"}


def _a(what: str) -> str:
    return f"{'an' if what[0] in 'aeiou' else 'a'} {what}"


def _spoken(name: str) -> str:
    words = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", " ", name).lower().split()
    if len(words) > 1 and words[-1] == "id":
        return f"Id of the {' '.join(words[:-1])}"
    return " ".join(words).capitalize()
