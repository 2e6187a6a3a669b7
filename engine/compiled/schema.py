"""JSON Schema 2020-12, compiled once: checking, defaults, and messages that never repeat a value.

jsonschema-rs validates (its regexes run in linear time; a pattern that it can't run so is refused when the spec
loads); the messages are ours, made of the schema and of names only.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any

import jsonschema_rs

from engine.compiled.fault import Fault
from engine.diagnostics import nearest
from engine.errors import Issue

_REGEX = jsonschema_rs.RegexOptions()
Fill = Callable[[Any], Any]


class Schema:
    """`raw` is the JSON Schema it was made of. Immutable and safe to share."""

    __slots__ = ("_fill", "_is_valid", "_validator", "raw")

    def __init__(self, raw: Mapping[str, Any]) -> None:
        self.raw = raw
        try:
            self._validator = jsonschema_rs.Draft202012Validator(
                dict(raw), pattern_options=_REGEX, validate_formats=True, ignore_unknown_formats=True
            )
        except (jsonschema_rs.ValidationError, jsonschema_rs.ReferencingError, ValueError) as error:
            raise Fault("SPEC090", f"this is not a usable JSON Schema: {_first_line(error)}") from None
        self._is_valid = self._validator.is_valid
        self._fill = _filler(raw)

    def __repr__(self) -> str:
        return f"Schema({', '.join(self.raw.get('properties', ()))})"

    def fill(self, value: Any) -> Any:
        """The value with defaults applied and integral fractions made integers; the given value stays as it is."""
        return value if self._fill is None else self._fill(value)

    def check(self, value: Any) -> tuple[Issue, ...]:
        """Everything wrong with the value; empty when it is valid."""
        try:
            if self._is_valid(value):
                return ()
        except (ValueError, TypeError) as error:
            return (Issue(f"is not a JSON value: {_first_line(error)}"),)
        issues = tuple(_issue(error, self.raw) for error in self._validator.iter_errors(value))
        return issues or (Issue("is not valid"),)


def _first_line(error: Exception) -> str:
    return str(error).partition("\n")[0][:200]


def _issue(error: Any, raw: Mapping[str, Any]) -> Issue:
    """jsonschema-rs's finding in our words."""
    keyword = error.kind.name
    path = tuple(error.instance_path)
    params = error.kind.as_dict()
    if keyword == "required":
        return Issue("is required", (*path, params["property"]))
    if keyword in ("additionalProperties", "unevaluatedProperties"):
        return _unknown_field(path, params["unexpected"], _known_fields(raw, error.schema_path))
    make = _MESSAGES.get(keyword)
    return Issue(make(params) if make else f"does not satisfy {keyword}", path)


def _unknown_field(path: tuple[str | int, ...], unexpected: list[str], known: list[str]) -> Issue:
    """Names the first unknown field; a field name is the caller's own word, so it is capped."""
    name = unexpected[0][:64]
    near = nearest(name, known)
    hint = f"; did you mean {near}?" if near else (f"; known: {', '.join(sorted(known)[:20])}" if known else "")
    return Issue(f"unknown field{hint}", (*path, name))


def _known_fields(raw: Any, schema_path: list[str | int]) -> list[str]:
    """The properties that stand beside the `additionalProperties` which refused."""
    for step in schema_path[:-1]:
        if (isinstance(raw, Mapping) and step in raw) or (
            isinstance(raw, list) and isinstance(step, int) and step < len(raw)
        ):
            raw = raw[step]
        else:
            return []
    return list(raw.get("properties", ())) if isinstance(raw, Mapping) else []


def _types(params: Mapping[str, Any]) -> str:
    return " or ".join(sorted(str(t) for t in params["types"]))


_MESSAGES: Mapping[str, Callable[[Mapping[str, Any]], str]] = {
    "type": lambda p: f"must be {_types(p)}",
    "enum": lambda p: "must be one of " + ", ".join(str(option) for option in p["options"]),
    "const": lambda p: f"must be {p['expected_value']}",
    "minimum": lambda p: f"must be at least {p['limit']}",
    "maximum": lambda p: f"must be at most {p['limit']}",
    "exclusiveMinimum": lambda p: f"must be more than {p['limit']}",
    "exclusiveMaximum": lambda p: f"must be less than {p['limit']}",
    "multipleOf": lambda p: f"must be a multiple of {p['multiple_of']}",
    "minLength": lambda p: f"must have at least {p['limit']} characters",
    "maxLength": lambda p: f"must have at most {p['limit']} characters",
    "minItems": lambda p: f"must have at least {p['limit']} elements",
    "maxItems": lambda p: f"must have at most {p['limit']} elements",
    "minProperties": lambda p: f"must have at least {p['limit']} fields",
    "maxProperties": lambda p: f"must have at most {p['limit']} fields",
    "uniqueItems": lambda _: "must not hold the same element twice",
    "pattern": lambda p: f"must match the pattern {p['pattern']}",
    "format": lambda p: f"must be a valid {p['format']}",
    "anyOf": lambda _: "must have one of the allowed forms",
    "oneOf": lambda _: "must have exactly one of the allowed forms",
    "not": lambda _: "has a form that is not allowed",
    "contains": lambda _: "lacks an element that must be there",
    "falseSchema": lambda _: "is not allowed here",
}


def _filler(schema: Any) -> Fill | None:
    """A function that fills defaults below this schema; None when there is nothing to fill."""
    if not isinstance(schema, Mapping):
        return None
    if "properties" in schema:
        return _object_filler(schema["properties"])
    if isinstance(schema.get("items"), Mapping):
        each = _filler(schema["items"])
        return None if each is None else lambda value: [each(v) for v in value] if isinstance(value, list) else value
    types = schema.get("type")
    if types in ("integer", "number") or (isinstance(types, list) and {"integer", "number"} & set(types)):
        return _integral
    return None


def _object_filler(properties: Mapping[str, Any]) -> Fill | None:
    defaults = [(n, s["default"]) for n, s in properties.items() if isinstance(s, Mapping) and "default" in s]
    below = [(name, fill) for name, sub in properties.items() if (fill := _filler(sub)) is not None]
    if not defaults and not below:
        return None
    plain = [(n, d) for n, d in defaults if not isinstance(d, list | dict)]
    deep = [(n, d) for n, d in defaults if isinstance(d, list | dict)]

    def run(value: Any) -> Any:
        if not isinstance(value, dict):
            return value
        filled = dict(value)
        for name, default in plain:
            filled.setdefault(name, default)
        for name, default in deep:
            if name not in filled:
                filled[name] = copy.deepcopy(default)
        for name, fill in below:
            if name in filled:
                filled[name] = fill(filled[name])
        return filled

    return run


def _integral(value: Any) -> Any:
    """10000.0 is the integer 10000: the digits that are signed must be the digits that are sent."""
    if type(value) is int:
        return value
    if isinstance(value, Decimal) and value.is_finite() and value == value.to_integral_value() and abs(value) < 2**63:
        return int(value)
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return value
