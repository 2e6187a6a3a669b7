"""Inputs as callers give them, schemas as specs write them, and what jsonschema for Python makes of the two.

The reference is the recipe of jsonschema's own FAQ for defaults, and a walk that says which numbers become whole.
"""

from __future__ import annotations

import copy
import json
import random
from collections.abc import Iterator, Mapping
from typing import Any

import jsonschema
from jsonschema.validators import extend

from engine.compiled.schema import Schema
from engine.library import exact

FIELDS = ("a", "b", "c", "d")
# Neither 0 nor 1: Python's `[True] == [1]`, and so the library's, is no equality of JSON.
SCALARS: Mapping[str, tuple[Any, ...]] = {
    "string": ("", "x", "ab", "é", "10"),
    "integer": (2, 17, -3, 2**40, 2**64),
    "number": (2, 2.5, 4.0, -6.0, 1e3, -0.25, 1e300, 4e18),
    "boolean": (True, False),
    "null": (None,),
}
_ANY = tuple(value for values in SCALARS.values() for value in values)
_BOUNDS: Mapping[str, tuple[tuple[str, tuple[Any, ...]], ...]] = {
    "string": (("minLength", (1, 2)), ("maxLength", (1,)), ("pattern", ("^[a-z]", "b$"))),
    "integer": (("minimum", (-3, 3)), ("maximum", (2, 20)), ("multipleOf", (2,))),
    "number": (("minimum", (-3, 3)), ("exclusiveMaximum", (3, 20))),
    "array": (("minItems", (1, 2)), ("maxItems", (1,)), ("uniqueItems", (True,))),
    "object": (("minProperties", (1,)), ("maxProperties", (1, 2))),
}


# --- what is filled and checked ------------------------------------


def schema(dice: random.Random, depth: int = 3) -> dict[str, Any]:
    """The part of JSON Schema that the language has."""
    kind = _kind(dice, depth)
    if depth and dice.random() < 0.1:
        made: dict[str, Any] = {"anyOf": [schema(dice, depth - 1) for _ in range(2)]}
    else:
        made = {"type": [kind, "null"] if kind != "null" and dice.random() < 0.2 else kind}
        for key, limits in _BOUNDS.get(kind, ()):
            if dice.random() < 0.08:
                made[key] = dice.choice(limits)
        if kind == "object" and dice.random() < 0.95:
            made |= _object(dice, depth)
        elif kind == "array" and dice.random() < 0.9:
            made["items"] = schema(dice, depth - 1)
        elif dice.random() < 0.1:
            made["enum"] = [dice.choice(_ANY) for _ in range(2)]
    if dice.random() < 0.4:
        made["default"] = value(dice, made)
    return made


def _kind(dice: random.Random, depth: int) -> str:
    return dice.choice((*SCALARS, "object", "object", "array", "array") if depth else tuple(SCALARS))


def _object(dice: random.Random, depth: int) -> dict[str, Any]:
    names = [field for field in FIELDS if dice.random() < 0.6]
    made: dict[str, Any] = {"properties": {name: schema(dice, depth - 1) for name in names}}
    if dice.random() < 0.5:
        made["required"] = [field for field in FIELDS[:3] if dice.random() < 0.3]
    if dice.random() < 0.6:
        made["additionalProperties"] = dice.choice((False, False, True, schema(dice, depth - 1)))
    return made


def value(dice: random.Random, form: Mapping[str, Any], depth: int = 5) -> Any:
    """Mostly what the schema asks for; sometimes something else."""
    if depth == 0 or dice.random() < 0.05:
        return dice.choice((*_ANY, [], {}, [2.0, {}], {"a": 6.0}))
    if "anyOf" in form:
        return value(dice, dice.choice(form["anyOf"]), depth - 1)
    kinds = form["type"] if isinstance(form["type"], list) else [form["type"]]
    kind = dice.choice(kinds)
    if kind == "array":
        return [value(dice, form.get("items", {"type": "number"}), depth - 1) for _ in range(dice.randrange(4))]
    if kind == "object":
        return {name: value(dice, sub, depth - 1) for name, sub in _given(dice, form)}
    if kind == "integer" and dice.random() < 0.3:
        kind = "number"
    return dice.choice(SCALARS[kind])


