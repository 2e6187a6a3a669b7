"""The short way through a plain text gives exactly what the long way gives, or gives up."""

from __future__ import annotations

import random
from itertools import product
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.spec.marks import ListMarks, MapMarks, Marks, Text
from engine.spec.plain_reader import read_plainly
from engine.spec.reader import PARSER, Reader, Stopped

ROOT = Path(__file__).parents[2]
SPECS = sorted(ROOT.glob("specs/*/spec.yaml")) + sorted(ROOT.glob("tests/fixtures/specs/*/spec.yaml"))
TEXTS = [path.read_text("utf-8") for path in SPECS]

USUAL = [
    "k: v\n",
    "  ",
    "\n",
    "- ",
    "key: ",
    "{a: 1, b: [x, 'y']}",
    '"q\\"": "a\\\\b"',
    "# note\n",
    "x y",
    ">-\n",
    "long text",
]
UNUSUAL = [
    "{",
    "}",
    "[",
    "]",
    ": ",
    ":",
    ",",
    ", ",
    "-",
    "#",
    " #",
    "&a",
    "*a",
    "!t",
    "|",
    "|-\n",
    "'",
    '"',
    "''",
    "\\n",
    "%",
    "@",
    "`",
    "?",
    "? ",
    "~",
    "<<",
    "null",
    "true",
    "yes",
    "12",
    "0x1",
    "1.5",
    "1.10",
    "-1",
    "--- ",
    "...",
    "\n---\n",
    "é",
    "\t",
    "{{ x }}",
    "$ref",
    "a#b",
    "a:b",
    "- - a",
    "\n\n",
    "::",
    "a?",
    "-a",
    "https://a.b:",
    "'it''s'",
    "\xa0",
    "\r",
    "日",
]


def the_long_way(text: str) -> tuple[Any, Marks] | None:
    """None: there is something to say about the text."""
    reader = Reader(Text("spec.yaml", text))
    try:
        made = reader.read(PARSER)
    except Stopped:
        return None
    return None if reader.findings else made


def told(marks: Marks) -> Any:
    """Marks as plain data, with the order of their keys."""
    if isinstance(marks, MapMarks):
        return marks.start, list(marks.keys.items()), [(key, told(inner)) for key, inner in marks.values.items()]
    if isinstance(marks, ListMarks):
        return marks.start, [told(inner) for inner in marks.values]
    return marks


def is_read_plainly(text: str) -> bool:
    """Does the short way read it? Then as the long way does."""
    short = read_plainly(text)
    if short is None:
        return False
    long = the_long_way(text)
    assert long is not None, f"the long way has something to say about {text!r}"
    assert repr(short[0]) == repr(long[0])  # types and order too
    assert told(short[1]) == told(long[1])
    return True


def test_most_specs_are_read_the_short_way() -> None:
    assert sum(map(is_read_plainly, TEXTS)) > len(TEXTS) * 0.8


