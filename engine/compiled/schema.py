"""JSON Schema 2020-12, compiled once: checking, defaults, and messages that never repeat a value.

jsonschema-rs validates (its regexes run in linear time; a pattern that it can't run so is refused when the spec
loads); the messages are ours, made of the schema and of names only.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Mapping
from decimal import Decimal
from typing import Any

import jsonschema_rs

from engine.compiled.fault import Fault, Path
from engine.diagnostics import nearest
from engine.errors import Issue

_REGEX = jsonschema_rs.RegexOptions()
_LONGEST_NAME = 64
Fill = Callable[[Any], Any]


def _UNMADE(value: Any) -> Any:  # noqa: N802 - a mark
    return value


class Schema:
    """`raw` is the JSON Schema it was made of. Immutable and safe to share."""

    __slots__ = ("_fill", "_is_valid", "_validator", "raw")

    def __init__(self, raw: Mapping[str, Any]) -> None:
        self.raw = raw
        try:
            self._validator = _validator(raw)
        except jsonschema_rs.ValidationError as error:
            raise _unusable(error) from None
        except (jsonschema_rs.ReferencingError, ValueError):
            raise Fault("SPEC090", "this is not a usable JSON Schema") from None
        self._is_valid = self._validator.is_valid
        self._fill: Fill | None = _UNMADE

    def __repr__(self) -> str:
        return f"Schema({', '.join(self.raw.get('properties', ()))})"

    def fill(self, value: Any) -> Any:
        """The value with defaults applied and integral fractions made integers; the given value stays as it is.

        A default inside a form of `anyOf` is not applied: which form a value has is known only by checking it.
        """
        fill = self._fill
        if fill is _UNMADE:  # most schemas of a catalogue fill nothing today
            fill = self._fill = _filler(self.raw)
        return value if fill is None else fill(value)

    def check(self, value: Any) -> tuple[Issue, ...]:
        """Everything wrong with the value; empty when it is valid."""
        try:
            if self._is_valid(value):
                return ()
            found = list(self._validator.iter_errors(value))
        except (ValueError, TypeError):
            return (Issue("holds what is no JSON value"),)
        return tuple(issue for error in found for issue in _issues(error, self.raw)) or (Issue("is not valid"),)


def _validator(raw: Mapping[str, Any]) -> jsonschema_rs.Draft202012Validator:
    return jsonschema_rs.Draft202012Validator(
        dict(raw), pattern_options=_REGEX, validate_formats=True, ignore_unknown_formats=True
    )


def _unusable(error: jsonschema_rs.ValidationError) -> Fault:
    """What is wrong with a schema, at the keyword that is wrong."""
    where = tuple(error.instance_path)
    if where and where[-1] == "pattern":
        hint = "no look-around and no back-references: patterns run in linear time (RE2)"
        return Fault("SPEC091", "this pattern can't be used", hint, below=where)
    word = f": {where[-1]}" if where else ""
    return Fault("SPEC090", f"this is not a usable JSON Schema{word}", below=where)


def misfits(raw: Any) -> list[tuple[Path, str]]:
    """The defaults below a schema that their own schema refuses: where they stand, and what is wrong with them."""
    found: list[tuple[Path, str]] = []
    _misfits(raw, (), found)
    return found


def _misfits(raw: Any, path: Path, found: list[tuple[Path, str]]) -> None:
    if not isinstance(raw, dict):
        return
    if "default" in raw:
        issues = Schema(raw).check(raw["default"])
        if issues:
            found.append(((*path, "default"), issues[0].message))
    for key in ("items", "additionalProperties"):
        if key in raw:
            _misfits(raw[key], (*path, key), found)
    for name, sub in (raw.get("properties") or {}).items():
        _misfits(sub, (*path, "properties", name), found)
    for i, branch in enumerate(raw.get("anyOf") or ()):
        _misfits(branch, (*path, "anyOf", i), found)


def _issues(error: Any, raw: Mapping[str, Any]) -> Iterator[Issue]:
    """jsonschema-rs's finding in our words."""
    keyword = error.kind.name
    path = tuple(step[:_LONGEST_NAME] if isinstance(step, str) else step for step in error.instance_path)
    params = error.kind.as_dict()
    if keyword == "required":
        yield Issue("is required", (*path, params["property"]))
    elif keyword == "additionalProperties":
        known = _known_fields(raw, error.schema_path)
        for name in params["unexpected"]:
            yield _unknown_field(path, name[:_LONGEST_NAME], known)
    elif keyword == "falseSchema" and error.schema_path[-2:-1] == ["properties"]:
        yield Issue("is not allowed here", path)
    else:
        make = _MESSAGES.get(keyword)
        yield Issue(make(params) if make else f"does not satisfy {keyword}", path)


