"""Laws that hold for all values, and robustness against any."""

from __future__ import annotations

import html
import string
from datetime import UTC, datetime
from decimal import Decimal
from fractions import Fraction
from typing import Any
from urllib.parse import parse_qsl, quote, unquote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.library import LIBRARY, LibraryError, Table
from engine.library.pairs import like
from engine.library.text import matching

whole = st.integers(-(10**40), 10**40)
decimals = st.decimals(allow_nan=False, allow_infinity=False, places=12, min_value=-(10**20), max_value=10**20)
numbers = whole | decimals
# Hypothesis draws naive times and puts the zone in itself.
FIRST, CENTURY, LAST = (datetime(*day) for day in ((1, 1, 2), (5000, 1, 1), (9999, 12, 30)))  # noqa: DTZ001
texts = st.text(st.characters(exclude_categories=["Cs"]))
instants = st.datetimes(FIRST, LAST).map(lambda at: at.isoformat(timespec="milliseconds") + "Z")
scalars = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.decimals(allow_nan=False, allow_infinity=False)
    | st.text()
    | st.binary()
)
json_values = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4), max_leaves=12
)


def call(name: str, *arguments: Any, **options: Any) -> Any:
    return LIBRARY[name].call(*arguments, **options)


@given(numbers, numbers)
def test_sums_differences_and_products_are_those_of_fractions(x, y):
    for name, expected in [
        ("add", Fraction(x) + Fraction(y)),
        ("sub", Fraction(x) - Fraction(y)),
        ("mul", Fraction(x) * Fraction(y)),
    ]:
        result = call(name, x, y)
        assert Fraction(result) == expected
        assert type(result) is (int if expected.denominator == 1 else Decimal)


@given(numbers, numbers.filter(bool))
def test_a_quotient_is_right_to_28_digits_and_whole_when_it_is_whole(x, y):
    result, expected = call("div", x, y), Fraction(x) / Fraction(y)
    assert abs(Fraction(result) - expected) <= abs(expected) / 10**27
    if expected.denominator == 1:
        assert result == expected
        assert type(result) is int


@given(numbers)
def test_the_text_of_a_number_has_no_exponent_and_reads_back_as_the_number(x):
    written = call("text", x)
    assert set(written) <= set(string.digits + "-.")
    assert call("decimal", written) == x


@given(decimals, st.integers(0, 12))
def test_fixed_is_within_half_a_unit_and_has_exactly_its_digits(x, n):
    written = call("fixed", x, n)
    assert abs(Fraction(written) - Fraction(x)) <= Fraction(1, 2 * 10**n)
    assert len(written.partition(".")[2]) == n


@given(texts)
def test_percent_is_what_the_standard_library_writes_and_reads_back(text):
    written = call("percent", text)
    assert written == quote(text, safe="-._~")
    assert unquote(written) == text


@given(texts)
def test_html_reads_back_and_holds_no_bare_mark(text):
    written = call("html", text)
    assert html.unescape(written) == html.unescape(html.escape(text))
    assert not set(written) & set("<>\"'")


@given(st.dictionaries(texts.filter(bool), texts, max_size=6), st.sampled_from(["form", "percent"]))
def test_encoded_pairs_read_back_as_the_same_form(fields, encode):
    written = call("pairs", fields, encode=encode)
    assert sorted(parse_qsl(written, keep_blank_values=True)) == sorted(fields.items())
    assert written == call("pairs", dict(reversed(fields.items())), encode=encode)


@given(st.text("ab*"), st.text("ab*"))
def test_a_wildcard_stands_for_any_characters(name, pattern):
    def slow(name: str, pattern: str) -> bool:
        if not pattern:
            return not name
        if pattern[0] == "*":
            return slow(name, pattern[1:]) or (bool(name) and slow(name[1:], pattern))
        return name[:1] == pattern[0] and slow(name[1:], pattern[1:])

    name, pattern = name[:8], pattern[:6]
    assert like(name, pattern) == slow(name, pattern)


@given(st.dictionaries(st.text("abc", min_size=1, max_size=3), st.text(max_size=3)), st.text("abcd"))
def test_recode_leaves_a_text_without_keys_alone_and_maps_a_lone_key(words, text):
    table = Table(words)
    if not any(key in text for key in words):
        assert call("recode", text, table) == text
    for key, value in words.items():
        assert call("recode", key, table) == value
        assert call("lookup", key, table) == value


@given(json_values, st.dictionaries(st.text(max_size=3), st.integers()))
def test_a_table_with_other_always_answers_and_null_stays_null(x, words):
    answer = call("lookup", x, Table(words, other="other", has_other=True))
    assert (answer is None) == (x is None)


