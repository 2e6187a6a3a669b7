"""What is no template of the language is refused at the exact characters, with what to write instead."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.compiled.fault import Fault
from engine.compiled.names import ANY, Names, Shape, shape_of
from engine.compiled.template import compile_template
from tests.compiled.evaluate import fault_of, fault_or_none, names

INPUT = shape_of(
    {"additionalProperties": False, "properties": {"weight": {"type": "integer"}, "text": {"type": "string"}}},
    sure=True,
)
KNOWN = names(input=INPUT)


@pytest.mark.parametrize(
    ("text", "code", "marked", "hint"),
    [
        ("a {{ b", "EXPR001", "{{", ""),
        ("{{ }}", "EXPR001", " ", ""),
        ("{{ input. }}", "EXPR001", " input. ", ""),
        ("{{ input.x - }}", "EXPR001", " input.x - ", ""),
        ("{{ a b }}", "EXPR001", " a b ", ""),
        ("{{ " + "1" * 5000 + " }}", "EXPR001", " " + "1" * 5000 + " ", ""),
        ("{% if x %}{{ x }}", "EXPR002", "{%", "write an expression"),
        ("{{ input.text }}{# note #}", "EXPR002", "{#", "write an expression"),
        ("{{ input.text ~ upper(input.text) }}", "EXPR003", "upper", "x | upper"),
        ("{{ input.text.upper() }}", "EXPR003", "input.text.upper", "x | upper"),
        ("{{ input.text is odd }}", "EXPR003", "odd", "known: given, matching('pattern')"),
        ("{{ input.text is matching(5) }}", "EXPR003", "matching", "known: given, matching('pattern')"),
        ("{{ input.text is given('x') }}", "EXPR003", "given", "known: given, matching('pattern')"),
        ("{{ input.weight ** 2 }}", "EXPR004", "**", ""),
        ("{{ 1 + input.weight // 2 }}", "EXPR004", "//", "write / for an exact quotient"),
        ("{{ input.weight % 2 }}", "EXPR004", "%", ""),
        ("{{ {'a': 1} }}", "EXPR004", "{", "write an object as a tree"),
        ("{{ input.text[1:2] }}", "EXPR004", ":", ""),
        ("{{ 1 < input.weight < 3 }}", "EXPR004", " 1 < input.weight < 3 ", "join two with and"),
        ("{{ input.text | keep(*input.text) }}", "EXPR004", "keep", ""),
        ("{{ +input.weight }}", "EXPR004", "+", "leave it out"),
        ("{{ input.text | default }}", "EXPR005", "default", "x | default(y)"),
        ("{{ input.text | default(1, 2) }}", "EXPR005", "default", "x | default(y)"),
        ("{{ input.text | text | keep }}", "EXPR005", "keep", ""),
        ("{{ input.text | upper('x') }}", "EXPR005", "upper", ""),
        ("{{ input.text | upper(case=1) }}", "EXPR005", "upper", "it takes none"),
        ("{{ input.text | time('%Y', format='%Y') }}", "EXPR005", "time", ""),
        ("{{ input.text | pairs(onlly='a') }}", "EXPR005", "pairs", ""),
        ("{{ input.text is matching('(?=a)') }}", "EXPR006", "'(?=a)'", ""),
        ("{{ " + "(" * 300 + "1" + ")" * 300 + " }}", "EXPR007", " " + "(" * 300 + "1" + ")" * 300 + " ", ""),
        ("{{ " + "1 + " * 100 + "1 }}", "EXPR007", " " + "1 + " * 100 + "1 ", ""),
        ("{{ " + "not " * 2000 + "1 }}", "EXPR007", " " + "not " * 2000 + "1 ", ""),
        ("{{ 0.12345678901234567890123 }}", "EXPR008", " 0.12345678901234567890123 ", "write it as a text"),
        ("{{ 1e999 }}", "EXPR008", " 1e999 ", "write it as a text"),
        ("{{ input.text | str }}", "NAME003", "str", 'did you mean "text"?'),
        ("{{ input.text | lowercase }}", "NAME003", "lowercase", 'did you mean "lower"?'),
        ("{{ input.text | uppercase }}", "NAME003", "uppercase", 'did you mean "upper"?'),
        ("{{ input.text | int }}", "NAME003", "int", 'did you mean "integer"?'),
        ("{{ input.text | date('%Y') }}", "NAME003", "date", 'did you mean "time"?'),
        ("{{ input.text | len }}", "NAME003", "len", ""),
        ("{{ input.text | text ~ inputs.text }}", "NAME001", "inputs", 'did you mean "input"?'),
        ("{{ null }}", "NAME001", "null", "null is written none"),
        ("{{ input.text | text ~ input.wieght }}", "NAME002", "input.wieght", 'did you mean "input.weight"?'),
        ("{{ input['wieght'] }}", "NAME002", "input['wieght'", 'did you mean "input.weight"?'),
        ("{{ input.text | text | txet }}", "NAME003", "txet", 'did you mean "text"?'),
        ("{{ input.text | lookup('sizes') }}", "NAME004", "'sizes'", 'did you mean "size"?'),
        ("{{ input.text | lookup(input.text) }}", "NAME004", "lookup", "lookup('name')"),
    ],
)
def test_a_fault_is_marked_exactly_and_says_what_to_write(text: str, code: str, marked: str, hint: str) -> None:
    found = fault_of(compile_template, text, KNOWN)
    assert found[:2] == (code, marked)
    assert found[3].startswith(hint)
    assert found[2]


def test_a_word_that_stands_several_times_is_marked_where_it_is_wrong() -> None:
    """`text` is an input, a filter and an option before it is the unknown field."""
    text = "{{ input.text | text | default('text') | pairs(only='text') ~ config.text ~ (vars.text) }}"
    known = names(input=INPUT, vars=Shape({"test": ANY}))
    with pytest.raises(Fault) as caught:
        compile_template(text, known)
    assert (caught.value.code, caught.value.offset) == ("NAME002", text.index("vars.text"))


def test_the_time_of_a_call_is_needed_where_there_is_none() -> None:
    known = Names({"config": ANY}, place="in a server")
    code, marked, message, _ = fault_of(compile_template, "{{ config.x | seconds_until }}", known)
    assert (code, marked) == ("EXPR005", "seconds_until")
    assert message.endswith("in a server")


WORDS = [
    *"{}|()[].,'\"~+-*/%=<>!:# \n\\01a",
    "input",
    "text",
    " if ",
    " else ",
    " | default",
    " is ",
    " not ",
    "**",
    "{{",
]
EXPRESSIONS = st.lists(st.sampled_from(WORDS), max_size=15).map("".join)


@given(EXPRESSIONS)
@settings(max_examples=600)
def test_any_text_compiles_or_is_refused_inside_the_text(text: str) -> None:
    whole = "x{{" + text + "}}"
    fault = fault_or_none(compile_template, whole, KNOWN)
    if fault is not None:
        assert 0 <= fault.offset <= len(whole)
        assert fault.length >= 1
        assert fault.message
