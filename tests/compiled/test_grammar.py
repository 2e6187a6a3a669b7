"""Expressions that are read without Jinja2 are read as Jinja2 reads them."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from engine.compiled.fault import Fault
from engine.compiled.grammar import read
from engine.compiled.jinja import parsed
from engine.compiled.nodes import Node
from engine.compiled.parts import Part
from tests.house.source import ROOT

_WRITTEN = sorted(
    {
        text
        for folder in ("specs", "tests/fixtures/specs")
        for path in (ROOT / folder).glob("*/spec.yaml")
        for text in re.findall(r"\{\{(.*?)\}\}", path.read_text("utf-8"), re.DOTALL)
    }
)
_PLAIN = """
    a input x_1 default lower matching given if else or and not is in true none None True e Ä é 'é' 'text' "it" ''
    | . , ( ) [ ] = == != < <= > >= + - * / ~ ** // % : { } 0 1 12 007 1.5 1_0 0x1 1e3 9999999999999999999
"""
_WORDS = st.sampled_from([*_PLAIN.split(), "'\\n'", '"\\""', "\u00a0", "\n", "\\"])
_TEXTS = st.builds(str.join, st.sampled_from(["", " ", "  "]), st.lists(_WORDS, max_size=12))


def by_jinja(text: str) -> Node | str:
    """The tree, or what is said of the text."""
    try:
        return parsed(Part(text, 2))
    except Fault as fault:
        return f"{fault.code}: {fault.message}"


@st.composite
def sensible(draw: st.DrawFn, depth: int = 3) -> str:
    """What an author may write; the brackets stand anywhere."""
    if depth == 0:
        return draw(
            st.sampled_from(["input.a", "vars.b.c", "x", "5", "'t'", "none", "true", "items[0]", "a['k'].b", "-2"])
        )
    below = sensible(depth=depth - 1)
    form = draw(
        st.sampled_from(
            [
                "{a}", "({a})", "{a} | lower", "{a} | default({b})", "{a} | pairs({b}, only={c})", "{a} is given",
                "{a} is not given", "{a} is matching('x+')", "{a} if {b} else {c}", "{a} if {b}", "not {a}", "-{a}",
                "{a} and {b}", "{a} or {b}", "{a} == {b}", "{a} < {b} <= {c}", "{a} + {b} - {c}", "{a} * {b} / {c}",
                "{a} ~ {b} ~ {c}", "[{a}, {b}]", "[{a},]", "({a}).k", "({a})[{b}]", "{a} | time('unix', zone={b})",
            ]
        )
    )  # fmt: skip
    return form.format(a=draw(below), b=draw(below), c=draw(below))


@settings(max_examples=400)
@given(_TEXTS)
@example("x is given if y")
@example("a ** b")
@example("-a.b | f")
@example("a is b c")
def test_any_text_that_is_read_is_read_as_jinja_reads_it(text: str) -> None:
    tree = read(text)
    assert tree is None or tree == by_jinja(text)


@settings(max_examples=400)
@given(sensible())
def test_what_authors_may_write_is_read_as_jinja_reads_it(text: str) -> None:
    tree = read(text)
    assert tree is None or tree == by_jinja(text)


def test_every_expression_of_every_spec_is_read_as_jinja_reads_it_and_hardly_any_is_left_to_it() -> None:
    left = [text for text in _WRITTEN if read(text) is None]
    assert len(left) * 50 < len(_WRITTEN), left
    for text in _WRITTEN:
        assert text in left or read(text) == by_jinja(text), text


@pytest.mark.parametrize("text", ["(" * 400 + "a" + ")" * 400, "not " * 400 + "a", "- " * 400 + "a", "a" + ".b" * 400])
def test_no_text_is_too_deep_to_be_refused(text: str) -> None:
    assert read(text) is None


def test_what_is_read_without_jinja_does_not_load_it() -> None:
    program = (
        "import sys\nfrom engine.compiled.names import Names, SURE\n"
        "from engine.compiled.template import compile_template\n"
        "value = compile_template('{{ input.a | default(5 if 2 > 1 else 3) }}', Names({'input': SURE}))\n"
        "print(value({'input': {}}), 'jinja2' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["5", "False"]
