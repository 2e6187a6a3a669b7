"""How an account is connected: the form, the sign-in, the hosts and the test."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from engine.cli.pages.fields import description_of, type_of
from engine.cli.pages.markdown import code, heading, plain, table
from engine.cli.pages.subject import Subject

_APP = "What the operator stores once (`integrations apps set`), or a tenant gives with a connection for its own app."


def connecting(subject: Subject) -> list[str]:
    lines = [*heading(2, "Connecting"), *_form(subject.spec["configSchema"])]
    if "app" in subject.spec:
        lines += [*heading(3, "The app"), _APP, "", *_form(subject.spec["app"])]
    lines += [*_methods(subject), *_hosts(subject), *_test(subject.spec.get("test"))]
    return lines


def _form(schema: Mapping[str, Any]) -> list[str]:
    required = schema.get("required", ())
    rows = []
    for name, sub in schema.get("properties", {}).items():
        kind = "credential, secret" if sub.get("writeOnly") else "captured" if sub.get("readOnly") else "configuration"
        shown = description_of(sub)
        title = plain(sub["title"]) if "title" in sub else ""
        rows.append([code(name), title, kind, type_of(sub), "yes" if name in required else "", shown])
    return table(("Field", "Title", "Kind", "Type", "Required", "Description"), rows)


def _methods(subject: Subject) -> list[str]:
    rows = []
    for block in subject.spec["auth"]:
        needs = ", ".join(map(code, block.get("needs", ()))) or "nothing"
        rows.append([code(block["method"]), code(block["type"]), needs, "; ".join(_sends(block))])
    note = ["The first method whose fields are given is used.", ""] if len(rows) > 1 else []
    return [*heading(3, "Signing in"), *note, *table(("Method", "Type", "Needs", "How"), rows)]


def _sends(block: Mapping[str, Any]) -> Iterator[str]:
    """What a method does to a request, without any value."""
    if "obtain" in block:
        yield "logs in first"
    if "authorize" in block:
        yield "asks a person to consent"
    for place, tree in block.get("apply", {}).items():
        if place == "basic":
            yield "sends name and password (HTTP Basic)"
        else:
            names = ", ".join(code(name) for name in tree if not name.startswith("$"))
            yield f"sends {place} {names}".rstrip()
    if "sign" in block:
        signs = block["sign"] if isinstance(block["sign"], list) else [block["sign"]]
        yield "signs each request (" + ", ".join(code(s.get("scheme") or s.get("plugin") or "") for s in signs) + ")"
    if refreshes(block):
        yield "renews its token by itself"


def refreshes(block: Mapping[str, Any]) -> bool:
    """Does the method get a new token without a person?"""
    return any(key in block for key in ("obtain", "exchange", "refresh"))


def _hosts(subject: Subject) -> list[str]:
    rows = []
    for name, server in subject.spec["servers"].items():
        if isinstance(server, str):
            rows.append([code(name), "", code(server)])
        else:
            choices = [(value, url) for value, url in server.items() if value != "by"]
            rows += [[code(name), f"{code(server['by'])} is {code(value)}", code(url)] for value, url in choices]
    hosts = subject.integration.hosts
    reached = [
        *sorted(hosts.literal),
        *(f"*{end}" for end in hosts.suffixes),
        *(f"config.{f}" for f in hosts.config_fields),
    ]
    note = f"Credentials are sent to no other host than {', '.join(map(code, reached))}."
    return [*heading(3, "Addresses"), *table(("Server", "When", "URL"), rows), note, ""]


def _test(test: Mapping[str, Any] | None) -> list[str]:
    lines = heading(3, "Connection test")
    if test is None:
        return [*lines, "There is none: a wrong credential shows at the first call.", ""]
    said = [f"Calls {code(test['action'])}."]
    accepted = test.get("accept", {}).get("code", ())
    if accepted:
        said.append(f"The refusals {', '.join(map(code, accepted))} prove the credentials too.")
    if "expect" in test:
        said.append(f"The answer must show: {code(test['expect'])}.")
    if "message" in test:
        said.append(f"If not: {plain(test['message'])}.")
    if "orElse" in test:
        said.append(f"Where that does not fit: {code(test['orElse']['action'])}.")
    return [*lines, " ".join(said), ""]
