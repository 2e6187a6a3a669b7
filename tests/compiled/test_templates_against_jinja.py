"""Where the language says what Jinja says, both give the same: Jinja2 itself is the reference.

Left out on purpose, because the language differs: absence (Jinja renders it as empty text), keys such as `items`
(Jinja finds Python's methods), fractions (Jinja computes with floats), true and false as text, `*` on texts.
"""

from __future__ import annotations

from typing import Any

import jinja2
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.compiled.fault import EvaluationError
from tests.compiled.evaluate import template

ENVIRONMENT = jinja2.Environment(undefined=jinja2.StrictUndefined, autoescape=False)

# No booleans: `1 == true` holds in Python and so in Jinja, and does not here.
values = st.integers(-50, 50) | st.sampled_from(["", "a", "b", "10", "é", "a b"]) | st.none()
inputs = st.fixed_dictionaries({"alpha": values, "beta": values, "gamma": st.lists(values, min_size=2, max_size=3)})

atoms = st.sampled_from(
    ["input.alpha", "input.beta", "input['alpha']", "input.gamma[0]", "input.gamma[-1]", "'a'", "''", "5", "0", "none"]
)
comparisons = st.builds("({} {} {})".format, atoms, st.sampled_from(["==", "!="]), atoms)
expressions = st.recursive(
    atoms | comparisons,
    lambda inner: (
        st.builds("({} {} {})".format, inner, st.sampled_from(["and", "or"]), inner)
        | st.builds("({} if {} else {})".format, inner, inner, inner)
        | st.builds("(not {})".format, inner)
    ),
    max_leaves=6,
)


@given(expressions, inputs)
@settings(max_examples=300)
def test_paths_equality_and_conditions_agree_with_jinja(expression: str, given: dict[str, Any]) -> None:
    assert template("{{ " + expression + " }}", input=given) == ENVIRONMENT.compile_expression(expression)(input=given)


@given(st.sampled_from(["<", "<=", ">", ">="]), st.integers() | st.text(), st.integers() | st.text())
def test_ordering_agrees_with_jinja_where_jinja_can_order(sign: str, left: Any, right: Any) -> None:
    text = "input.alpha " + sign + " input.beta"
    given = {"alpha": left, "beta": right}
    try:
        wanted = ENVIRONMENT.compile_expression(text)(input=given)
    except TypeError:
        wanted = EvaluationError
    try:
        found: Any = template("{{ " + text + " }}", input=given)
    except EvaluationError:
        found = EvaluationError
    assert found == wanted


@given(st.integers(-1000, 1000), st.integers(-1000, 1000), st.integers(-1000, 1000))
def test_whole_numbers_add_subtract_and_multiply_as_in_jinja(a: int, b: int, c: int) -> None:
    text = "{{ (input.a + input.b) * input.c - input.a * -2 }}"
    rendered = ENVIRONMENT.from_string(text).render(input={"a": a, "b": b, "c": c})
    assert str(template(text, input={"a": a, "b": b, "c": c})) == rendered


@given(st.text(alphabet="ab c{}%'\"\\\n\u00e9", max_size=20), st.integers() | st.text(max_size=5))
def test_literal_text_around_expressions_is_kept_as_jinja_keeps_it(literal: str, value: Any) -> None:
    if any(mark in literal + "{" for mark in ("{{", "{%", "{#")) or literal.endswith("{"):
        literal = literal.replace("{", "(")
    text = "<" + literal + "{{ input.a }}" + literal
    reference = jinja2.Environment(keep_trailing_newline=True, autoescape=False)
    assert template(text, input={"a": value}) == reference.from_string(text).render(input={"a": value})
