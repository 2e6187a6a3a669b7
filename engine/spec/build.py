"""Compiles one spec, already read and held to the language's schema, into an `Integration`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from engine.catalog import Form, Hosts, Integration, Limit, TestPlan
from engine.compiled.schema import Schema
from engine.compiled.tree import compile_tree
from engine.diagnostics import unknown
from engine.library import LIBRARY
from engine.plugins import Registry
from engine.spec.build_action import ActionBuilder
from engine.spec.build_auth import AuthBuilder, header_fields
from engine.spec.build_request import Wire, compile_ask
from engine.spec.build_rules import RuleBuilder, tables_of
from engine.spec.findings import Findings
from engine.spec.later import check_later
from engine.spec.places import AUTH, NOTHING, Places
from engine.spec.refs import Refs


def build_integration(
    findings: Findings, registry: Registry, models: Mapping[str, Any], logo: bytes | None
) -> Integration:
    """What is wrong goes to `findings`; the result is of use only when there is nothing."""
    spec: dict[str, Any] = Refs(findings.source.value, models, findings).resolve(findings.source.value)
    check_later(spec, findings)
    config_schema = {"type": "object", "additionalProperties": False, **spec.get("configSchema", {})}
    functions = {**LIBRARY, **registry.functions}
    places = Places.of(config_schema, spec.get("app", {}), tables_of(spec, findings), functions)
    wire = Wire.of(spec, places.servers(), findings)
    blocks = [action for action in spec.get("actions", ()) if isinstance(action, Mapping)]
    rules = RuleBuilder(findings, [str(block.get("actionId")) for block in blocks])
    auth = AuthBuilder(places, wire, rules, findings, list(registry.signers))
    methods = auth.methods(spec.get("auth", ()), spec)
    actions = ActionBuilder(spec, places, wire, rules, auth, findings)
    _check_twice([str(block.get("actionId")) for block in blocks], "actions", "actionId", findings)
    _check_twice([method.name for method in methods], "auth", "method", findings)
    return Integration(
        integration_id=str(spec.get("integrationId")),
        category=str(spec.get("category")),
        name=str(spec.get("name")),
        description=str(spec.get("description", "")),
        provider=str(spec.get("provider")),
        version=str(spec.get("version")),
        status=spec.get("status", "available"),
        docs_url=spec.get("docsUrl"),
        logo=logo,
        config_schema=config_schema,
        form=_form(config_schema, spec, actions),
        hosts=_hosts(spec, places, findings),
        methods=methods,
        limits=tuple(
            Limit(limit["scope"], limit["calls"], float(limit["per"]), limit.get("mode") == "observe")
            for limit in spec.get("limits", ())
        ),
        actions={
            str(block.get("actionId")): actions.build(block, methods, ("actions", i)) for i, block in enumerate(blocks)
        },
        test=_test(spec.get("test"), places, wire, rules, findings, ("test",)),
        timeout_seconds=spec.get("http", {}).get("timeoutSeconds"),
    )


def _form(config_schema: Mapping[str, Any], spec: Mapping[str, Any], actions: ActionBuilder) -> Form:
    properties = config_schema.get("properties", {})
    captured = frozenset(name for name, sub in properties.items() if sub.get("readOnly"))
    asked = [name for name in config_schema.get("required", ()) if name not in captured]
    schema: Schema = actions.schema({**config_schema, "required": asked}, ("configSchema",))
    return Form(
        schema=schema,
        credentials=frozenset(name for name, sub in properties.items() if sub.get("writeOnly")),
        captured=captured,
        header_fields=header_fields(spec.get("auth", ())),
    )


def _hosts(spec: Mapping[str, Any], places: Places, findings: Findings) -> Hosts:
    """`hosts`, or where it is not given the literal hosts of the servers."""
    listed = spec.get("hosts")
    entries = [str(entry) for entry in listed] if isinstance(listed, list) else _server_hosts(spec)
    fields = []
    for i, entry in enumerate(entries):
        if entry.startswith("config."):
            fields.append(entry.removeprefix("config."))
            if fields[-1] not in (places.config.fields or {}):
                message, hint = unknown("field of configSchema", fields[-1], places.config.fields or {})
                findings.add(("hosts", i), "NAME010", message, hint)
    plain = spec.get("plainHttp")
    names = places.method_when().adding(auth=AUTH)
    return Hosts(
        literal=frozenset(e.lower() for e in entries if not e.startswith(("*.", "config."))),
        suffixes=tuple(e[1:].lower() for e in entries if e.startswith("*.")),
        config_fields=tuple(fields),
        ports=frozenset(spec.get("ports", ())),
        plain_http=compile_ask(plain, names, findings, ("plainHttp",)) if plain is not None else None,
    )


def _server_hosts(spec: Mapping[str, Any]) -> list[str]:
    found = []
    for server in spec.get("servers", {}).values():
        urls = [v for k, v in server.items() if k != "by"] if isinstance(server, Mapping) else [server]
        for url in urls:
            host = str(url).partition("://")[2].partition("/")[0]
            if host and "{{" not in host:
                found.append(host)
    return found


def _test(
    block: Any, places: Places, wire: Wire, rules: RuleBuilder, findings: Findings, path: tuple[str | int, ...]
) -> TestPlan | None:
    if not isinstance(block, Mapping):
        return None
    rules.known_action(block.get("action"), (*path, "action"))
    call_names = places.request(NOTHING, NOTHING, NOTHING).without("input", "vars", "steps")
    answer = places.answer(NOTHING, NOTHING, NOTHING, NOTHING)
    accept = block.get("accept", {}).get("code", ())
    return TestPlan(
        action_id=str(block.get("action")),
        input=compile_tree(block["input"], wire.leaves(call_names), (*path, "input"), is_root=True)
        if "input" in block
        else None,
        accept=frozenset([accept] if isinstance(accept, str) else accept),
        expect=compile_ask(block["expect"], answer, findings, (*path, "expect")) if "expect" in block else None,
        message=block.get("message"),
        or_else=_test(block.get("orElse"), places, wire, rules, findings, (*path, "orElse")),
    )


def _check_twice(names: list[str], block: str, key: str, findings: Findings) -> None:
    for i, name in enumerate(names):
        if name in names[:i]:
            findings.add((block, i, key), "SPEC077", f"{name} is there already")

