"""Which names exist at a place, and what a schema promises about them."""

from __future__ import annotations

from typing import Any

import pytest

from engine.compiled.fault import Fault
from engine.compiled.names import ANY, SURE, Names, Shape, keys, shape_of

SCHEMA: dict[str, Any] = {
    "type": "object",
    "additionalProperties": False,
    "required": ["id", "to", "open"],
    "properties": {
        "id": {"type": "string"},
        "note": {"type": "string"},
        "size": {"type": "string", "default": "s"},
        "to": {"type": "object", "required": ["name"], "properties": {"name": {}, "ward": {}}},
        "maybe": {"type": "object", "required": ["name"], "properties": {"name": {}}},
        "open": {"type": "object", "properties": {"a": {}}, "required": ["a"], "additionalProperties": True},
        "map": {"type": "object", "additionalProperties": {"type": "string"}},
        "free": {},
        "items": {"type": "array", "items": {"type": "object", "required": ["sku"], "properties": {"sku": {}}}},
    },
}
KNOWN = Names({"input": shape_of(SCHEMA, sure=True), "body": ANY, "call": keys("now")}, place="in a request")


@pytest.mark.parametrize(
    ("path", "is_sure"),
    [
        (("input",), True),
        (("input", "id"), True),
        (("input", "note"), False),
        (("input", "size"), True),
        (("input", "to", "name"), True),
        (("input", "to", "ward"), False),
        (("input", "maybe", "name"), False),
        (("input", "open", "anything"), False),
        (("input", "open", "a"), True),
        (("input", "map", "anything"), False),
        (("input", "free", "anything", "deeper"), False),
        (("input", "items", 0, "sku"), False),
        (("body", "anything"), False),
        (("call", "now"), True),
    ],
)
def test_what_a_schema_names_exists_and_what_it_requires_is_surely_there(path: Any, is_sure: bool) -> None:
    assert KNOWN.check(path) is is_sure


@pytest.mark.parametrize(
    ("path", "code", "message", "hint"),
    [
        (("inptu",), "NAME001", 'unknown name "inptu" in a request', 'did you mean "input"?'),
        (("input", "nte"), "NAME002", 'unknown name "input.nte"', 'did you mean "input.note"?'),
        (("input", "to", "nmae"), "NAME002", 'unknown name "input.to.nmae"', 'did you mean "input.to.name"?'),
        (
            ("input", "items", 0, "sk"),
            "NAME002",
            'unknown name "input.items.0.sk"',
            'did you mean "input.items.0.sku"?',
        ),
        (("call", "epoch"), "NAME002", 'unknown name "call.epoch"', "known: call.now"),
    ],
)
def test_what_it_does_not_name_is_unknown_and_the_nearest_name_is_given(
    path: Any, code: str, message: str, hint: str
) -> None:
    with pytest.raises(Fault) as caught:
        KNOWN.check(path, [(5 * i, 5 * i + 4) for i in range(len(path))])
    assert (caught.value.code, caught.value.message) == (code, message)
    assert caught.value.hint.startswith(hint)
    assert (caught.value.offset, caught.value.length) == (0, 5 * len(path) - 1)


def test_the_element_of_a_declared_list_is_known() -> None:
    assert KNOWN.element(("input", "items")).fields == {"sku": SURE}
    assert KNOWN.element(("input", "note")) is ANY
    assert KNOWN.element(("input", "gone", "deeper")) is ANY
    assert KNOWN.element(("gone",)) is ANY


def test_roots_are_added_and_taken_away_without_touching_the_others() -> None:
    inner = KNOWN.adding(item=Shape({"x": SURE}, sure=True))
    assert inner.check(("item", "x"))
    assert inner.check(("input", "id"))
    with pytest.raises(Fault):
        KNOWN.check(("item",))
    with pytest.raises(Fault):
        inner.without("input").check(("input", "id"))
