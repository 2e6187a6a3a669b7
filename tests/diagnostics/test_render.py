"""`render`: the source line, and carets under exactly the characters that a finding is about."""

from __future__ import annotations

import re
import unicodedata

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.diagnostics import CODES, Diagnostic, Position, render


def finding(line: int, column: int, length: int = 1, hint: str = "", message: str = "wrong") -> Diagnostic:
    return Diagnostic("YAML006", message, Position("a.yaml", line, column), length, hint)


def shown(text: str, diagnostic: Diagnostic) -> list[str]:
    return render([diagnostic], {"a.yaml": text}).splitlines()


def cells(text: str) -> int:
    """Terminal cells, counted apart from the code under test."""
    return sum(0 if unicodedata.combining(c) else 2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in text)


def test_a_finding_shows_place_code_message_line_carets_and_hint():
    assert shown("a: 1\nb: yes\n", finding(2, 4, 3, 'quote it: "yes"')) == [
        "a.yaml:2:4: error YAML006: wrong",
        "    2 | b: yes",
        "      |    ^^^",
        '      = hint: quote it: "yes"',
    ]


def test_the_text_of_a_diagnostic_is_one_line_with_its_place_and_hint():
    assert str(finding(2, 4, hint="quote it")) == "a.yaml:2:4: YAML006 wrong (quote it)"
    assert str(finding(2, 4)) == "a.yaml:2:4: YAML006 wrong"


@pytest.mark.parametrize(
    ("line", "column", "length", "under"),
    [
        ("a: x", 4, 1, "x"),
        ("\ta: x", 5, 1, "x"),
        ("a:\tx\ty", 6, 1, "y"),
        ("日本: x", 5, 1, "x"),
        ("a: 日本 x", 4, 2, "日本"),
        ("a: 😀😀x", 6, 1, "x"),
        ("a: e\u0301x", 6, 1, "x"),  # the accent takes no cell of its own
        ("Phí giao hàng: x", 16, 1, "x"),
    ],
)
def test_carets_stand_under_the_characters_whatever_stands_before_them(line, column, length, under):
    _, source, carets = shown(line, finding(1, column, length))
    start = source.index(under)
    assert cells(source[:start]) == cells(carets) - carets.count("^")
    assert carets.count("^") == cells(under)


@settings(deadline=None)
@given(
    st.text(alphabet="ab\t日😀e\u0301", max_size=20),
    st.text(alphabet="xX漢", min_size=1, max_size=4),
    st.text(max_size=5),
)
def test_carets_are_aligned_in_any_line(before, under, after):
    line = before + under + re.sub(r"[\r\n]", "", after)
    _, source, carets = shown(line, finding(1, len(before) + 1, len(under)))
    start = source.index(under)
    assert cells(source[:start]) == cells(carets) - carets.count("^")
    assert carets.count("^") == cells(under)


def test_tabs_are_shown_as_spaces_up_to_the_next_stop():
    assert shown("a\tb", finding(1, 3))[1:] == ["    1 | a   b", "      |     ^"]


def test_a_finding_behind_the_end_of_its_line_has_one_caret_behind_it():
    assert shown("key:", finding(1, 5, 7))[1:] == ["    1 | key:", "      |     ^"]


def test_a_finding_behind_the_last_line_or_in_an_unknown_file_has_no_source_line():
    assert shown("a: 1", finding(9, 1)) == ["a.yaml:9:1: error YAML006: wrong"]
    assert render([finding(1, 1)], {}) == "a.yaml:1:1: error YAML006: wrong\n"


def test_a_carriage_return_at_the_end_of_the_line_is_not_shown():
    assert shown("a: 1\r\nb: 2\r\n", finding(1, 4))[1] == "    1 | a: 1"


def test_a_very_long_line_is_cut_around_the_finding():
    _, source, carets = shown("a" * 5000 + "X" + "b" * 5000, finding(1, 5001))
    assert len(source) < 200
    assert source[carets.index("^")] == "X"
    assert source.count("…") == 2


def test_nothing_of_a_file_or_message_reaches_the_terminal_as_a_control_sequence():
    text = render([finding(1, 1, hint="\x1b[2J", message="\x1b]0;x\x07")], {"a.yaml": "\x1b[31mred\u202e\ud800"})
    assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f\u202e\ud800]", text)


def test_colours_only_add_escape_sequences_to_the_same_text():
    findings = [finding(1, 4, 3, "hint"), Diagnostic("YAML006", "odd", Position("a.yaml", 1, 1), severity="warning")]
    plain = render(findings, {"a.yaml": "a: yes"})
    coloured = render(findings, {"a.yaml": "a: yes"}, colour=True)
    assert coloured != plain
    assert "\x1b[1;31merror" in coloured
    assert "\x1b[1;33mwarning" in coloured
    assert re.sub(r"\x1b\[[0-9;]*m", "", coloured) == plain


def test_findings_are_shown_in_the_order_given_with_a_blank_line_between():
    text = render([finding(2, 1), finding(1, 1)], {"a.yaml": "a\nb"})
    assert [line for line in text.splitlines() if "error" in line] == [
        "a.yaml:2:1: error YAML006: wrong",
        "a.yaml:1:1: error YAML006: wrong",
    ]
    assert text.count("\n\n") == 1


@settings(deadline=None)
@given(st.text(max_size=60), st.integers(0, 5), st.integers(0, 70), st.integers(0, 70))
def test_render_takes_any_text_and_any_position(text, line, column, length):
    rendered = render([finding(line, column, length)], {"a.yaml": text})
    assert rendered.startswith(f"a.yaml:{line}:{column}: error")
    assert rendered.encode()


def test_every_code_has_one_sentence_that_says_what_it_means():
    for code, meaning in CODES.items():
        assert re.fullmatch(r"[A-Z]+[0-9]{3}", code)
        assert re.fullmatch(r"[A-Z].*[^.]\.", meaning)
