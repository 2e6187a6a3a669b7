"""Filling and checking an input is held to jsonschema for Python, extended with defaults as its FAQ does it."""

from __future__ import annotations

import random

from hypothesis import given, settings
from hypothesis import strategies as st

from engine.compiled.schema import Schema
from tests.compiled import filling

dice = st.randoms(use_true_random=False)


@given(dice)
@settings(max_examples=300)
def test_an_input_is_filled_and_refused_as_the_reference_does_it(dice: random.Random) -> None:
    filling.compare(dice)


@given(dice)
@settings(max_examples=150)
def test_what_was_filled_once_is_full(dice: random.Random) -> None:
    form = filling.schema(dice)
    made = Schema(form)
    once = made.fill(filling.value(dice, form))
    assert filling.written(made.fill(once)) == filling.written(once)


def test_a_default_inside_a_form_is_not_applied_and_its_numbers_are_whole() -> None:
    """Which form a value has is known only by checking it, which comes after; a number is whole in any."""
    parcel = {"type": "object", "properties": {"weight": {"type": "integer", "default": 5}, "cod": {"type": "number"}}}
    schema = Schema({"properties": {"x": {"anyOf": [parcel, {"type": "array", "items": parcel}]}}})
    assert schema.fill({"x": {}}) == {"x": {}}
    for given_value, wanted in (({"cod": 7.0}, {"cod": 7}), ([{"weight": 2.0}], [{"weight": 2}])):
        filled = schema.fill({"x": given_value})["x"]
        assert filling.written(filled) == filling.written(wanted)
