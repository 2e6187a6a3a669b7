"""The laws of a token's record: when it is used, when it is renewed, what it belongs to."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.catalog import Apply, Method, Refresh, Scopes, Step
from engine.runtime.grant import MARGIN, granted, is_fresh, is_usable, next_refresh, scopes_of

NOW = 1_777_600_000
LIVES = st.integers(1, 10**7)
STEP: Any = Step.__new__(Step)
METHOD = Method("oauth", "oauth2", None, (), Apply(), (), (), None, {}, refresh=Refresh(STEP, None, None, 0.0))


def at(epoch: float) -> str:
    return datetime.fromtimestamp(epoch, UTC).isoformat()


def token(life: int, **more: Any) -> dict[str, Any]:
    return {"access": "a", "refresh": "r", "method": "oauth", "obtainedAt": NOW, "expiresAt": at(NOW + life), **more}


@given(LIVES, st.floats(0, 1.5))
def test_a_token_is_used_for_at_least_half_its_life_and_never_beyond_it(life: int, share: float) -> None:
    now = NOW + share * life
    if share < 0.5:
        assert is_fresh(token(life), METHOD, now)
    if share >= 1:
        assert not is_usable(token(life), METHOD, now)
    assert is_usable(token(life), METHOD, now) or not is_fresh(token(life), METHOD, now)


@given(LIVES)
def test_it_is_renewed_no_sooner_than_its_margin(life: int) -> None:
    assert is_fresh(token(life), METHOD, NOW + life - MARGIN - 1) or life <= MARGIN + 1
    assert not is_fresh(token(life), METHOD, NOW + life - min(MARGIN, life / 2) + 0.001)


@given(LIVES, LIVES)
def test_a_clock_that_runs_back_never_makes_a_token_stale(life: int, back: int) -> None:
    assert is_fresh(token(life), METHOD, NOW - back)


@given(st.integers(10, 10**8), st.floats(0, 2))
def test_an_idle_grant_is_due_in_its_life_or_never(life: int, share: float) -> None:
    record = token(60, refreshExpiresAt=at(NOW + life), refreshObtainedAt=NOW)
    due = next_refresh(record, METHOD, NOW + share * life)
    assert due is None if share >= 1 else due is not None
    if due is not None:
        assert NOW < due < NOW + life


@pytest.mark.parametrize("lost", [{"refresh": None}, {"dead": "gone"}, {"refreshExpiresAt": None}, {"method": "other"}])
def test_what_can_not_be_renewed_is_never_due(lost: dict[str, Any]) -> None:
    record = token(60, refreshExpiresAt=at(NOW + 1000), refreshObtainedAt=NOW)
    assert next_refresh(record, METHOD, NOW) == NOW + 800
    assert next_refresh({**record, **lost}, METHOD, NOW) is None


def test_a_token_of_another_method_is_none() -> None:
    assert not is_usable(token(60), replace(METHOD, name="other"), NOW)


NAMES = st.lists(st.text("abc_.:/", min_size=1, max_size=8), max_size=5, unique=True)


@given(NAMES, st.sampled_from([" ", ",", "+", ", "]))
def test_scopes_are_read_as_they_were_joined(names: list[str], separator: str) -> None:
    assert scopes_of(separator.join(names), Scopes((), separator, None)) == names


def test_a_scope_brings_with_it_what_the_spec_says() -> None:
    scopes = Scopes(("read", "write"), " ", None, {"write": ("read",)})
    method = replace(METHOD, scopes=scopes)
    assert granted(token(60, scope=["write"]), method) == frozenset({"read", "write"})
    assert granted(token(60, scope=["read"]), method) == frozenset({"read"})
    assert granted(token(60), method) is None
    assert granted(token(60, scope=["write"]), METHOD) is None
