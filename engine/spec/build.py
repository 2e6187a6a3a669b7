"""Compiles one spec, already read and held to the language's schema, into an `Integration`."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import Any

from engine.catalog import Action, AppForm, Form, Hosts, Integration, Limit, Method, TestPlan
from engine.compiled.fault import Path
from engine.compiled.tree import compile_tree
from engine.diagnostics import unknown
from engine.library import LIBRARY
from engine.plugins import Registry
from engine.spec.build_action import ActionBuilder
from engine.spec.build_auth import AuthBuilder, header_fields
from engine.spec.build_capture import compile_capture
from engine.spec.build_request import Wire, all_paths, optional_ask
from engine.spec.build_rules import RuleBuilder, tables_of
from engine.spec.build_signature import SignatureBuilder
from engine.spec.build_webhooks import WebhookBuilder
from engine.spec.findings import Findings
from engine.spec.later import check_later
from engine.spec.on_demand import OnDemand
from engine.spec.places import NOTHING, Places

_AUTH_TYPES = {
    "api_key": "api_key", "bearer": "api_key", "basic": "basic", "oauth2": "oauth2",
    "login": "custom", "signed": "custom", "plugin": "custom", "custom": "custom",
}  # fmt: skip


def build_integration(
    spec: Mapping[str, Any], findings: Findings, registry: Registry, logo: bytes | None, *, known_good: bool = False
) -> Integration:
    """What is wrong goes to `findings`; the result is of use only when there is nothing.

    `spec` holds no references any more. Every value must have the type that the language asks for; keys may be missing.
    `known_good`: it was compiled before without errors, so an action is compiled when it is first asked for.
    """
    check_later(spec, findings)
    config_schema = {"type": "object", "additionalProperties": False, **spec.get("configSchema", {})}
    functions = {**LIBRARY, **registry.functions}
    tables = tables_of(spec, findings, functions)
    places = Places.of(config_schema, spec.get("app", {}), tables, functions, has_webhooks="webhooks" in spec)
    wire = Wire.of(spec, places.servers(), findings)
    blocks = list(spec.get("actions", ()))
    rules = RuleBuilder(findings, {str(block.get("actionId")): block.get("category") for block in blocks})
    proofs = SignatureBuilder(wire, list(registry.signers))
    auth = AuthBuilder(places, wire, rules, proofs, list(registry.refreshers))
    methods = auth.methods(spec.get("auth", ()), spec)
    actions = ActionBuilder(spec, places, wire, rules, proofs)
    _check_auth_type(spec, findings)
    findings.twice([block.get("actionId") for block in blocks], ("actions",), "actionId")
    findings.twice([method.name for method in methods], ("auth",), "method")
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
        app=_app(spec["app"], actions) if "app" in spec else None,
        limits=tuple(_limit(limit) for limit in spec.get("limits", ())),
        actions=_later(actions, blocks, methods)
        if known_good
        else {
            str(block.get("actionId")): actions.build(block, methods, ("actions", i)) for i, block in enumerate(blocks)
        },
        test=_test(spec.get("test"), places, wire, rules, ("test",)),
        timeout_seconds=spec.get("http", {}).get("timeoutSeconds"),
        trace=spec.get("http", {}).get("trace", False),
        tells_address="webhooks" in spec
        and any(path[:2] == ("webhook", "url") for path in all_paths(blocks, "webhook")),
        webhook=WebhookBuilder(spec["webhooks"], places, wire, rules, proofs).build() if "webhooks" in spec else None,
    )


def _later(
    actions: ActionBuilder, blocks: Sequence[Mapping[str, Any]], methods: Sequence[Method]
) -> Mapping[str, Action]:
    def build(number: int) -> Action:
        made = actions.build(blocks[number], methods, ("actions", number))
        actions.findings.raise_errors()
        return made

    return OnDemand({str(block.get("actionId")): partial(build, i) for i, block in enumerate(blocks)})


def _check_auth_type(spec: Mapping[str, Any], findings: Findings) -> None:
    methods = spec.get("auth", ())
    first = methods[0].get("type") if methods else None
    wanted = _AUTH_TYPES.get(str(first))  # None: no type of a method, which the structure is told of
    if wanted is not None and spec.get("authType") not in (None, wanted):
        message = "authType is not that of the first auth method"
        findings.add(("authType",), "SPEC067", message, f"a first method of type {first} makes it {wanted}")


def _limit(block: Mapping[str, Any]) -> Limit:
    observe = block.get("mode") == "observe"
    return Limit(block.get("scope", "connection"), block.get("calls", 1), float(block.get("per", 1)), observe)


def _form(config_schema: Mapping[str, Any], spec: Mapping[str, Any], actions: ActionBuilder) -> Form:
    properties = config_schema.get("properties", {})
    captured = frozenset(name for name, sub in properties.items() if sub.get("readOnly"))
    asked = [name for name in config_schema.get("required", ()) if name not in captured]
    schema = actions.schema({**config_schema, "required": asked}, ("configSchema",))
    return Form(
        schema=schema,
        credentials=frozenset(name for name, sub in properties.items() if sub.get("writeOnly")),
        captured=captured,
        header_fields=header_fields(spec.get("auth", ())),
    )


def _app(block: Mapping[str, Any], actions: ActionBuilder) -> AppForm:
    json_schema = {"type": "object", "additionalProperties": False, **block}
    secrets = frozenset(name for name, sub in block.get("properties", {}).items() if sub.get("writeOnly"))
    return AppForm(actions.schema(json_schema, ("app",)), json_schema, secrets)


def _hosts(spec: Mapping[str, Any], places: Places, findings: Findings) -> Hosts:
    """`hosts`, or where it is not given the literal hosts of the servers."""
    listed = spec.get("hosts")
    servers = list(_server_hosts(spec))
    entries = listed if listed is not None else [host for _, host in servers if host]
    fields = []
    for i, entry in enumerate(entries):
        if entry.startswith("config."):
            fields.append(entry.removeprefix("config."))
            if fields[-1] not in (places.config.fields or {}):
                message, hint = unknown("field of configSchema", fields[-1], places.config.fields or {})
                findings.add(("hosts", i), "NAME010", message, hint)
    literal = frozenset(e.lower() for e in entries if not e.startswith(("*.", "config.")))
    suffixes = tuple(e[1:].lower() for e in entries if e.startswith("*."))
    for path, host in servers:
        if not host and listed is None:
            message = "the host of this server is not written out, so `hosts` must say where credentials may go"
            findings.add(path, "SPEC065", message, "hosts: ['*.vendor.com'] or hosts: [config.<field>]")
        elif host and host not in literal and not host.endswith(suffixes):
            message = "this server's host is not among `hosts`, so nothing could be sent to it"
            findings.add(path, "SPEC066", message, f"add {host} to hosts, or correct one of the two")
    return Hosts(
        literal=literal,
        suffixes=suffixes,
        config_fields=tuple(fields),
        ports=frozenset(spec.get("ports", ())),
        plain_http=optional_ask(spec, "plainHttp", places.plain_http(), findings, ()),
    )


def _server_hosts(spec: Mapping[str, Any]) -> Iterator[tuple[Path, str]]:
    """The host of each server's URL; empty where a template makes it."""
    for name, server in spec.get("servers", {}).items():
        urls = server.items() if isinstance(server, Mapping) else [("", server)]
        for key, url in urls:
            if key == "by" or not isinstance(url, str) or not url:
                continue
            authority = re.split(r"[/?#]", url.partition("://")[2], maxsplit=1)[0]
            host = "" if "{{" in authority else re.sub(r":[0-9]*$", "", authority.rpartition("@")[2]).lower()
            yield ("servers", name, *((key,) if key else ())), host


def _test(block: Any, places: Places, wire: Wire, rules: RuleBuilder, path: Path) -> TestPlan | None:
    if not isinstance(block, Mapping):
        return None
    findings = wire.findings
    rules.known_action(block.get("action"), (*path, "action"))
    call_names = places.request(NOTHING, NOTHING, NOTHING).without("input", "vars", "steps")
    answer = places.answer(NOTHING, NOTHING, NOTHING, NOTHING)
    given = compile_tree(block.get("input", {}), wire.leaves(call_names), (*path, "input"), is_root=True)
    return TestPlan(
        action_id=str(block.get("action")),
        input=given if "input" in block else None,
        accept=frozenset(block.get("accept", {}).get("code", ())),
        provider_codes=frozenset(block.get("accept", {}).get("providerCode", ())),
        expect=optional_ask(block, "expect", answer, findings, path),
        message=block.get("message"),
        or_else=_test(block.get("orElse"), places, wire, rules, (*path, "orElse")),
        capture=compile_capture(block, places, answer, wire, path),
    )
