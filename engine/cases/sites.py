"""At which addresses a provider asks for consent and takes tokens back: found by rendering what the spec compiles to.

Nobody told the sandbox which shop or region a newcomer typed. So each field of the form is rendered as a mark of its
own, and an address is recognised by what stands around the marks; what stands in their place is what was typed.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import field
from itertools import islice, product
from typing import Any, Literal

from engine.catalog import Evaluate, Integration, Method, Step
from engine.compiled.fault import EvaluationError
from engine.compiled.scope import Scope
from engine.errors import CallError
from engine.frozen import frozen
from engine.library.function import LibraryError
from engine.runtime import request
from engine.runtime.url import HostRules, UnsafeUrl

_MOST_FORMS = 64
"""Ways to fill in the fields that have few values."""
_MARK = re.compile(r"zq([0-9]+)zq", re.IGNORECASE)
_CALL = {"id": "zq9990zq", "now": "2026-01-01T00:00:00Z", "epoch": 1767225600.0, "random": "zq9991zq"}

Purpose = Literal["consent", "revoke"]


@frozen
class Site:
    """An address of an integration, and what it is for.

    `fields`: those of the form that are read from the address, by mark; `form`: the others.
    """

    integration: Integration
    method: Method
    purpose: Purpose
    address: re.Pattern[str]
    fields: Mapping[str, str]
    form: Mapping[str, Any] = field(repr=False)

    def typed(self, address: str) -> dict[str, Any] | None:
        """The form as whoever is sent there must have filled it in; None: this is another address."""
        found = self.address.fullmatch(address)
        if found is None:
            return None
        properties = self.integration.config_schema["properties"]
        given = {self.fields[mark]: text for mark, text in found.groupdict().items() if mark in self.fields}
        urls = {name: f"https://{text}" for name, text in given.items() if properties[name].get("format") == "uri"}
        form, host = {**self.form, **given, **urls}, address.partition("/")[0].partition(":")[0]
        try:
            return form if HostRules.of(self.integration.hosts, form).allows(host) else None
        except UnsafeUrl:
            return None


def sites_of(integration: Integration) -> Iterator[Site]:
    """The sites of every method that has some."""
    known: set[tuple[str, str, str]] = set()
    for method in integration.methods:
        for form, marks in islice(_forms(integration), _MOST_FORMS):
            for site in _sites(integration, method, form, marks):
                if (key := (method.name, site.purpose, site.address.pattern)) not in known:
                    known.add(key)
                    yield site


def address_of(url: str) -> str:
    """A URL without its scheme, query and fragment."""
    return url.partition("://")[2].partition("?")[0].partition("#")[0]


def _sites(
    integration: Integration, method: Method, form: Mapping[str, Any], marks: Mapping[str, str]
) -> Iterator[Site]:
    scope = _scope(integration, form)
    known = {name: value for name, value in form.items() if name not in marks.values()}
    if method.consent is not None and (url := _rendered(method.consent.url, scope)):
        yield Site(integration, method, "consent", _pattern(url), marks, known)
    if method.revoke is not None and (url := _base(method.revoke, scope)):
        yield Site(integration, method, "revoke", _pattern(url), marks, known)


def _rendered(template: Evaluate, scope: Scope) -> str:
    """Empty where this form can't be rendered."""
    try:
        made = template(scope)
    except (EvaluationError, LibraryError):
        return ""
    return made if isinstance(made, str) else ""


def _base(step: Step, scope: Scope) -> str:
    try:
        return request.build(step.request, scope).base
    except CallError:
        return ""


def _scope(integration: Integration, form: Mapping[str, Any]) -> Scope:
    secret = integration.form.credentials
    return Scope(
        {
            "config": {name: value for name, value in form.items() if name not in secret},
            "credentials": {name: value for name, value in form.items() if name in secret},
            "app": _Marked(),
            "token": _Marked(),
            "call": _CALL,
            "callback": _Marked(),
            "steps": {},
        }
    )


class _Marked(dict[str, Any]):
    """Whatever is asked for is there, and stands for something unknown."""

    def __missing__(self, _name: str) -> str:
        return "zq9999zq"


def _pattern(url: str) -> re.Pattern[str]:
    """What was rendered, with a group for each mark: a segment, or all of a URL that was typed."""
    seen: set[str] = set()

    def group(found: re.Match[str]) -> str:
        name = f"f{found[1]}"
        if name in seen:
            return f"(?P={name})"
        seen.add(name)
        return f"(?P<{name}>{'.+?' if found.start() == 0 else '[^/?#]+?'})"

    return re.compile(_MARK.sub(group, re.escape(address_of(url))), re.IGNORECASE)


def _forms(integration: Integration) -> Iterator[tuple[dict[str, Any], dict[str, str]]]:
    """Ways to fill in the form, and which field each mark stands for."""
    properties: Mapping[str, Any] = integration.config_schema.get("properties", {})
    marks: dict[str, str] = {}
    choices: list[list[Any]] = []
    for number, (name, schema) in enumerate(properties.items()):
        values = _values(schema)
        if not values:
            marks[f"f{number}"] = name
            values = [f"https://zq{number}zq" if schema.get("format") == "uri" else f"zq{number}zq"]
        choices.append(values)
    for chosen in product(*choices):
        yield dict(zip(properties, chosen, strict=True)), marks


def _values(schema: Mapping[str, Any]) -> list[Any]:
    """The few values that a field can have, the default first; none where it can be any text."""
    if "const" in schema:
        return [schema["const"]]
    if "enum" in schema:
        return sorted(schema["enum"], key=lambda value: value != schema.get("default"))
    kinds = {"boolean": [False, True], "integer": [schema.get("default", 1)], "number": [schema.get("default", 1)]}
    return kinds.get(str(schema.get("type")), [])