def _unknown_field(path: Path, name: str, known: list[str]) -> Issue:
    """A field name is the caller's own word, so it is capped."""
    near = nearest(name, known)
    hint = f"; did you mean {near}?" if near else (f"; known: {', '.join(sorted(known)[:20])}" if known else "")
    return Issue(f"unknown field{hint}", (*path, name))


def _known_fields(raw: Any, schema_path: list[Any]) -> list[str]:
    """The properties that stand beside the `additionalProperties` which refused."""
    for step in schema_path[:-1]:
        if (isinstance(raw, Mapping) and step in raw) or (isinstance(raw, list) and isinstance(step, int)):
            raw = raw[step]
        else:
            return []  # a property's name of digits: jsonschema-rs gives it as a number
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
    "propertyNames": lambda _: "has a field whose name is not allowed",
    "contains": lambda _: "lacks an element that must be there",
    "falseSchema": lambda _: "must have no fields",
}


def _filler(schema: Any, *, defaults: bool = True) -> Fill | None:
    """A function that fills in below this schema; None when there is nothing to fill. `defaults`: not numbers only."""
    if not isinstance(schema, Mapping):
        return None
    fills = [_object_filler(schema, defaults), _list_filler(schema, defaults), _number_filler(schema)]
    fills += [_filler(form, defaults=False) for form in schema.get("anyOf") or ()]
    made = list(dict.fromkeys(fill for fill in fills if fill is not None))
    if len(made) < 2:
        return made[0] if made else None

    def run(value: Any) -> Any:
        for fill in made:  # each knows one type and leaves the others alone
            value = fill(value)
        return value

    return run


def _number_filler(schema: Mapping[str, Any]) -> Fill | None:
    types = schema.get("type")
    listed = types if isinstance(types, list) else [types]
    return _integral if "integer" in listed or "number" in listed else None


def _list_filler(schema: Mapping[str, Any], defaults: bool) -> Fill | None:
    each = _filler(schema.get("items"), defaults=defaults)
    return None if each is None else lambda value: [each(v) for v in value] if isinstance(value, list) else value


def _object_filler(schema: Mapping[str, Any], defaults: bool) -> Fill | None:
    properties = schema.get("properties") or {}
    known = [(n, s["default"]) for n, s in properties.items() if defaults and isinstance(s, Mapping) and "default" in s]
    fills = {n: fill for n, sub in properties.items() if (fill := _filler(sub, defaults=defaults)) is not None}
    numbers = frozenset(name for name, fill in fills.items() if fill is _integral)
    below = [(name, fill) for name, fill in fills.items() if name not in numbers]
    others = _filler(schema.get("additionalProperties"), defaults=defaults)
    if not known and not fills and others is None:
        return None
    plain = [(n, d) for n, d in known if not isinstance(d, list | dict)]
    deep = [(n, d) for n, d in known if isinstance(d, list | dict)]

    def run(value: Any) -> Any:
        if not isinstance(value, dict):
            return value
        filled = dict(value)
        for name, default in plain:
            filled.setdefault(name, default)
        for name, default in deep:
            if name not in filled:
                filled[name] = copy.deepcopy(default)
        if numbers and not _FRACTIONS.isdisjoint(map(type, filled.values())):
            for name in numbers & filled.keys():
                filled[name] = _integral(filled[name])
        for name, fill in below:
            if name in filled:
                filled[name] = fill(filled[name])
        if others is not None:
            for name in filled.keys() - properties.keys():
                filled[name] = others(filled[name])
        return filled

    return run


_FRACTIONS = frozenset((float, Decimal))


def _integral(value: Any) -> Any:
    """10000.0 is the integer 10000: the digits that are signed must be the digits that are sent."""
    if type(value) is int:
        return value
    if isinstance(value, Decimal) and value.is_finite() and value == value.to_integral_value() and abs(value) < 2**63:
        return int(value)
    if isinstance(value, float) and value.is_integer() and abs(value) < 2**63:
        return int(value)
    return value
