"""Checking and filling by JSON Schema: what is valid, what the messages say and never say, defaults, whole numbers."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import jsonschema
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.compiled.fault import Fault
from engine.compiled.schema import Schema, misfits
from engine.errors import Issue
from tests.compiled.evaluate import plain

SECRET = "S3CRET-VALUE"


@pytest.mark.parametrize(
    ("schema", "value", "message"),
    [
        ({"type": "string"}, 5, "must be string"),
        ({"type": ["string", "null"]}, 5, "must be null or string"),
        ({"enum": ["a", "b"]}, SECRET, "must be one of a, b"),
        ({"const": "VND"}, SECRET, "must be VND"),
        ({"minimum": 3}, 2, "must be at least 3"),
        ({"maximum": Decimal("1.5")}, 2, "must be at most 1.5"),
        ({"exclusiveMinimum": 0}, 0, "must be more than 0"),
        ({"exclusiveMaximum": 5}, 5, "must be less than 5"),
        ({"multipleOf": 1000}, 1500, "must be a multiple of 1000"),
        ({"minLength": 30}, SECRET, "must have at least 30 characters"),
        ({"maxLength": 3}, SECRET, "must have at most 3 characters"),
        ({"minItems": 2}, [SECRET], "must have at least 2 elements"),
        ({"maxItems": 0}, [SECRET], "must have at most 0 elements"),
        ({"minProperties": 2}, {SECRET: 1}, "must have at least 2 fields"),
        ({"maxProperties": 0}, {SECRET: 1}, "must have at most 0 fields"),
        ({"uniqueItems": True}, [SECRET, SECRET], "must not hold the same element twice"),
        ({"pattern": "^[0-9]+$"}, SECRET, "must match the pattern ^[0-9]+$"),
        ({"format": "email"}, SECRET, "must be a valid email"),
        ({"anyOf": [{"type": "integer"}, {"type": "null"}]}, SECRET, "must have one of the allowed forms"),
        ({"propertyNames": {"maxLength": 2}}, {SECRET: 1}, "has a field whose name is not allowed"),
        ({"not": {"type": "string"}}, SECRET, "has a form that is not allowed"),
    ],
)
def test_each_broken_keyword_is_said_in_words_and_the_value_is_never_repeated(
    schema: Any, value: Any, message: str
) -> None:
    assert Schema(schema).check(value) == (Issue(message),)


FORM = {
    "type": "object",
    "additionalProperties": False,
    "required": ["to", "items"],
    "properties": {
        "to": {"type": "object", "additionalProperties": False, "required": ["name"], "properties": {"name": {}}},
        "items": {"type": "array", "items": {"type": "object", "properties": {"weight": {"type": "integer"}}}},
        "serviceTypeId": {"type": "integer"},
    },
}


def test_every_issue_is_found_at_its_path() -> None:
    given = {"to": {"nmae": SECRET}, "items": [{"weight": 1}, {"weight": SECRET}], "servceTypeId": 1, "zzz": SECRET}
    issues = Schema(FORM).check(given)
    assert {issue.path for issue in issues} == {
        ("to", "name"),
        ("to", "nmae"),
        ("items", 1, "weight"),
        ("servceTypeId",),
        ("zzz",),
    }
    assert SECRET not in str(issues)
    said = {issue.path: issue.message for issue in issues}
    assert said["servceTypeId",] == "unknown field; did you mean serviceTypeId?"
    assert said["to", "nmae"] == "unknown field; did you mean name?"
    assert said["zzz",] == "unknown field; known: items, serviceTypeId, to"
    assert said["to", "name"] == "is required"


def test_a_field_name_of_the_callers_own_is_capped() -> None:
    issues = Schema({"additionalProperties": {"type": "integer"}}).check({"k" * 5000: SECRET})
    assert [len(str(issue.path[0])) for issue in issues] == [64]
    issues = Schema({"additionalProperties": False, "properties": {"a": {}}}).check({"k" * 5000: SECRET})
    assert [len(str(issue.path[0])) for issue in issues] == [64]


def test_where_no_field_is_allowed_that_is_said() -> None:
    assert Schema({"additionalProperties": False}).check({"a": SECRET}) == (Issue("must have no fields"),)
    closed = Schema({"additionalProperties": False, "properties": {}})
    assert closed.check({"a": SECRET}) == (Issue("unknown field", ("a",)),)


@pytest.mark.parametrize("value", [b"bytes", {1: 2}, "\ud800", {"a": object()}])
def test_what_is_no_json_value_is_refused_and_not_repeated(value: Any) -> None:
    [issue] = Schema({"type": "object", "properties": {"a": {"type": "string"}}}).check(value)
    assert "JSON" in issue.message or issue.message == "must be object"


@pytest.mark.parametrize("value", [{"a": 2**70}, {"a": Decimal("1E+3")}, {"a": Decimal(12345678901234567890)}])
def test_whole_numbers_of_any_size_are_integers(value: Any) -> None:
    schema = Schema({"properties": {"a": {"type": "integer"}}})
    assert schema.check(schema.fill(value)) == ()


# --- a reference: jsonschema for Python ----------------------------

keywords = st.fixed_dictionaries(
    {},
    optional={
        "type": st.sampled_from(["string", "integer", "number", "boolean", "null", "array", "object"])
        | st.lists(st.sampled_from(["string", "integer", "null", "array"]), min_size=1, max_size=2, unique=True),
        "enum": st.lists(st.sampled_from([1, 2, "a", "b", None, [1]]), min_size=1, max_size=3, unique_by=repr),
        "const": st.sampled_from([1, "a", None]),
        "minimum": st.integers(-3, 3),
        "maximum": st.integers(-3, 3),
        "exclusiveMinimum": st.integers(-3, 3),
        "multipleOf": st.sampled_from([1, 2, 3]),
        "minLength": st.integers(0, 3),
        "maxLength": st.integers(0, 3),
        "pattern": st.sampled_from(["^a", "b$", "[ab]{2}", "^[0-9]*$"]),
        "minItems": st.integers(0, 2),
        "maxItems": st.integers(0, 2),
        "uniqueItems": st.booleans(),
        "minProperties": st.integers(0, 2),
        "required": st.lists(st.sampled_from(["a", "b"]), unique=True),
    },
)


def _nested(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.builds(
        lambda own, more: {**own, **more},
        keywords,
        st.fixed_dictionaries(
            {},
            optional={
                "properties": st.dictionaries(st.sampled_from(["a", "b"]), inner, max_size=2),
                "additionalProperties": st.booleans() | inner,
                "items": inner,
                "anyOf": st.lists(inner, min_size=2, max_size=2),
            },
        ),
    )


schemas = st.recursive(keywords, _nested, max_leaves=5)
values = st.recursive(
    st.none() | st.booleans() | st.integers(-4, 4) | st.sampled_from(["", "a", "ab", "b1", "12"]) | st.just(1.5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["a", "b", "c"]), inner, max_size=3),
    max_leaves=6,
)


@given(schemas, values)
@settings(max_examples=500)
def test_valid_is_what_the_reference_calls_valid(schema: Any, value: Any) -> None:
    is_valid = jsonschema.Draft202012Validator(schema).is_valid(value)
    assert (Schema(schema).check(plain(value)) == ()) is is_valid


# --- defaults and whole numbers ------------------------------------


def test_defaults_are_filled_in_at_every_depth_and_the_given_value_stays_as_it_is() -> None:
    schema = Schema(
        {
            "properties": {
                "a": {"type": "string", "default": "x"},
                "inner": {"properties": {"b": {"default": 5}}},
                "made": {"default": {"list": [1]}, "properties": {"c": {"default": 7}}},
                "rows": {"items": {"properties": {"d": {"default": True}}}},
                "map": {"additionalProperties": {"properties": {"e": {"default": None}}}},
            }
        }
    )
    given_value = {"inner": {}, "rows": [{}, {"d": False}, 5], "map": {"k": {}, "l": 1}}
    assert schema.fill(given_value) == {
        "a": "x",
        "inner": {"b": 5},
        "made": {"list": [1], "c": 7},
        "rows": [{"d": True}, {"d": False}, 5],
        "map": {"k": {"e": None}, "l": 1},
    }
    assert given_value == {"inner": {}, "rows": [{}, {"d": False}, 5], "map": {"k": {}, "l": 1}}


def test_a_default_is_not_shared_between_calls() -> None:
    schema = Schema({"properties": {"list": {"type": "array", "default": [1]}}})
    schema.fill({})["list"].append(2)
    assert schema.fill({}) == {"list": [1]}


def test_a_null_and_an_empty_value_are_given_values() -> None:
    schema = Schema({"properties": {"a": {"default": "x"}}})
    assert schema.fill({"a": None}) == {"a": None}
    assert schema.fill({"a": ""}) == {"a": ""}


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "integer"},
        {"type": "number"},
        {"type": ["integer", "null"]},
        {"anyOf": [{"type": "number"}, {"type": "null"}]},
        {"additionalProperties": {"type": "number"}, "type": ["object", "number"]},
    ],
)
def test_integral_fractions_become_integers(schema: Any) -> None:
    whole = Schema({"properties": {"x": schema, "list": {"items": schema}}})
    filled = whole.fill({"x": Decimal("10.0"), "list": [Decimal("1E+2"), 5.0, Decimal("0.5"), "a", None]})
    assert filled == {"x": 10, "list": [100, 5, Decimal("0.5"), "a", None]}
    assert [type(value) for value in (filled["x"], *filled["list"][:3])] == [int, int, int, Decimal]


@pytest.mark.parametrize("value", [Decimal("1E+500"), 1e300, Decimal("NaN"), Decimal("Infinity"), True])
def test_what_is_no_sensible_integer_is_left_alone(value: Any) -> None:
    filled = Schema({"properties": {"x": {"type": "number"}}}).fill({"x": value})["x"]
    assert type(filled) is type(value)


@given(values)
def test_a_schema_without_defaults_and_numbers_gives_the_value_back(value: Any) -> None:
    assert Schema({"properties": {"a": {"type": "string"}}}).fill(value) is value


# --- schemas that can't be used ------------------------------------


@pytest.mark.parametrize(
    ("pattern", "is_linear"),
    [
        ("^[a-z]{2,8}$", True),
        (r"^\d+$", True),
        (r"\p{L}+", True),
        ("(?=a)b", False),
        ("(?!a)b", False),
        ("(?<=a)b", False),
        (r"(a)\1", False),
        ("[", False),
        ("(a{1000}){1000}", False),
    ],
)
def test_a_pattern_must_run_in_linear_time(pattern: str, is_linear: bool) -> None:
    schema = {"properties": {"a": {"items": {"pattern": pattern}}}}
    if is_linear:
        Schema(schema)
        return
    with pytest.raises(Fault) as caught:
        Schema(schema)
    assert (caught.value.code, caught.value.below) == ("SPEC091", ("properties", "a", "items", "pattern"))


@pytest.mark.parametrize(
    ("schema", "below"),
    [
        ({"properties": {"a": {"type": "strin"}}}, ("properties", "a", "type")),
        ({"properties": {"a": {"minLength": -1}}}, ("properties", "a", "minLength")),
        ({"required": "a"}, ("required",)),
        ({"properties": {"a": "text"}}, ("properties", "a")),
        ({"$ref": "#/nowhere"}, ()),
    ],
)
def test_what_is_no_json_schema_is_refused_at_the_keyword(schema: Any, below: Any) -> None:
    with pytest.raises(Fault) as caught:
        Schema(schema)
    assert (caught.value.code, caught.value.below) == ("SPEC090", below)


def test_a_default_that_its_own_schema_refuses_is_found_at_any_depth() -> None:
    schema = {
        "properties": {
            "a": {"type": "integer", "default": "x"},
            "b": {"items": {"enum": ["p"], "default": "q"}},
            "c": {"additionalProperties": {"type": "string", "default": "fine"}},
            "d": {"anyOf": [{"type": "string", "default": 5}, {"type": "null"}]},
        }
    }
    assert list(misfits(schema)) == [
        (("properties", "a", "default"), "must be integer"),
        (("properties", "b", "items", "default"), "must be one of p"),
        (("properties", "d", "anyOf", 0, "default"), "must be string"),
    ]
