"""What is no query is refused at the exact characters, with what to write instead."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.compiled.names import ANY, Names, shape_of
from engine.compiled.query import compile_query
from tests.compiled.evaluate import fault_of, fault_or_none, names

INPUT = shape_of({"additionalProperties": False, "properties": {"items": {"type": "array"}, "id": {}}}, sure=True)
KNOWN = names(input=INPUT)


@pytest.mark.parametrize(
    ("text", "code", "marked", "hint"),
    [
        ("", "EXPR011", "", ""),
        ("body.", "EXPR011", "", ""),
        ("body.a b", "EXPR011", "b", ""),
        ("body.a = 'x'", "EXPR011", "=", ""),
        ("body.#", "EXPR011", "#", ""),
        ("body[0:1:0]", "EXPR011", "0", ""),
        ("body.a == `text`", "EXPR011", "`text`", "write a text as 'text'"),
        ("body.a == `NaN`", "EXPR011", "`NaN`", "write a text as 'text'"),
        ("body[" + "1" * 5000 + "]", "EXPR011", "body[" + "1" * 5000 + "]", ""),
        ("body.a == `0.12345678901234567890`", "EXPR008", "`0.12345678901234567890`", ""),
        ("(" * 600 + "body" + ")" * 600, "EXPR007", "(" * 600 + "body" + ")" * 600, ""),
        (" || ".join(["body"] * 200), "EXPR007", " || ".join(["body"] * 200), ""),
        ("{{ body.x }}", "EXPR011", "{", "a query stands here: write it without {{ }}: body.x"),
        ("a {{ body.x }} b", "EXPR011", "{", "a query stands here: write it without {{ }}"),
        ("body.headers.x-kite-mac", "EXPR011", "-", 'write body.headers."x-kite-mac"'),
        ("body.a or body.b", "EXPR011", "or", "or is written ||"),
        ("body.a AND body.b", "EXPR011", "AND", "AND is written &&"),
        ("not body.b", "EXPR011", "body", "not is written !"),
        ("body.a = 'x'", "EXPR011", "=", "= is written =="),
        ("body.a == BUSY", "NAME001", "BUSY", "a text stands in single quotes: 'BUSY'"),
        ("BUSY != body.a", "NAME001", "BUSY", "a text stands in single quotes: 'BUSY'"),
        ("bdoy == input", "NAME001", "bdoy", 'did you mean "body"?'),
        ("BUSY == 'x'", "NAME001", "BUSY", "known: "),
        ("len(body.a)", "NAME003", "len", 'did you mean "length"?'),
        ("now()", "NAME003", "now", "the time of the call is a name, not a function: call.now"),
        ("@.a", "EXPR012", "@", "name a root"),
        ("body.a || @", "EXPR012", "@", "name a root"),
        ("&body", "EXPR013", "&", "map, max_by, min_by and sort_by do"),
        ("to_string(&body)", "EXPR013", "&", "map, max_by, min_by and sort_by do"),
        ("sort_by(body.a, 'id')", "EXPR005", "sort_by", ""),
        ("length(body, body)", "EXPR005", "length", ""),
        ("upper()", "EXPR005", "upper", ""),
        ("upper(body.x, 'y')", "EXPR005", "upper", ""),
        ("pairs(body, {onlly: 'a'})", "EXPR005", "pairs", "known: only"),
        ("keep(body.x)", "EXPR005", "keep", ""),
        ("body.items[*].seconds_until(at)", "EXPR005", "seconds_until", "use $each"),
        ("bdoy.x", "NAME001", "bdoy", 'did you mean "body"?'),
        ("body.bdoy || bdoy.x", "NAME001", "bdoy", 'did you mean "body"?'),
        ("body.x == null", "NAME001", "null", "write `null` with backticks"),
        ("body.x == true", "NAME001", "true", "write `true` with backticks"),
        ("body.itms && input.itms", "NAME002", "input.itms", 'did you mean "input.items"?'),
        ("[body.itms, input.items[0].itms, {a: input.itms}]", "NAME002", "input.itms", 'did you mean "input.items"?'),
        ("body.lenght && lenght(body.x)", "NAME003", "lenght", 'did you mean "length"?'),
        ("lookup(body.sizes, 'sizes')", "NAME004", "'sizes'", 'did you mean "size"?'),
        ("lookup(body.x, body.y)", "NAME004", "lookup", "lookup('name')"),
    ],
)
def test_a_fault_is_marked_exactly_and_says_what_to_write(text: str, code: str, marked: str, hint: str) -> None:
    found = fault_of(compile_query, text, KNOWN)
    assert found[:2] == (code, marked)
    assert found[3].startswith(hint)
    assert found[2]


@pytest.mark.parametrize("text", ["body.bdoy || bdoy.x", "body.lenght && lenght(body.x)"])
def test_a_word_that_stands_several_times_is_marked_where_it_is_wrong(text: str) -> None:
    fault = fault_or_none(compile_query, text)
    assert fault is not None
    assert fault.offset == text.rindex(text[fault.offset : fault.offset + fault.length])


def test_the_time_of_a_call_is_needed_where_there_is_none() -> None:
    known = Names({"input": ANY}, place="in checks")
    code, marked, message, _ = fault_of(compile_query, "seconds_until(input.at) > `5`", known)
    assert (code, marked) == ("EXPR005", "seconds_until")
    assert message.endswith("in checks")


WORDS = [*"[]{}()|&.,:*?!@'\"`<>= \\1-#", "body", "input", "||", "==", "[?", "length(", "`1`", "sort_by(", "&a"]


@given(st.lists(st.sampled_from(WORDS), max_size=15).map("".join))
@settings(max_examples=600)
def test_any_text_compiles_or_is_refused_inside_the_text(text: str) -> None:
    fault = fault_or_none(compile_query, text, KNOWN)
    if fault is not None:
        assert 0 <= fault.offset <= len(text)
        assert fault.length >= 1
        assert fault.message
