"""The jmespath library is the reference for every query whose meaning the language does not change on purpose.

Left out on purpose: numbers against texts (the library raises a bare TypeError, we an error of our own), equality
below lists and objects of booleans and numbers (Python's `[True] == [1]`), `to_number` of what JSON does not call a
number, ordering of booleans.
"""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import jmespath
import jmespath.exceptions
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.compiled.fault import EvaluationError
from engine.compiled.query import compile_query
from tests.compiled.evaluate import fault_or_none, names, plain, query

FIELDS = ["a", "b", "c"]
# Neither 0 nor 1: Python's `[True] == [1]`, and so the library's, is no equality of JSON.
scalars = (
    st.none() | st.booleans() | st.integers(2, 99) | st.integers(-99, -1) | st.sampled_from(["", "a", "b", "10", "é"])
)
documents = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(FIELDS), inner, max_size=3),
    max_leaves=12,
)

fields = st.sampled_from(FIELDS)
steps = st.one_of(
    fields.map(".{}".format),
    st.sampled_from(["[0]", "[-1]", "[1]", "[*]", "[]", ".*", "[1:]", "[::-1]", "[:1]", "[5]"]),
    fields.map("[?{}]".format),
    st.builds("[?{} == {}]".format, fields, st.sampled_from(["`2`", "'a'", "`null`", "`true`", "b"])),
    st.builds("[?!{}]".format, fields),
    st.builds(".{{a: {}, x: {}}}".format, fields, fields),
    st.builds(".[{}, {}]".format, fields, fields),
)
paths = st.lists(steps, max_size=4).map(lambda parts: "doc" + "".join(parts))
queries = st.recursive(
    paths,
    lambda inner: (
        st.builds("({} {} {})".format, inner, st.sampled_from(["||", "&&"]), inner)
        | st.builds("(!{})".format, inner)
        | st.builds("({} | {})".format, inner, st.sampled_from(["[0]", "a", "[]", "*", "@", "[*].a", "{x: @}"]))
        | st.builds("({})".format, inner)
    ),
    max_leaves=4,
)

ONE_ARGUMENT = [
    "length", "keys", "values", "type", "to_array", "to_string", "reverse", "sort", "max", "min", "sum", "avg", "abs",
    "ceil", "floor", "not_null", "merge",
]  # fmt: skip
TWO_ARGUMENTS = ["contains", "starts_with", "ends_with", "join"]
BY_EXPRESSION = ["sort_by({}, &{})", "max_by({}, &{})", "min_by({}, &{})"]


def reference(text: str, document: Any) -> Any:
    """What the library finds; the exception's class where it refuses."""
    try:
        return plain(jmespath.search(text, {"doc": document}))
    except (jmespath.exceptions.JMESPathTypeError, TypeError):
        return EvaluationError


def ours(text: str, document: Any) -> Any:
    try:
        return query(text, doc=plain(document))
    except EvaluationError:
        return EvaluationError


@given(queries, documents)
@settings(max_examples=600)
def test_paths_projections_filters_and_logic_agree_with_the_library(text: str, document: Any) -> None:
    assert ours(text, document) == reference(text, document)


calls = st.one_of(
    st.builds("{}({})".format, st.sampled_from(ONE_ARGUMENT), paths),
    st.builds("{}({}, {})".format, st.sampled_from(TWO_ARGUMENTS), paths, paths | st.sampled_from(["'a'", "`2`"])),
    st.builds(str.format, st.sampled_from(BY_EXPRESSION), paths, fields),
    st.builds("map(&{}, {})".format, fields, paths),
)


@given(calls, documents)
@settings(max_examples=600)
def test_the_standard_functions_agree_with_the_library(text: str, document: Any) -> None:
    """The library divides floats for `avg`, and escapes what is not ASCII in `to_string`: both are allowed for."""
    wanted, found = reference(text, document), ours(text, document)
    if text.startswith("to_string") and isinstance(wanted, str) and isinstance(found, str) and wanted != found:
        wanted, found = json.loads(wanted), json.loads(found)
    if isinstance(wanted, Decimal) or isinstance(found, Decimal):
        assert abs(Decimal(wanted) - Decimal(found)) < Decimal("1e-9")
    else:
        assert found == wanted


@given(st.lists(st.sampled_from([*"[]{}()|&.,:*?!@'\"<>= -1", "a", "doc", "||", "&&", "==", "[?", "`1`"]), max_size=12))
@settings(max_examples=600)
def test_what_the_library_can_not_read_is_refused_and_what_it_can_is_read(parts: list[str]) -> None:
    """Apart from names, `@` at the root, `&expression` and functions, which have rules of their own here."""
    text = "".join(parts)
    fault = fault_or_none(compile_query, text, names())
    try:
        jmespath.compile(text)
    except jmespath.exceptions.JMESPathError:
        assert fault is not None
        assert fault.code == "EXPR011"
    else:
        assert fault is None or fault.code != "EXPR011" or "step of a slice" in fault.message


@pytest.mark.parametrize(
    ("text", "document", "library", "here"),
    [
        ("doc == `[1]`", [True], True, False),
        ("to_number(doc)", "1_000", 1000, None),
        ("contains(doc, `1`)", [True], True, False),
        ("sum(doc)", [Decimal("0.1"), Decimal("0.2")], None, Decimal("0.3")),
    ],
)
def test_the_intended_differences_are_these(text: str, document: Any, library: Any, here: Any) -> None:
    if library is not None:
        assert jmespath.search(text, {"doc": document}) == library
    assert query(text, doc=document) == here


def test_unquoted_text_in_backticks_is_read_by_the_library_and_refused_here() -> None:
    with pytest.warns(PendingDeprecationWarning):
        assert jmespath.search("`text`", {}) == "text"
    fault = fault_or_none(compile_query, "`text`")
    assert fault is not None
    assert fault.code == "EXPR011"


def test_a_number_against_a_text_is_a_bare_type_error_there_and_an_error_of_ours_here() -> None:
    with pytest.raises(TypeError):
        jmespath.search("doc < 'a'", {"doc": 1})
    with pytest.raises(EvaluationError):
        query("doc < 'a'", doc=1)