def _given(dice: random.Random, form: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    properties = form.get("properties", {})
    others = form.get("additionalProperties")
    for name in FIELDS:
        if name in properties and dice.random() < 0.6:
            yield name, properties[name]
        elif name not in properties and dice.random() < (0.05 if others is False else 0.3):
            yield name, others if isinstance(others, dict) else {"type": "integer"}


# --- the reference -------------------------------------------------


def _set_defaults(validator: Any, properties: Any, instance: Any, form: Any) -> Iterator[Any]:
    if validator.is_type(instance, "object"):
        for name, sub in properties.items():
            if "default" in sub:
                instance.setdefault(name, copy.deepcopy(sub["default"]))
    yield from jsonschema.Draft202012Validator.VALIDATORS["properties"](validator, properties, instance, form)


def _nothing(*_: Any) -> None:
    """Which of its forms a value has is known when it is checked, and defaults come before that."""


_FILLING = extend(jsonschema.Draft202012Validator, {"properties": _set_defaults, "anyOf": _nothing})


def filled(form: Mapping[str, Any], given: Any) -> Any:
    """With the defaults, and whole numbers as integers."""
    made = copy.deepcopy(given)
    for _ in _FILLING(form).iter_errors(made):
        """Its findings are of a value that is half filled."""
    return whole(form, made)


def whole(form: Any, found: Any) -> Any:
    """Where a number may stand, 10.0 is 10; beyond 64 bits it stays what it is."""
    if not isinstance(form, Mapping):
        return found
    for one in form.get("anyOf", ()):
        found = whole(one, found)
    if isinstance(found, dict):
        return {name: whole(_below(form, name), inner) for name, inner in found.items()}
    if isinstance(found, list):
        return [whole(form.get("items"), inner) for inner in found]
    is_whole = isinstance(found, float) and found.is_integer() and abs(found) < 2**63
    return int(found) if is_whole and {"integer", "number"} & set(_types(form)) else found


def _below(form: Mapping[str, Any], name: str) -> Any:
    return form.get("properties", {}).get(name, form.get("additionalProperties"))


def _types(form: Mapping[str, Any]) -> list[str]:
    types = form.get("type", [])
    return types if isinstance(types, list) else [types]


def faults(form: Mapping[str, Any], made: Any) -> set[tuple[Any, ...]]:
    """Where something is wrong: at the field that is missing or unknown, else at the value."""
    return {path for error in jsonschema.Draft202012Validator(form).iter_errors(made) for path in _places(error)}


def _places(error: Any) -> Iterator[tuple[Any, ...]]:
    at = tuple(error.absolute_path)
    if error.validator == "required":
        yield from ((*at, name) for name in error.validator_value if name not in error.instance)
    elif error.validator == "additionalProperties" and error.schema.get("properties") is not None:
        yield from ((*at, name) for name in error.instance if name not in error.schema["properties"])
    else:
        yield at


# --- the two, side by side -----------------------------------------


def written(found: Any) -> str:
    """Tells 10 from 10.0 and 1 from true; a fraction is one, as float or decimal; the order of fields says nothing."""
    return json.dumps(found, sort_keys=True, default=float)


def read(found: Any) -> Any:
    """As it is read of JSON: 10.0 is a decimal with a point."""
    return exact.loads(json.dumps(found))


def compare(dice: random.Random) -> None:
    """One schema and one input, as the wire brings it (fractions are decimals) or as Python has it."""
    form = {"type": "object", **_object(dice, 3)}
    given = value(dice, form)
    ours, before = read(given) if dice.random() < 0.7 else copy.deepcopy(given), written(given)
    schema_of_spec = Schema(read(form))
    made, wanted = schema_of_spec.fill(ours), filled(form, given)
    told = f"{json.dumps(form)} with {given!r}"
    assert written(made) == written(wanted), told
    assert written(ours) == before, f"the given value was changed: {told}"
    assert {issue.path for issue in schema_of_spec.check(made)} == faults(form, wanted), told
