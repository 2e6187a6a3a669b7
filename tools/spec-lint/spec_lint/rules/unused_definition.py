"""A definition, table, escape or server that nothing names."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from engine.compiled import nodes
from engine.compiled.names import TABLE_FUNCTIONS
from spec_lint.expressions import literal_argument
from spec_lint.rule import Finding, Rule
from spec_lint.subject import Subject

_DEFS = "#/$defs/"
_ONE = {"$defs": "definition", "escapes": "escape table", "servers": "server", "tables": "table"}


def check(subject: Subject) -> Iterator[Finding]:
    used = {
        "$defs": _referred_to(subject),
        "escapes": set(_values_of(subject.resolved, "$escape")),
        "servers": set(_servers(subject)),
        "tables": set(_tables(subject)),
    }
    for section, word in _ONE.items():
        for name in subject.spec.get(section, ()):
            if name not in used[section]:
                yield subject.at((section, name), f"nothing uses this {word}", key=True, hint="leave it out")


def _referred_to(subject: Subject) -> set[str]:
    """The definitions that the spec reaches, those that are reached through others too."""
    spec = subject.spec
    reached: set[str] = set()
    waiting = list(_values_of({key: value for key, value in spec.items() if key != "$defs"}, "$ref"))
    while waiting:
        name = str(waiting.pop()).removeprefix(_DEFS)
        if name in spec.get("$defs", ()) and name not in reached:
            reached.add(name)
            waiting.extend(_values_of(spec["$defs"][name], "$ref"))
    return reached


def _values_of(node: Any, key: str) -> Iterator[Any]:
    """What stands under a key, wherever that is."""
    if isinstance(node, dict):
        if isinstance(node.get(key), str):
            yield node[key]
        node = list(node.values())
    if isinstance(node, list):
        for child in node:
            yield from _values_of(child, key)


def _servers(subject: Subject) -> Iterator[str]:
    spec = subject.resolved
    yield from _values_of([spec.get("auth"), spec["actions"], spec.get("webhooks")], "server")
    requests = [block.get("request", {}) for block in _holders(subject)]
    if any("server" not in request and "url" not in request for request in requests):
        yield "default"


def _holders(subject: Subject) -> Iterator[Any]:
    """Everything that has a request of its own."""
    for _, action in subject.actions():
        yield from action.get("steps", [action])
    for method in subject.resolved.get("auth", ()):
        yield from method.get("obtain", {}).get("steps", ())
        yield from (method[key] for key in ("exchange", "refresh", "revoke") if key in method)
    subscribe = subject.resolved.get("webhooks", {}).get("subscribe", {})
    yield from (subscribe[key] for key in ("create", "renew", "delete") if key in subscribe)


def _tables(subject: Subject) -> Iterator[str]:
    for query in subject.queries:
        for node in query.root.walk():
            if node.kind == "function_expression" and node.value in TABLE_FUNCTIONS:
                yield from (str(part.value) for child in node.children[1:] for part in child.walk() if part.value)
    for template in subject.templates:
        for expression in template.expressions if "(" in template.text else ():
            for part in (expression.tree, *expression.tree.find_all(nodes.Filter)):
                if isinstance(part, nodes.Filter) and part.name in TABLE_FUNCTIONS:
                    yield str(literal_argument(part, 0, "table"))


RULE = Rule("USE001", "A definition, table, escape table or server is never used.", "warning", check)
