"""What a template says for a scope: types, text, absence, conditions, arithmetic, functions."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.compiled.expressions import parse
from engine.compiled.fault import EvaluationError, Fault
from engine.compiled.jinja import parsed
from engine.compiled.names import Names, Shape, shape_of
from engine.compiled.parts import Part, is_template
from engine.compiled.template import compile_template, paths_of, surely_present
from engine.library.absent import ABSENT
from engine.library.function import LibraryError
from engine.library.segment import path_segment
from tests.compiled.evaluate import names, scope, template

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.decimals(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)


@given(JSON)
def test_one_expression_alone_keeps_the_type_of_any_value(value: Any) -> None:
    assert template("{{ input.x }}", input={"x": value}) is value


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (True, "true"),
        (False, "false"),
        (10, "10"),
        (Decimal("10.0"), "10"),
        (Decimal("0.5"), "0.5"),
        (Decimal("1E+3"), "1000"),
        (10**30, "1" + "0" * 30),
        ("", ""),
        ("é", "é"),
    ],
)
def test_text_of_several_parts_spells_scalars(value: Any, text: str) -> None:
    assert template("<{{ input.x }}>", input={"x": value}) == f"<{text}>"
    assert template("{{ '<' ~ input.x ~ '>' }}", input={"x": value}) == f"<{text}>"


@pytest.mark.parametrize("value", [[1], {"a": 1}])
def test_a_list_or_object_has_no_text_and_the_error_names_the_input_not_the_value(value: Any) -> None:
    with pytest.raises(EvaluationError) as caught:
        template("<{{ input.x }}>", input={"x": value})
    assert caught.value.inputs == ("input.x",)
    assert "1" not in caught.value.message


@pytest.mark.parametrize(
    "text", ["", "plain", "100 % {", "a } b", "{ { x } }", "ünïcode {x}", "{% if %}", "{# note #}"]
)
def test_text_without_an_expression_is_itself(text: str) -> None:
    assert not is_template(text)
    assert template(text) == text


@pytest.mark.parametrize(
    "text",
    [
        "{{ input.gone }}",
        "{{ input.gone.deeper }}",
        "{{ input.x.y.z }}",
        "{{ input.list[9] }}",
        "{{ input['gone'] }}",
        "{{ input.gone | upper }}",
        "{{ input.x | plus(input.gone, 'days') }}",
        "{{ input.number + input.gone }}",
        "{{ -input.gone }}",
        "{{ input.gone == input.gone }}",
        "{{ input.gone is matching('a') }}",
        "{{ [1, input.gone] }}",
        "{{ 'a' ~ input.gone }}",
        "a{{ input.gone }}",
        "{{ input.x }}{{ input.gone }}",
        "{{ 'a' if input.gone }}",
        "{{ (input.gone).x }}",
        "{{ input.list[input.gone] }}",
        "{{ input.x | lookup('size') }}",
        "{{ absent }}",
        "{{ absent | default(absent) }}",
    ],
)
def test_what_touches_an_absent_value_is_absent(text: str) -> None:
    assert template(text, input={"x": "text", "list": [1], "number": 1}) is ABSENT


@pytest.mark.parametrize(
    ("text", "result"),
    [
        ("{{ input.gone | default('d') }}", "d"),
        ("{{ input.gone | upper | default('d') }}", "d"),
        ("{{ input.null | default('d') }}", None),
        ("{{ input.empty | default('d') }}", ""),
        ("{{ input.gone | default(input.x) }}", "text"),
        ("{{ input.x | default(input.gone) }}", "text"),
        ("{{ input.gone is given }}", False),
        ("{{ input.null is given }}", True),
        ("{{ input.x is given }}", True),
        ("{{ input.gone is not given }}", True),
        ("{{ input.x if input.gone else 'else' }}", "else"),
        ("{{ 'yes' if not input.gone else 'no' }}", "yes"),
        ("{{ input.gone or input.x }}", "text"),
        ("{{ 'a' if input.x == 'text' and input.gone is not given }}", "a"),
        ("{{ 'never' if input.gone > 3 else 'else' }}", "else"),
    ],
)
def test_only_default_ends_absence_and_a_condition_counts_it_as_false(text: str, result: Any) -> None:
    assert template(text, input={"x": "text", "null": None, "empty": ""}) == result


def test_a_null_is_null_alone_and_makes_text_of_several_parts_absent() -> None:
    assert template("{{ input.n }}", input={"n": None}) is None
    assert template("{{ input.n | upper }}", input={"n": None}) is None
    assert template("a{{ input.n }}", input={"n": None}) is ABSENT


@pytest.mark.parametrize("key", ["items", "keys", "get", "pop", "__class__", "_private", "copy", "update", "if_"])
def test_names_are_keys_and_never_python_attributes(key: str) -> None:
    assert template("{{ input." + key + " }}", input={key: 1}) == 1
    assert template("{{ input." + key + " }}", input={}) is ABSENT
    assert template("{{ input['" + key + "'] }}", input={key: 1}) == 1


@pytest.mark.parametrize("text", ["{{ input.x.upper }}", "{{ input.x.__class__ }}", "{{ input.list.append }}"])
def test_texts_and_lists_have_no_keys(text: str) -> None:
    assert template(text, input={"x": "a", "list": []}) is ABSENT


def test_lists_are_read_by_position_from_both_ends() -> None:
    given = {"list": ["a", "b", "c"], "at": 1, "key": "k", "k": "v"}
    assert template("{{ input.list[0] }}{{ input.list[-1] }}", input=given) == "ac"
    assert template("{{ input.list[input.at] }}", input=given) == "b"
    assert template("{{ input[input.key] }}", input=given) == "v"
    assert template("{{ input.list[true] }}", input=given) is ABSENT


@pytest.mark.parametrize(
    ("text", "result"),
    [
        ("{{ 0.1 + 0.2 }}", Decimal("0.3")),
        ("{{ 0.5 + 0.5 }}", 1),
        ("{{ 2 * 3 - 1 }}", 5),
        ("{{ 10 / 4 }}", Decimal("2.5")),
        ("{{ 10 / 5 }}", 2),
        ("{{ -5 }}", -5),
        ("{{-5}}", -5),
        ("{{ 1.10 }}", Decimal("1.1")),
        ("{{ 123456789012345678901234567890 + 1 }}", 123456789012345678901234567891),
        ("{{ input.price * 100 }}", 1999),
        ("{{ (input.price / 3) | fixed(2) }}", "6.66"),
    ],
)
def test_arithmetic_is_exact(text: str, result: Any) -> None:
    value = template(text, input={"price": Decimal("19.99")})
    assert (value, type(value)) == (result, type(result))


@given(st.decimals(-(10**9), 10**9, places=4), st.decimals(-(10**9), 10**9, places=4))
def test_sums_and_products_lose_no_digit(a: Decimal, b: Decimal) -> None:
    assert template("{{ input.a + input.b }}", input={"a": a, "b": b}) == a + b
    assert template("{{ input.a * input.b - input.a }}", input={"a": a, "b": b}) == a * b - a


@pytest.mark.parametrize(
    "text",
    [
        "{{ 'a' * 3 }}",
        "{{ 3 * 'a' }}",
        "{{ 'a' + 'b' }}",
        "{{ [1] + [2] }}",
        "{{ true + 1 }}",
        "{{ 1 / 0 }}",
        "{{ -'a' }}",
        "{{ input.x < 3 }}",
        "{{ none < 3 }}",
        "{{ true < 3 }}",
        "{{ [1] < [2] }}",
        "{{ 1 in 5 }}",
        "{{ 1 in 'abc' }}",
        "{{ input.x | fixed(2) }}",
    ],
)
def test_wrong_types_end_with_an_error_that_names_inputs_and_no_value(text: str) -> None:
    with pytest.raises(EvaluationError) as caught:
        template(text, input={"x": "SECRET"})
    assert "SECRET" not in str(caught.value)
    assert caught.value.inputs == (("input.x",) if "input.x" in text else ())


@pytest.mark.parametrize(
    ("text", "result"),
    [
        ("{{ 1 == 1.0 }}", True),
        ("{{ 1 == true }}", False),
        ("{{ 0 == false }}", False),
        ("{{ [1] == [true] }}", False),
        ("{{ [1, 'a'] == [1.0, 'a'] }}", True),
        ("{{ '1' == 1 }}", False),
        ("{{ none == none }}", True),
        ("{{ 'a' != 'b' }}", True),
        ("{{ 1 in [true] }}", False),
        ("{{ 1 in [2, 1.0] }}", True),
        ("{{ 'b' in 'abc' }}", True),
        ("{{ 'z' not in 'abc' }}", True),
        ("{{ 'x' in input }}", True),
        ("{{ 2 < 10 }}", True),
        ("{{ '2' < '10' }}", False),
        ("{{ 1.5 >= 1.50 }}", True),
    ],
)
def test_comparison_is_that_of_json(text: str, result: bool) -> None:
    assert template(text, input={"x": 1}) is result


@pytest.mark.parametrize(
    ("text", "result"),
    [
        ("{{ 'a b' | percent }}", "a%20b"),
        ("{{ 'ab' | base64 }}", "YWI="),
        ("{{ call.now | plus(2, 'days') | time('%Y-%m-%d') }}", "2026-05-03"),
        ("{{ call.now | plus(unit='hours', n=1) }}", "2026-05-01T04:04:05Z"),
        ("{{ input.form | pairs(skip='b', join=';') }}", "a=1;c=3"),
        ("{{ 'l' | lookup('size') }}", "large"),
        ("{{ 1 | lookup('size') }}", "one"),
        ("{{ 'l' | lookup(table='size') }}", "large"),
        ("{{ 'zzz' | lookup('word') }}", "other"),
        ("{{ 'cab' | recode('word') }}", "cbb"),
        ("{{ 'a1' is matching('[a-z][0-9]') }}", True),
        ("{{ 'xa1' is matching('[a-z][0-9]') }}", False),
        ("{{ '2026-05-01T03:05:05Z' | seconds_until }}", 60),
    ],
)
def test_filters_take_arguments_by_place_and_by_name(text: str, result: Any) -> None:
    assert template(text, input={"form": {"a": "1", "b": "2", "c": "3"}}) == result


def test_a_lookup_without_hit_is_absent_for_an_optional_input_and_refused_for_a_required_one() -> None:
    optional = shape_of({"properties": {"x": {"type": "string"}}, "additionalProperties": False}, sure=True)
    required = shape_of({"properties": {"x": {"type": "string"}}, "required": ["x"]}, sure=True)
    text = "{{ input.x | lookup('size') }}"
    assert template(text, names(input=optional), input={"x": "zzz"}) is ABSENT
    with pytest.raises(EvaluationError) as caught:
        template(text, names(input=required), input={"x": "zzz"})
    assert caught.value.inputs == ("input.x",)
    assert "zzz" not in caught.value.message


def test_an_escape_goes_around_every_expression_and_no_literal_text() -> None:
    evaluate = compile_template("/a/{{ input.x }}/b c/{{ input.y }}", names(), path_segment)
    assert evaluate(scope({"input": {"x": "1/2", "y": "ü"}})) == "/a/1%2F2/b c/%C3%BC"
    assert evaluate(scope({"input": {"x": "1/2"}})) is ABSENT
    alone = compile_template("{{ input.x }}", names(), path_segment)
    assert alone(scope({"input": {"x": 5}})) == "5"


@pytest.mark.parametrize("value", ["..", "", "a\nb", ["x"], {}])
def test_a_value_that_an_escape_refuses_is_named_by_its_input(value: Any) -> None:
    with pytest.raises(EvaluationError) as caught:
        compile_template("/a/{{ input.x }}", names(), path_segment)(scope({"input": {"x": value}}))
    assert caught.value.inputs == ("input.x",)


def test_an_escape_of_a_spec_that_refuses_is_named_by_its_input_too() -> None:
    def refuse(_text: str) -> str:
        raise LibraryError("holds what can't be sent")

    with pytest.raises(EvaluationError) as caught:
        compile_template("{{ input.x }}", names(), refuse)(scope({"input": {"x": "v"}}))
    assert (caught.value.message, caught.value.inputs) == ("holds what can't be sent", ("input.x",))


@pytest.mark.parametrize(
    ("text", "result"),
    [
        ("{{ '}}' }}", "}}"),
        ('{{ "it\'s }}" }}', "it's }}"),
        ("{{ 'a\\'}}' }}", "a'}}"),
        ("a{{ 'b' }}c{{ 'd' }}", "abcd"),
        ("{{ 'x' }}}", "x}"),
        ("{{\n  'x'\n}}", "x"),
        ("{ {{ 1 }} }", "{ 1 }"),
    ],
)
def test_braces_and_quotes_inside_an_expression_do_not_end_it(text: str, result: str) -> None:
    assert template(text) == result


def test_the_names_that_a_template_reads_are_known_without_running_it() -> None:
    text = (
        "{{ input.a.b | default(config.c) }} {{ input['d'] ~ vars.e[0] }} {{ 'x' if call.now else steps.s.outputs.o }}"
    )
    assert paths_of(text) == [
        ("input", "a", "b"),
        ("config", "c"),
        ("input", "d"),
        ("vars", "e", "0"),
        ("call", "now"),
        ("steps", "s", "outputs", "o"),
    ]
    assert paths_of("literal") == []


@given(
    st.lists(st.sampled_from(["a", "if", "not", "x1", "_y", "true", "in", "none", "is", "é"]), min_size=1, max_size=4)
)
def test_a_plain_path_is_read_as_jinja_reads_it(words: list[str]) -> None:
    """Paths do not pass through Jinja's parser: its words (`if`, `true`) must mean the same all the same."""
    text = " " + ".".join(words) + " "
    try:
        wanted: Any = parsed(Part(text, 2))
    except Fault:
        wanted = None
    try:
        found: Any = parse(Part(text, 2))
    except Fault:
        found = None
    assert found == wanted


