"""Positions: every key, value and character of a value is found again in the text."""

from __future__ import annotations

import re
from decimal import Decimal

import pytest
import yaml
from hypothesis import example, given, settings
from hypothesis import strategies as st

from engine.spec.source import Path, Source, read

SPEC = """\
integrationId: acme
actions:
  - actionId: quote     # a comment
    request: {path: "/a/{{ b }}", json: {m: 1, "k\\te\\"y": 'it''s'}}
  - when: >-
      a == b
      && c
    note: |

      one
        two
    long: first
      second
    empty:
"""


def source_of(text: str) -> Source:
    source, findings = read("f", text)
    assert findings == []
    assert source is not None
    return source


def place(source: Source, path: Path, *, key: bool = False, offset: int | None = None) -> tuple[int, int]:
    position = source.position(path, key=key, offset=offset)
    return position.line, position.column


@pytest.mark.parametrize(
    ("path", "value", "key"),
    [
        ((), (1, 1), (1, 1)),
        (("integrationId",), (1, 16), (1, 1)),
        (("actions",), (3, 3), (2, 1)),
        (("actions", 0), (3, 5), (3, 5)),
        (("actions", 0, "actionId"), (3, 15), (3, 5)),
        (("actions", 0, "request"), (4, 14), (4, 5)),
        (("actions", 0, "request", "path"), (4, 21), (4, 15)),
        (("actions", 0, "request", "json", "m"), (4, 45), (4, 42)),
        (("actions", 0, "request", "json", 'k\te"y'), (4, 59), (4, 48)),
        (("actions", 1, "when"), (5, 11), (5, 5)),
        (("actions", 1, "note"), (8, 11), (8, 5)),
        (("actions", 1, "empty"), (14, 11), (14, 5)),
    ],
)
def test_a_path_leads_to_its_value_and_its_key(path, value, key):
    source = source_of(SPEC)
    assert place(source, path) == value
    assert place(source, path, key=True) == key


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("nothing",), (1, 1)),
        (("actions", 7), (3, 3)),
        (("actions", -1), (3, 3)),
        (("actions", "actionId"), (3, 3)),
        (("actions", 0, "request", "headers"), (4, 14)),
        (("integrationId", "deeper", 1), (1, 16)),
        ((0,), (1, 1)),
    ],
)
def test_a_path_that_leads_nowhere_gives_the_innermost_value_on_its_way(path, value):
    source = source_of(SPEC)
    assert place(source, path) == value
    assert place(source, path, key=True) == value


@pytest.mark.parametrize(
    ("path", "offset", "value"),
    [
        (("integrationId",), 0, (1, 16)),
        (("integrationId",), 3, (1, 19)),
        (("integrationId",), 4, (1, 20)),  # its end
        (("integrationId",), 99, (1, 20)),
        (("actions", 0, "request", "path"), 0, (4, 22)),
        (("actions", 0, "request", "path"), 6, (4, 28)),
        (("actions", 0, "request", "json", 'k\te"y'), 3, (4, 64)),  # the s after ''
        (("actions", 1, "when"), 0, (6, 7)),
        (("actions", 1, "when"), 7, (7, 7)),
        (("actions", 1, "note"), 1, (10, 7)),
        (("actions", 1, "note"), 7, (11, 9)),
        (("actions", 1, "long"), 6, (13, 7)),
        (("actions", 1, "empty"), 5, (14, 11)),
        (("actions", 0, "request", "json", "m"), 5, (4, 45)),
    ],
)
def test_an_offset_leads_to_that_character_of_the_content(path, offset, value):
    assert place(source_of(SPEC), path, offset=offset) == value


def test_an_offset_into_a_key_counts_its_escapes():
    path = ("actions", 0, "request", "json", 'k\te"y')
    assert [place(source_of(SPEC), path, key=True, offset=offset)[1] for offset in range(6)] == [49, 50, 52, 53, 55, 56]


@pytest.mark.parametrize(
    ("path", "key", "length"),
    [
        (("integrationId",), False, 4),
        (("integrationId",), True, 13),
        (("actions", 0, "request", "path"), False, 12),
        (("actions", 0, "request", "json", 'k\te"y'), True, 9),
        (("actions", 0, "request", "json", 'k\te"y'), False, 7),
        (("actions", 0, "request", "json", "m"), False, 1),
        (("actions", 1, "when"), False, 2),  # >-
        (("actions", 1, "long"), False, 5),
        (("actions", 1, "empty"), False, 1),
        (("actions",), False, 1),
        (("nothing",), True, 1),
    ],
)
def test_the_length_of_a_key_or_value_is_what_it_takes_of_its_first_line(path, key, length):
    assert source_of(SPEC).length(path, key=key) == length


def test_columns_count_characters_and_not_bytes():
    source = source_of('{tên: "Phí 😀", b: c}')
    assert place(source, ("b",)) == (1, 19)
    assert place(source, ("tên",), offset=5) == (1, 13)


# --- properties -------------------------------------------------------------------------------------------------

