"""Queries, templates, schemas and inputs by the hundred thousand, each held to the library that it is an own form of.

A generator of our own writes them: it is a hundred times as fast as a property test, and has no need to shrink what is
this small. The quick run takes some thousands; the slow suite a million in all.
"""

from __future__ import annotations

import json
import random
import sys
from collections.abc import Callable
from typing import Any

import jinja2
import jmespath
import jmespath.exceptions
import jsonschema
import pytest

from engine.compiled.fault import EvaluationError
from engine.compiled.query import compile_query
from engine.compiled.schema import Schema
from engine.compiled.template import compile_template
from tests.compiled import filling
from tests.compiled.evaluate import names, plain, scope

FIELDS = ("a", "b", "c")
# Neither 0 nor 1: Python's `[True] == [1]`, and so the library's, is no equality of JSON.
SCALARS = (None, True, False, 2, 17, -3, "", "a", "b", "10", "é")
LITERALS = ("`2`", "`17`", "`true`", "`null`", "'a'")
JINJA = jinja2.Environment(undefined=jinja2.StrictUndefined, autoescape=False)


def document(dice: random.Random, depth: int = 3) -> Any:
    kind = dice.random()
    if depth == 0 or kind < 0.3:
        return dice.choice(SCALARS)
    if kind < 0.6:
        return [document(dice, depth - 1) for _ in range(dice.randrange(4))]
    return {field: document(dice, depth - 1) for field in FIELDS if dice.random() < 0.7}


def path(dice: random.Random) -> str:
    made = "doc"
    for _ in range(dice.randrange(5)):
        one, other = dice.choice(FIELDS), dice.choice(FIELDS)
        made += dice.choice(
            (
                f".{one}", f".{one}", f".{one}", "[0]", "[-1]", "[*]", "[]", ".*", "[1:]", "[::-1]", f"[?{one}]",
                "[?@]", f"[?{one} == `2`]", f"[?{one} != 'a']", f"[?{one} == {other}]", f"[?!{one}]",
                f".[{one}, {other}]",
                f".{{x: {one}, y: {other}}}",
            )
        )  # fmt: skip
    return made


def query(dice: random.Random, depth: int = 2) -> str:
    kind = dice.random()
    if depth == 0 or kind < 0.4:
        return path(dice)
    if kind < 0.6:
        return f"({query(dice, depth - 1)} {dice.choice(('||', '&&', '==', '!='))} {query(dice, depth - 1)})"
    if kind < 0.7:
        return f"(!{query(dice, depth - 1)})"
    if kind < 0.8:
        return f"({query(dice, depth - 1)} | {dice.choice(('[0]', 'a', '[]', '*', '@', '[*].a', '{x: @}'))})"
    if kind < 0.9:
        return f"({path(dice)} {dice.choice(('==', '!='))} {dice.choice(LITERALS)})"
    return f"{dice.choice(('length', 'keys', 'type', 'to_array', 'not_null', 'sum', 'max'))}({query(dice, depth - 1)})"


def one_query(dice: random.Random) -> None:
    text, given = query(dice), document(dice)
    try:
        wanted = plain(jmespath.search(text, {"doc": given}))
    except (jmespath.exceptions.JMESPathTypeError, TypeError):
        wanted = EvaluationError
    try:
        found = compile_query(text, names())(scope({"doc": plain(given)}))
    except EvaluationError:
        found = EvaluationError
    assert repr(found) == repr(wanted), (text, given)


def expression(dice: random.Random, depth: int = 3) -> str:
    kind = dice.random()
    if depth == 0 or kind < 0.35:
        return dice.choice(("input.alpha", "input.beta", "input['alpha']", "input.list[0]", "'a'", "''", "5", "none"))
    one, other = expression(dice, depth - 1), expression(dice, depth - 1)
    if kind < 0.55:
        return f"({one} {dice.choice(('and', 'or'))} {other})"
    if kind < 0.7:
        return f"({one} if {expression(dice, depth - 1)} else {other})"
    return f"({one} {dice.choice(('==', '!='))} {other})" if kind < 0.9 else f"(not {one})"


def one_template(dice: random.Random) -> None:
    text = expression(dice)
    # No booleans: `1 == true` holds in Python and so in Jinja, and does not here.
    values = [dice.choice((None, 2, 5, -7, "", "a", "b", "10", "é")) for _ in range(3)]
    given = {"alpha": values[0], "beta": values[1], "list": [values[2]]}
    wanted = JINJA.compile_expression(text)(input=given)
    assert repr(compile_template("{{ " + text + " }}", names())(scope({"input": given}))) == repr(wanted), (text, given)


def schema(dice: random.Random, depth: int = 2) -> dict[str, Any]:
    made: dict[str, Any] = {}
    if dice.random() < 0.7:
        made["type"] = dice.choice(("string", "integer", "number", "boolean", "null", "array", "object"))
    for key, values in (
        ("enum", ([2, "a", None], ["b"])), ("minimum", (-3, 2)), ("maximum", (5, 17)), ("minLength", (1, 2)),
        ("maxLength", (0, 1)), ("pattern", ("^a", "[ab]$")), ("minItems", (1,)), ("uniqueItems", (True,)),
        ("required", (["a"], ["a", "b"])),
    ):  # fmt: skip
        if dice.random() < 0.12:
            made[key] = dice.choice(values)
    if depth and dice.random() < 0.6:
        made["properties"] = {field: schema(dice, depth - 1) for field in FIELDS if dice.random() < 0.5}
        made["additionalProperties"] = dice.choice((True, False, schema(dice, depth - 1)))
        made["items"] = schema(dice, depth - 1)
    return made


def one_schema(dice: random.Random) -> None:
    raw, given = schema(dice), document(dice, 2)
    wanted = jsonschema.Draft202012Validator(raw).is_valid(given)
    assert (Schema(raw).check(plain(given)) == ()) is wanted, (json.dumps(raw), given)


def one_filling(dice: random.Random) -> None:
    filling.compare(dice)


def run(one: Callable[[random.Random], None], count: int) -> None:
    dice = random.Random(20_260_501)
    for done in range(count):
        one(dice)
        if done % 10_000 == 9_999:
            sys.stderr.write(f"\r{one.__name__}: {done + 1:,} of {count:,}")
    sys.stderr.write("\n")


QUICK = [(one_query, 6_000), (one_template, 2_000), (one_schema, 4_000), (one_filling, 3_000)]
SLOW = [(one_query, 500_000), (one_template, 100_000), (one_schema, 300_000), (one_filling, 100_000)]


@pytest.mark.parametrize(("one", "count"), QUICK)
def test_thousands_are_as_the_library_says(one: Callable[[random.Random], None], count: int) -> None:
    run(one, count)


@pytest.mark.slow
@pytest.mark.parametrize(("one", "count"), SLOW)
def test_a_million_are_as_the_library_says(one: Callable[[random.Random], None], count: int) -> None:
    run(one, count)