@given(instants)
def test_an_instant_survives_the_way_to_unix_and_back(at):
    normal = call("from_time", at)
    assert call("from_time", call("time", at, "unix_ms"), "unix_ms") == normal
    assert call("from_time", normal) == normal
    assert datetime.fromisoformat(normal) == datetime.fromisoformat(at)


@given(
    instants.filter(lambda at: "0002" < at[:4] < "9998"),
    st.sampled_from(["Asia/Ho_Chi_Minh", "America/New_York", "Pacific/Chatham"]),
)
def test_an_instant_survives_any_zone_when_the_offset_is_written(at, zone):
    layout = "%Y-%m-%d %H:%M:%S.%f %z"
    assert call("from_time", call("time", at, layout, zone), layout) == call("from_time", at)


@given(
    st.datetimes(CENTURY, LAST),
    st.integers(-(10**6), 0),
    st.sampled_from(["seconds", "minutes", "hours", "days"]),
)
def test_seconds_between_undoes_plus(at, n, unit):
    start = at.replace(tzinfo=UTC, microsecond=0).isoformat()
    size = {"seconds": 1, "minutes": 60, "hours": 3600, "days": 86400}[unit]
    assert call("seconds_between", start, call("plus", start, n, unit)) == n * size


@given(texts, st.integers(0, 60))
def test_a_cut_text_is_a_beginning_that_fits(text, n):
    cut = call("truncate_bytes", text, n)
    assert text.startswith(cut)
    assert len(cut.encode()) <= n
    assert len(text.encode()) <= n or len(text[: len(cut) + 1].encode()) > n


@given(texts)
def test_cleaning_twice_is_cleaning_once(text):
    for name in ("squash", "unaccent", "lower"):
        once = call(name, text)
        assert call(name, once) == once


@given(
    st.lists(st.integers(-3, 3) | st.booleans() | st.text("ab", max_size=1)),
    st.lists(st.integers(-3, 3) | st.booleans()),
)
def test_an_intersection_holds_each_common_element_once(x, y):
    def typed(items: list[Any]) -> list[tuple[bool, Any]]:
        return [(isinstance(item, bool), item) for item in items]

    assert typed(call("intersect", x, y)) == [item for item in dict.fromkeys(typed(x)) if item in typed(y)]


@pytest.mark.parametrize("name", sorted(LIBRARY))
@settings(max_examples=40)  # for each of 41 functions
@given(st.data())
def test_any_values_give_a_result_or_a_library_error(name, data):
    function = LIBRARY[name]
    arguments = [
        data.draw(json_values) for _ in range(data.draw(st.integers(function.required, len(function.positional))))
    ]
    chosen = data.draw(st.lists(st.sampled_from(function.options), unique=True)) if function.options else []
    options = {option: data.draw(json_values) for option in chosen}
    if function.wants_now:
        options["now"] = "2026-05-01T03:04:05Z"
    x = data.draw(json_values | instants | st.text("0123456789.eE-"))
    try:
        result = function.call(x, *arguments, **options)
    except LibraryError:
        return
    assert x is not None or result is None


@given(json_values)
def test_sensible_arguments_with_any_first_value_give_a_result_or_a_library_error(x):
    table = Table({"a": "b"})
    for name, arguments in [
        ("find", ("id", 1)), ("lookup", (table,)), ("recode", (table,)), ("add", (1,)), ("div", (3,)), ("fixed", (2,)),
        ("time", ("%Y",)), ("from_time", ("unix",)), ("plus", (1, "days")), ("digest", ("md5",)), ("kv", ("a",)),
        ("link", ("next",)), ("keep", ("a-z",)), ("truncate_bytes", (3,)), ("before", (".",)), ("intersect", ([1],)),
    ]:  # fmt: skip
        try:
            call(name, x, *arguments)
        except LibraryError:
            continue


def test_matching_takes_the_whole_text_and_refuses_what_re2_refuses():
    holds = matching("[0-9A-F]{32}")
    assert holds("0123456789ABCDEF" * 2)
    assert not holds("0123456789ABCDEF" * 2 + "\n")
    assert matching("[0-9]+")(42)
    assert not matching(".*")(None)
    assert not matching(".*")(["a"])
    assert not matching(".*")("\ud800")
    for refused in ("(?=a)", r"(a)\1", "(", "a{2000}"):
        with pytest.raises(LibraryError, match="RE2"):
            matching(refused)


def test_a_pattern_that_would_hang_a_backtracking_reader_answers():
    assert not matching("(a+)+b")("a" * 100_000)