@pytest.mark.parametrize(
    "text",
    [
        "a: b",
        "a: b\n",
        "\n# c\na: b # d\n",
        "a:\n- b\n- c\n",
        "a:\n  - b: 1\n    c: 2\n  - d\n",
        "a: {b: [], c: {}}\n",
        "a: [x,\n  z]\nb: 1\n",
        "a: 'it''s'\n",
        'a: "b\\"c\\nd"\n',
        "'00': \"x\"\n",
        "a: >-\n  one\n  two\n\nb: 1\n",
        "a: >-\n  one\n \n # c\n\nb: 1\n",
        "a:\n  [b, c]\n",
        "https://a.b/c: d\n",
        "a: b:c#d\n",
        "a: -1\n",
        "a:   # why\n  b: 1\n",
        "a: {b: c:d, e: 'f'}\n",
        "a: x  \nb: z\n",
        "a: 1.5\nb: true\nc: null\n",
    ],
)
def test_what_is_plain_is_read_as_the_long_way_reads_it(text: str) -> None:
    assert is_read_plainly(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "a",
        "- a\n",
        "a: b\n  c\n",
        "a: >\n  b\n",
        "a: >-\n  b\n\n  c\n",
        "a: >-\n  b\n   c\n",
        "a: >-\n  b\n   # c\nd: 1\n",
        "a: >-\n  b\n\n  # c\nd: 1\n",
        "a: >-\n  b\n   \nd: 1\n",
        "a: >-\n  b\n\n   ",
        "a: [b,\n...\n]\n",
        "a: |\n  b\n",
        "a: &x b\n",
        "a: {b}\n",
        "a: {b: [1,\n  2], # c\n  d: 3}\n",
        "a: [b: c]\n",
        "a: [b, ]\n",
        "a: yes\n",
        "yes: a\n",
        "a: 1\na: 2\n",
        "a: {b: {{ c }}}\n",
        "a: b: c\n",
        "a:\n",
        "---\na: b\n",
        "a: b\n---\nc: d\n",
        "a: b\n...\n",
        "a: - b\n",
        "a:\n  - b\n - c\n",
        "a: ?b\n",
        "a: \tb\n",
        "a: 'b'c\n",
        'a: "\\x41"\n',
        "a: 1.10\n",
        " a: b\nc: d\n",
        "a: b\n c: d\n",
        "-\n  a: b\n",
        "a:\n  -\n    b: c\n",
        "<<: a\n",
    ],
)
def test_what_is_unusual_or_wrong_is_left_to_the_long_way(text: str) -> None:
    assert read_plainly(text) is None


@settings(max_examples=1500)
@given(st.lists(st.sampled_from([*USUAL, *UNUSUAL]), max_size=14).map("".join))
def test_no_text_is_read_in_two_ways(text: str) -> None:
    is_read_plainly(text)


@settings(max_examples=1500)
@given(st.randoms(use_true_random=False))
def test_no_spec_that_was_edited_is_read_in_two_ways(chance: random.Random) -> None:
    lines = chance.choice(TEXTS).splitlines()
    first = chance.randrange(len(lines))
    some = lines[first : first + chance.randrange(2, 14)]
    margin = min((len(line) - len(line.lstrip()) for line in some if line.strip()), default=0)
    text = "\n".join(line[margin:] for line in some)
    for _ in range(chance.choice((0, 1, 1, 2, 4))):
        at = chance.randrange(len(text) + 1)
        text = text[:at] + chance.choice([*USUAL, *UNUSUAL, ""]) + text[at + chance.choice((0, 0, 1, 3)) :]
    is_read_plainly(text)


BELOW = ["", "  ", "   ", "    ", "# c", " # c", "  # c", "   # c", "z: 1", " z: 1", "  z", "   z", "- z", "  - z"]
BETWEEN = ["[", "]", ", ", ",", "\n", "b", "b: ", "'q'", "'q':", "...", "-1", "- ", "#"]


@pytest.mark.parametrize(
    ("form", "parts", "joint"),
    [
        ("a: >-\n  b\n{}\n", BELOW, "\n"),
        ("a: >-\n  b\n{}", BELOW, "\n"),
        ("a:\n- b: >-\n    b\n  {}\n", BELOW, "\n  "),
        ("a:\n- >-\n b\n{}\n", BELOW, "\n"),
        ("a: [{}]\n", BETWEEN, ""),
        ("a: {{b: c{}}}\n", BETWEEN, ""),
    ],
)
def test_whatever_follows_a_folded_text_or_stands_in_brackets_is_read_in_one_way(
    form: str, parts: list[str], joint: str
) -> None:
    assert sum(is_read_plainly(form.format(joint.join(chosen))) for chosen in product(parts, repeat=3)) > 0


def test_it_gives_up_where_the_long_way_counts() -> None:
    """What is nested too deep or too large is told by one, with its place."""
    assert read_plainly("a: " + "[" * 45 + "]" * 45) is None
    assert read_plainly("a: x\n" + "# more\n" * 20_000) is None
    assert read_plainly(f"{'k' * 1100}: x\n") is None
    for key in ('"' + "\\n" * 600 + '"', "'" + "''" * 600 + "'"):  # long as they are written
        assert read_plainly(f"{key}: x\n") is None
        assert read_plainly(f"a: {{{key}: x}}\n") is None
