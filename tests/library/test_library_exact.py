"""JSON in and out without loss."""

from __future__ import annotations

import json
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.library import exact

numbers = st.integers(-(10**400), 10**400) | st.decimals(allow_nan=False, allow_infinity=False).filter(
    lambda number: abs(number.adjusted()) < 500
)
texts = st.text(st.characters(exclude_categories=["Cs"]))
trees = st.recursive(
    st.none() | st.booleans() | numbers | texts,
    lambda inner: st.lists(inner) | st.dictionaries(texts, inner),
    max_leaves=20,
)


@given(trees)
def test_what_was_written_is_read_back_the_same(tree):
    assert exact.loads(exact.dumps(tree)) == tree


@given(trees)
def test_the_standard_reader_reads_the_same_and_nothing_is_a_float(tree):
    raw = exact.dumps(tree)
    read = json.loads(raw, parse_float=Decimal)
    assert read == exact.loads(raw) == exact.loads(raw.decode())
    assert exact.dumps(read) == raw


@given(trees, st.integers(0, 3))
def test_white_space_and_ascii_escapes_change_nothing(tree, indent):
    plain = json.loads(exact.dumps(tree), parse_float=str)
    text = json.dumps(plain, indent=indent)
    assert exact.loads(text) == plain


@given(st.binary() | st.text('{}[]",:0123456789.eE+-tfn \\u', max_size=30).map(str.encode))
def test_any_bytes_are_read_or_refused_with_a_value_error(raw):
    try:
        value = exact.loads(raw)
    except ValueError:
        return
    assert value == json.loads(raw.removeprefix(b"\xef\xbb\xbf").decode(), parse_float=Decimal)


@given(trees.map(exact.dumps) | st.text('{}[]",:0123456789.eE+-tfn \\u', max_size=30).map(str.encode))
def test_long_texts_are_read_as_short_ones_are(raw):
    def read(reader):
        try:
            return repr(reader(raw))
        except ValueError:
            return None

    assert read(exact._read) == read(exact._read_long)


@pytest.mark.parametrize("leaf", ["1", "1.5"])
def test_long_texts_may_be_nested_as_deep_as_short_ones(leaf):
    def nested(levels: int) -> str:
        return f"{'[' * levels}{leaf}{']' * levels}{' ' * exact._SHORT}"

    assert exact.loads(nested(exact.MAX_DEPTH)) is not None
    with pytest.raises(ValueError, match="levels"):
        exact.loads(nested(exact.MAX_DEPTH + 1))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("0.1", Decimal("0.1")),
        (" 1E3 ", Decimal(1000)),
        ('{"a" : -1.5}', {"a": Decimal("-1.5")}),
        ("[1,\n 2.5]", [1, Decimal("2.5")]),
        ("12345678901234567890123", 12345678901234567890123),
        ('{"id":9223372036854775808}', {"id": 9223372036854775808}),
        ('{"id":-9223372036854775809}', {"id": -9223372036854775809}),
        ('{"t":"1.5","u":"2e5"}', {"t": "1.5", "u": "2e5"}),
        ('{"a":1,"a":2}', {"a": 2}),
        ("\ufeff[1]", [1]),
        ('"\\ud83d\\ude00"', "😀"),
        ('["\\ud83d\\ude00", 1E400]', ["😀", Decimal("1E400")]),
        ('["\\ud83d\\ude00", 1.5]', ["😀", Decimal("1.5")]),
    ],
)
def test_numbers_keep_all_their_digits(text, expected):
    value = exact.loads(text)
    assert value == expected
    assert type(value) is type(expected)


@pytest.mark.parametrize(
    "text",
    ["", "{", "NaN", "[Infinity]", "[-Infinity, 1.5]", "[NaN, 1.5]", "01", "1.", "[1.5,]", '{"a":1.5,}',
     '"\\ud800"', '["\\ud800",1.5]', '["\n",1.5]',
     "1e999999999", "1e99999999999999999999999", "-1E-999999999", "0." + "1" * 5000, "1" * 5000, "1e1001",
     b"\xff", b'[1.5,"\xff"]', "\ud800"],
)  # fmt: skip
def test_what_is_no_json_or_no_sane_number_is_a_value_error(text):
    with pytest.raises(ValueError, match=r"not JSON|digits") as refusal:
        exact.loads(text)
    assert type(refusal.value) is ValueError


@pytest.mark.parametrize("box", ["[]", '{"a":}'])
@pytest.mark.parametrize("leaf", ["1", "1.5"])
def test_nesting_is_limited_to_the_same_depth_for_all_numbers(box, leaf):
    front, back = box[:-1], box[-1]

    def nested(levels: int) -> str:
        return f"{front * levels}{leaf}{back * levels}"

    assert exact.loads(nested(exact.MAX_DEPTH)) is not None
    for levels in (exact.MAX_DEPTH + 1, 1_000, 100_000):
        with pytest.raises(ValueError, match="levels"):
            exact.loads(nested(levels))


def test_brackets_in_texts_and_wide_lists_are_not_depth():
    assert exact.loads(json.dumps(["[" * 5_000])) == ["[" * 5_000]
    assert exact.loads("[" + "[{}]," * 5_000 + "[]]")[-1] == []


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (Decimal("10.0"), b"10"),
        (Decimal("1E+3"), b"1000"),
        (Decimal("1.50"), b"1.5"),
        (Decimal("1E-7"), b"0.0000001"),
        (Decimal("-0.0"), b"0"),
        ({"a": [2**64, -(2**70), Decimal("0.1")]}, b'{"a":[18446744073709551616,-1180591620717411303424,0.1]}'),
        ({"tên": "Đà Nẵng"}, '{"tên":"Đà Nẵng"}'.encode()),
    ],
)
def test_numbers_are_written_in_full_digits(value, expected):
    assert exact.dumps(value) == expected


@pytest.mark.parametrize(
    "value",
    [
        b"x",
        {"a": b"x"},
        {1: 2},
        object(),
        "\ud800",
        Decimal("NaN"),
        Decimal("Infinity"),
        Decimal("1e99999"),
        {"a": {1, 2}},
    ],
)
def test_what_is_no_json_value_is_not_written(value):
    with pytest.raises(ValueError, match="can't be written"):
        exact.dumps(value)


def test_a_value_in_itself_is_not_written():
    circle: list[object] = []
    circle.append(circle)
    with pytest.raises(ValueError, match=r"levels|written"):
        exact.dumps(circle)