KNOWN = Names(
    {
        "input": shape_of(
            {
                "required": ["sure", "inner"],
                "additionalProperties": False,
                "properties": {
                    "sure": {"type": "string"},
                    "maybe": {"type": "string"},
                    "filled": {"type": "string", "default": "x"},
                    "inner": {"properties": {"maybe": {"type": "string"}}},
                    "list": {"type": "array", "items": {"type": "string"}},
                },
            },
            sure=True,
        ),
        "steps": Shape({"one": Shape({"outputs": Shape({"id": Shape()}, sure=True)}, sure=True)}, sure=True),
    },
)


@pytest.mark.parametrize(
    ("text", "is_sure"),
    [
        ("/plain", True),
        ("/{{ input.sure }}", True),
        ("/{{ input.filled }}", True),
        ("/{{ input.maybe }}", False),
        ("/{{ input.inner.maybe }}", False),
        ("/{{ input.list[0] }}", False),
        ("/{{ input.maybe | default('x') }}", True),
        ("/{{ input.maybe | default(input.maybe) }}", False),
        ("/{{ input.maybe | default(input.sure) }}", True),
        ("/{{ input.sure | upper }}", True),
        ("/{{ input.maybe | upper }}", False),
        ("/{{ input.sure | truncate_bytes(input.maybe) }}", False),
        ("/{{ input.sure | before('-') }}", False),
        ("/{{ input.sure | nonzero }}", False),
        ("/{{ 'a' if input.maybe is given else 'b' }}", True),
        ("/{{ 'a' if input.maybe else input.maybe }}", False),
        ("/{{ 'a' if input.maybe }}", False),
        ("/{{ absent }}", False),
        ("/{{ steps.one.outputs.id }}", True),
        ("/{{ input.sure ~ input.maybe }}", False),
    ],
)
def test_what_can_be_absent_in_a_path_is_known_without_running_it(text: str, is_sure: bool) -> None:
    """Outputs of steps count as there: the call ends before anything is sent when they are not."""
    assert surely_present(text, KNOWN) is is_sure