ALPHABET = "ab ,:'\"\\{}[]#&*!|>%@`-?\n\té日😀"
TEXTS = st.text(alphabet=ALPHABET, max_size=12)
DECIMALS = st.builds(lambda digits, places: Decimal(f"{digits}.{places}5"), st.integers(0, 999), st.integers(0, 999))
SCALARS = st.none() | st.booleans() | st.integers() | DECIMALS | TEXTS | st.text(max_size=5)


def nested(scalars: st.SearchStrategy[object], keys: st.SearchStrategy[str]) -> st.SearchStrategy[object]:
    return st.recursive(
        scalars,
        lambda inner: st.lists(inner, max_size=4) | st.dictionaries(keys, inner, max_size=4),
        max_leaves=12,
    )


def spelled(value: object) -> str:
    """JSON that is also strict YAML: every odd character of a text as an escape."""
    match value:
        case dict():
            return "{" + ", ".join(f"{spelled(key)}: {spelled(item)}" for key, item in value.items()) + "}"
        case list():
            return "[" + ", ".join(map(spelled, value)) + "]"
        case str():
            escaped = (c if c.isascii() and c.isalnum() else f"\\U{ord(c):08x}" for c in value)
            return '"' + "".join(escaped) + '"'
        case None | bool():
            return {None: "null", True: "true", False: "false"}[value]
    return str(value)


def walk(value: object, path: Path = ()):
    """All paths and their values."""
    yield path, value
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for step, item in items:
        yield from walk(item, (*path, step))


def index(source: Source, path: Path, *, key: bool = False, offset: int | None = None) -> int:
    position = source.position(path, key=key, offset=offset)
    lines = source.text.split("\n")
    assert 1 <= position.line <= len(lines)
    return sum(len(line) + 1 for line in lines[: position.line - 1]) + position.column - 1


@settings(deadline=None)
@given(nested(SCALARS.filter(lambda v: not isinstance(v, str) or not re.search("[\ud800-\udfff]", v)), TEXTS))
def test_any_plain_data_comes_back_the_same_and_every_position_points_at_its_text(data):
    source = source_of(spelled(data))
    assert source.value == data
    for path, value in walk(data):
        assert source.text.startswith(spelled(value), index(source, path))
        if path and isinstance(path[-1], str):
            assert source.text.startswith(spelled(path[-1]), index(source, path, key=True))
        if not isinstance(value, dict | list):
            assert source.length(path) == len(spelled(value))


@settings(deadline=None)
@given(nested(TEXTS, TEXTS), st.sampled_from(['"', "'"]), st.booleans(), st.integers(12, 80))
def test_any_quoted_dump_comes_back_the_same(data, style, in_unicode, width):
    text = yaml.safe_dump(data, default_style=style, allow_unicode=in_unicode, width=width)
    source = source_of(text)
    assert source.value == data
    for path, value in walk(data):
        if isinstance(value, str):
            assert text[index(source, path)] in "'\""


def stands_for(text: str, at: int, char: str) -> bool:
    """Whether the text at an index may be where a character of the content comes from."""
    if text[at] == "\\":
        return True
    return text[at] == char or (char in " \n" and text[at] in " \t\n")


@settings(deadline=None)
@given(
    nested(st.text(alphabet="ab é日😀\n.", max_size=30), st.text(alphabet="ab é:", max_size=6)),
    st.sampled_from([None, "'", '"', "|", ">"]),
    st.integers(10, 40),
    st.integers(2, 6),
)
@example(["a\n\n"], ">", 10, 2)  # what follows a block that ends with line breaks
def test_in_every_style_each_character_of_a_text_is_found_again(data, style, width, indent):
    text = yaml.safe_dump(data, default_style=style, allow_unicode=True, width=width, indent=indent)
    source, findings = read("f", text)
    assert source is not None
    assert {found.code for found in findings} <= {"YAML012"}  # the writer's own tags on empty texts
    if findings:
        return
    for path, value in walk(source.value):
        if not isinstance(value, str):
            continue
        found = [index(source, path, offset=offset) for offset in range(len(value) + 1)]
        assert found == sorted(found)
        assert all(stands_for(text, at, char) for at, char in zip(found, value, strict=False)), (path, found)


LINES = st.lists(st.tuples(st.integers(0, 3), st.text(alphabet="ab", max_size=3)), min_size=1, max_size=8)


@settings(deadline=None)
@given(LINES, st.sampled_from(["|", ">", "|-", ">-", "|+", ">+"]), st.sampled_from(["\n", "\r\n"]))
def test_in_any_block_each_letter_is_found_again(lines, header, line_break):
    body = [f"  {' ' * more}{letters}" for more, letters in lines]
    text = line_break.join([f"a: {header}", "  x", *body, "b: c", ""])
    source = source_of(text)
    value = source.value["a"]
    for offset, char in enumerate(value):
        at = index(source, ("a",), offset=offset)
        assert text[at] == char or (char in " \n" and text[at] in "\r\n"), (offset, char)
    letters = {index(source, ("a",), offset=offset) for offset, char in enumerate(value) if char in "abx"}
    assert len(letters) == sum(char in "abx" for char in value)
