"""Exact types, all below one, or all; what no event can be is told at once."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.events.wanted import PATTERN, known_types, unheard_of, wants
from tests.events.messages import MOVED, compiled, webhook_spec

KNOWN = frozenset({"payment.paid", "payment.refund.failed", "shipment.updated"})
WORDS = st.from_regex(r"[a-z][a-z0-9_]{0,4}", fullmatch=True)
TYPES = st.lists(WORDS, min_size=2, max_size=4).map(".".join)


@pytest.mark.parametrize(
    ("entry", "fitting"),
    [
        ("*", ["payment.paid", "payment.refund.failed", "shipment.updated"]),
        ("payment.*", ["payment.paid", "payment.refund.failed"]),
        ("payment.refund.*", ["payment.refund.failed"]),
        ("payment.paid", ["payment.paid"]),
        ("pay.*", []),
        ("payment.pai", []),
    ],
)
def test_which_events_an_entry_means(entry: str, fitting: list[str]) -> None:
    assert sorted(kind for kind in KNOWN if wants([entry], kind)) == fitting
    assert sorted(kind for kind in KNOWN if wants(["nothing.known", entry], kind)) == fitting


@given(TYPES, TYPES)
def test_a_family_holds_its_members_and_nobody_else(kind: str, other: str) -> None:
    family = f"{kind.rpartition('.')[0]}.*"
    assert wants([family], kind)
    assert wants([kind], other) == (kind == other)
    words = kind.split(".")[:-1]
    is_below = len(other.split(".")) > len(words) and other.split(".")[: len(words)] == words
    assert wants([family], other) == is_below
    assert re.search(PATTERN, kind)
    assert re.search(PATTERN, family)


@pytest.mark.parametrize("entry", ["", "payment", "payment.", "*.paid", "Payment.paid", "payment.*.x", "**", "a.b\n"])
def test_nothing_else_is_an_entry(entry: str) -> None:
    assert not re.fullmatch(PATTERN.removesuffix("$") + r"\Z", entry)


def test_an_entry_that_fits_no_known_event_is_told_with_the_nearest_name() -> None:
    found = list(unheard_of(["payment.paid", "paymnet.paid", "shipmet.*", "weather.changed", "*", "payment.*"], KNOWN))
    said = {issue.path[1]: issue.message for issue in found}
    assert sorted(said) == [1, 2, 3]
    assert 'did you mean "payment.paid"' in said[1]
    assert 'did you mean "shipment.*"' in said[2]
    assert said[3] == "no event of any integration is of this type"


def test_the_known_types_are_those_of_the_specs_and_our_own(tmp_path: Path) -> None:
    lost = {**MOVED, "when": "body.lost", "type": "parcel.lost"}
    catalog = compiled(tmp_path, webhook_spec(events=[lost, MOVED]))
    assert known_types(catalog) == {"parcel.moved", "parcel.lost", "webhook.ended"}
