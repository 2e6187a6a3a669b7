"""`nearest` and `unknown`: what an author who mistyped a name is told."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.diagnostics import nearest, unknown

KNOWN = ["actionId", "base64", "configSchema", "create_date", "description", "headers", "path", "query", "retryAfter"]


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("bas64", "base64"),  # one letter left out
        ("headersx", "headers"),
        ("quary", "query"),
        ("qurey", "query"),  # two neighbours swapped
        ("ptah", "path"),
        ("CONFIGSCHEMA", "configSchema"),
        ("config_schema", "configSchema"),
        ("ConfigSchema", "configSchema"),
        ("retry-after", "retryAfter"),
        ("createDate", "create_date"),
        ("date_create", "create_date"),  # words in another order
        ("idAction", "actionId"),
        ("header", "headers"),
        ("desc", "description"),  # an abbreviation
        ("discripton", "description"),  # three mistakes in a long name
    ],
)
def test_a_name_that_is_nearly_right_finds_the_right_one(typed, meant):
    assert nearest(typed, KNOWN) == meant


@pytest.mark.parametrize("typed", ["", "x", "id", "banana", "pith and marrow", "zzzzzz", "p" * 10_000])
def test_a_name_that_resembles_nothing_gets_no_suggestion(typed):
    assert nearest(typed, KNOWN) is None


def test_short_names_are_not_suggested_for_each_other():
    assert nearest("is", ["id", "to", "by"]) is None


def test_the_name_itself_is_never_suggested():
    assert nearest("path", ["path"]) is None


def test_of_two_near_names_the_nearer_one_wins_whatever_the_order():
    assert nearest("tokn", ["taken", "token"]) == nearest("tokn", ["token", "taken"]) == "token"


@settings(deadline=None)
@given(st.text(max_size=30), st.lists(st.text(max_size=30), max_size=8))
def test_a_suggestion_is_always_one_of_the_known_names(typed, known):
    suggested = nearest(typed, known)
    assert suggested is None or (suggested in known and suggested != typed)


@settings(deadline=None)
@given(st.text(alphabet="abcdefgh", min_size=6, max_size=12), st.data())
def test_any_one_swap_of_neighbours_in_a_longer_name_is_understood(name, data):
    at = data.draw(st.integers(0, len(name) - 2))
    typed = name[:at] + name[at + 1] + name[at] + name[at + 2 :]
    assert nearest(typed, [name]) == (name if typed != name else None)


def test_unknown_names_the_kind_the_name_and_the_nearest_known_one():
    message, hint = unknown("filter", "bas64", ["hex", "base64"])
    assert message == 'unknown filter "bas64"'
    assert hint == 'did you mean "base64"? known: base64, hex'


def test_unknown_without_a_near_name_lists_what_is_known():
    assert unknown("filter", "banana", ["hex", "base64"])[1] == "known: base64, hex"


def test_unknown_says_so_when_nothing_is_declared():
    assert unknown("table", "cities", [])[1] == "none is declared"


def test_a_long_list_of_known_names_is_cut_and_counted():
    hint = unknown("field", "zzz", [f"f{number:02}" for number in range(40)])[1]
    assert hint.endswith("f11, … (40 in all)")


def test_a_name_with_control_characters_or_of_absurd_length_stays_one_short_line():
    message, _ = unknown("field", "a\n\x1b[31m" + "b" * 1000, [])
    assert "\n" not in message
    assert "\x1b" not in message
    assert len(message) < 150
