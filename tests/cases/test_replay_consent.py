"""Cases of consents, and of calls that renew a token: the engine does what they say, or the difference is told."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from engine.cases.read import read_folder
from engine.cases.replay_any import replay_any
from tests.cases.consenting import (
    APP,
    BACK,
    GIVEN,
    HELD,
    NOW,
    SHOP,
    STATE,
    consent_case,
    denied_case,
    quoting,
    refreshing,
    shop_spec,
    signed,
)
from tests.cases.written import Folder, case, chain, turn
from tests.support.specs import ID

STAMPED = {"state": STATE, "timestamp": "1777604640"}
ACCOUNT: dict[str, Any] = {"now": NOW, "app": APP, "config": {"shop": SHOP}, "token": HELD}


async def problems(home: Path, only: Mapping[str, Any], **of_method: Any) -> list[str]:
    folder = Folder(home, shop_spec(**of_method), only)
    (one,) = read_folder(home / ID)[0]
    return await replay_any(one, folder.catalog)


# --- consents -------------------------------------------------------------------------------------------------


async def test_a_consent_is_played_from_the_page_to_the_token(tmp_path: Path) -> None:
    assert await problems(tmp_path, consent_case()) == []


async def test_a_consent_that_nobody_gives_is_an_error_of_the_case(tmp_path: Path) -> None:
    assert await problems(tmp_path, denied_case()) == []


async def test_an_account_that_holds_a_token_connects_again(tmp_path: Path) -> None:
    assert await problems(tmp_path, consent_case(given={**GIVEN, "token": HELD})) == []


async def test_a_callback_of_another_account_is_refused_as_none_of_ours(tmp_path: Path) -> None:
    query = signed({"code": "fake-code-0000", "shop": "other.shops.example", **STAMPED})
    parts: dict[str, Any] = {"callback": {"query": query}, "exchanges": None, "result": None, "tamper": None}
    other = consent_case(**parts, error={"code": "FORBIDDEN", "message": "another shop answered"})
    assert await problems(tmp_path, other) == []


async def test_a_signature_that_does_not_fit_is_shown_with_the_one_that_would(tmp_path: Path) -> None:
    """So its author need not compute it."""
    query = {"code": "fake-code-0000", "shop": SHOP, **STAMPED}
    (told,) = await problems(tmp_path, consent_case(callback={"query": {**query, "hmac": "0000"}}, tamper=None))
    assert told.startswith("the callback is refused: nothing proves that this comes from the provider; computed ")
    assert signed(query)["hmac"] in told
    assert "given 0000" in told


async def test_a_page_elsewhere_or_with_other_parameters_is_told(tmp_path: Path) -> None:
    other = consent_case(authorize={"url": f"https://{SHOP}/authorize", "query": {"state": STATE, "scope": "all"}})
    told = await problems(tmp_path / "1", other)
    assert told[0] == f"authorize.url: expected https://{SHOP}/authorize, got https://{SHOP}/oauth/authorize"
    assert 'authorize.query.scope: expected "all", got "read_orders write_orders"' in told
    assert f'authorize.query.redirect_uri: expected nothing, got "{BACK}"' in told
    subset = {"url": f"https://{SHOP}/oauth/authorize", "query": {"state": STATE}, "match": "subset"}
    assert await problems(tmp_path / "2", consent_case(authorize=subset)) == []
    assert await problems(tmp_path / "3", consent_case(authorize=None)) == []


@pytest.mark.parametrize("tamper", [{"query": {"extra": "1"}}, {"drop": "shop"}, {"query": {"state": "x" * 20}}])
async def test_each_change_of_a_signed_callback_is_refused(tmp_path: Path, tamper: Mapping[str, Any]) -> None:
    assert await problems(tmp_path, consent_case(tamper=[tamper])) == []


async def test_a_change_that_is_believed_is_told(tmp_path: Path) -> None:
    """Here nothing but the state proves where the callback comes from."""
    told = await problems(tmp_path, consent_case(tamper=[{"query": {"extra": "1"}}]), callback=None)
    assert any(one.startswith("tamper 1: expected a refusal, got ") for one in told)


async def test_what_the_connection_is_afterwards_is_compared(tmp_path: Path) -> None:
    result = {"status": "error", "config": {"shopId": "18"}, "token": {"access": "fake-access-0009"}}
    told = await problems(tmp_path, consent_case(result=result, tamper=None))
    assert 'result.status: expected "error", got "active"' in told
    assert 'result.config.shopId: expected "18", got "17"' in told
    assert 'result.token.access: expected "fake-access-0009", got "fake-access-0000"' in told
    assert len(told) == 3


async def test_a_consent_that_fails_where_it_should_not_is_told(tmp_path: Path) -> None:
    good = consent_case(tamper=None)
    refused = {**good["exchanges"][0], "answer": {"status": 400, "json": {"error": "invalid_grant"}}}
    told = await problems(tmp_path / "1", {**good, "exchanges": [refused]})
    assert told == ["expected a consent, got REAUTH_REQUIRED: invalid_grant"]
    error = {"code": "REAUTH_REQUIRED"}
    assert await problems(tmp_path / "2", consent_case(tamper=None, result=None, error=error)) == [
        "expected REAUTH_REQUIRED, got a result"
    ]


async def test_a_request_that_the_consent_does_not_send_is_told(tmp_path: Path) -> None:
    good = consent_case(tamper=None)
    told = await problems(tmp_path, {**good, "exchanges": good["exchanges"] * 2})
    assert told == ["1 expected request was not sent"]


async def test_without_an_app_the_consent_can_t_begin(tmp_path: Path) -> None:
    given = {name: value for name, value in GIVEN.items() if name != "app"}
    (told,) = await problems(tmp_path, consent_case(given=given))
    assert told.startswith("the consent can't begin: the integration has no app")


# --- tokens ---------------------------------------------------------------------------------------------------


async def test_a_token_that_ended_is_renewed_before_the_call(tmp_path: Path) -> None:
    only = case("renewed", refreshing(), quoting(1), given=ACCOUNT, result={"got": {"n": 1}})
    assert await problems(tmp_path, only) == []


async def test_a_token_that_is_refused_is_renewed_and_the_call_made_again(tmp_path: Path) -> None:
    given = {**ACCOUNT, "token": {**HELD, "expiresAt": "2026-05-01T04:04:05Z"}}
    only = case("refused", quoting(0, 401), refreshing(), quoting(1), given=given, result={"got": {"n": 1}})
    assert await problems(tmp_path, only) == []


async def test_the_refresh_token_that_came_is_the_next_one(tmp_path: Path) -> None:
    later = turn("quote", refreshing(refresh="fake-refresh-0001"), quoting(1), result={"got": {"n": 1}})
    only = chain(
        "twice",
        turn("quote", refreshing(), quoting(1), result={"got": {"n": 1}}),
        {**later, "given": {"now": "2026-05-01T05:00:00Z"}},
        **ACCOUNT,
    )
    assert await problems(tmp_path, only) == []


async def test_a_grant_that_is_over_ends_in_a_word_that_asks_for_consent(tmp_path: Path) -> None:
    over = refreshing(400, {"error": "invalid_grant"})
    only = case("over", over, given=ACCOUNT, error={"code": "REAUTH_REQUIRED", "providerCode": "invalid_grant"})
    assert await problems(tmp_path, only) == []


@pytest.mark.parametrize("scope", ["read_orders write_orders", ["read_orders", "write_orders"]])
async def test_scopes_of_a_token_are_a_list_or_a_text(tmp_path: Path, scope: Any) -> None:
    given = {**ACCOUNT, "token": {"access": "fake-access-0000", "scope": scope}}
    only = case("scopes", quoting(0), given=given, result={"got": {"n": 0}})
    assert await problems(tmp_path, only) == []
